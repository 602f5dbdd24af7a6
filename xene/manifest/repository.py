"""A repository of manifests: all objects of a directory or a file, and everything that is wrong with them.

Called by `commands` and `control`. Errors are values, summed over all files; nothing here raises but for a path
that does not exist. What was read before comes from `cache`; the YAML reader is imported only for what changed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from xene.errors import NotFound
from xene.manifest import cache as kept
from xene.manifest import files
from xene.manifest.entries import Declared, Entry, Loaded, ObjectReference
from xene.manifest.files import Found, Refused
from xene.manifest.problems import Problem, closest, plain, quoted
from xene.model.ids import is_name

if TYPE_CHECKING:
    from xene.manifest.load import Reading
    from xene.manifest.reuse import Templates

_LOCAL = "local"  # the agent that is there where no Agent object ever was

__all__ = ["Entry", "ObjectReference", "Repository", "duplicates", "load", "templates_of", "unresolved"]


class Repository(NamedTuple):
    """What was found. `complete` is False where less than the source's root was read: then nothing is pruned.

    `source` names who owns the objects. `declared` also holds objects that have problems; `wanted` is what those
    refer to.
    """

    root: str
    source: str
    complete: bool
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    declared: tuple[Declared, ...] = ()
    wanted: tuple[ObjectReference, ...] = ()


def load(root: str, *, cache: bool = True, templates: Callable[[], Mapping[str, Any]] = dict) -> Repository:
    """Read a directory of manifests, or one file. Raises NotFound where `root` does not exist.

    `templates` gives the JSON of the task templates that may be used beside those below `root`, by name; it is
    asked only where one is missing.
    """
    if not os.path.exists(root):
        hint = "name a directory of manifests or a manifest file"
        raise NotFound(f"{plain(root)}: no such file or directory", hint=hint)
    real = os.path.realpath(root)
    home = files.source_root(real)
    base = home or (real if os.path.isdir(real) else os.path.dirname(real))
    shown = _shower(root, real, base)
    name, source_problems = _source(base, shown) if home else (None, ())
    with _uncollected():
        loaded, problems = _read(real, base, shown, cache, templates)
    entries = tuple(entry for part in loaded for entry in part.entries)
    declared = tuple(item for part in loaded for item in part.declared)
    wanted = tuple(reference for part in loaded for reference in part.wanted)
    problems = [*source_problems, *problems, *(p for part in loaded for p in part.problems)]
    problems += _duplicates(declared)
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.col))
    return Repository(root, name or base, real == base, entries, tuple(problems), declared, wanted)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that is read here is in a circle, and the collector would walk over it ever again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _shower(root: str, real: str, base: str) -> Callable[[str], str]:
    """How the path of a file below `base` is told to the user, who wrote `root`."""
    start = os.path.relpath(real, base)

    def shown(rel: str) -> str:
        if rel == start and not os.path.isdir(real):
            return root
        beside = os.path.relpath(rel, start) if start != "." else rel
        return (
            os.path.normpath(os.path.join(root, beside)) if os.path.isdir(real) else os.path.join(base, rel)
        )

    return shown


def _source(base: str, shown: Callable[[str], str]) -> tuple[str | None, tuple[Problem, ...]]:
    """The name in xene.yaml and what is wrong with the file; its usual two lines need no YAML reader."""
    label = shown(files.SOURCE_FILE)
    try:
        data, _, _ = files.read(os.path.realpath(os.path.join(base, files.SOURCE_FILE)), label)
    except Refused as refused:
        return None, (refused.problem,)
    simple = _simple_name(data)
    if simple is not None:
        return simple, ()
    from xene.manifest.load import load_source

    return load_source(data, label)


def _simple_name(data: bytes) -> str | None:
    """The name in a file that holds comments and one plain `name: shop-ops`; None for anything else."""
    lines = [line for line in data.split(b"\n") if line.strip() and not line.startswith(b"#")]
    if len(lines) != 1 or not lines[0].startswith(b"name: "):
        return None
    name = lines[0][6:].decode("ascii", "replace").strip(" \r")
    return name if is_name(name) and name[0].isalpha() and name not in ("true", "false", "null") else None


def _read(
    real: str, base: str, shown: Callable[[str], str], cache: bool, templates: Callable[[], Mapping[str, Any]]
) -> tuple[list[Loaded], list[Problem]]:
    cache = cache and os.path.isdir(real)
    known = kept.load(real) if cache else {}
    if os.path.isdir(real):
        walk = files.Walk(base, real, shown)
        try:
            found = walk.files()
        except Refused as refused:
            return [], [*walk.problems, refused.problem]
        problems = walk.problems
    else:
        found, problems = [_only(real, base)], []
    reader = _Reader(known, shown, problems)
    loaded = [reader.one(each) for each in found]
    if reader.users:
        loaded = reader.expanded(loaded, templates)
    if cache and reader.now != known:
        kept.save(real, reader.now)
    return loaded, problems


def _only(real: str, base: str) -> Found:
    return Found(os.path.relpath(real, base), real, files.signature(os.stat(real)))


class _User(NamedTuple):
    """A file whose workflows use templates; `reading` is None where it came out of the cache."""

    at: int
    found: Found
    reading: Reading | None
    digest: bytes
    sure: tuple[files.Signature, bool]


class _Reader:
    """Reads file after file. What may be kept goes to `now`; files that wait for templates to `users`."""

    def __init__(
        self, known: dict[str, kept.Known], shown: Callable[[str], str], problems: list[Problem]
    ) -> None:
        self.now: dict[str, kept.Known] = {}
        self.users: list[_User] = []
        self._known = known
        self._shown = shown
        self._problems = problems
        self._count = 0

    def one(self, found: Found) -> Loaded:
        """One file, from the cache if it is as it was; of one that waits, what is there without templates."""
        old = self._known.get(found.rel)
        self._count += 1
        if old is not None and old.settled and old.signature == found.signature:
            return self._old(found, old)
        label = self._shown(found.rel)
        try:
            data, signature, settled = files.read(found.path, label)
        except Refused as refused:
            self._problems.append(refused.problem)
            return Loaded()
        digest = kept.digest(data)
        if old is not None and old.digest == digest:
            return self._old(found, old._replace(signature=signature, settled=settled))
        return self._new(found, data, label, digest, (signature, settled))

    def _old(self, found: Found, old: kept.Known) -> Loaded:
        self.now[found.rel] = old
        if old.loaded.used:
            sure = old.signature, old.settled
            self.users.append(_User(self._count - 1, found, None, old.digest, sure))
        return _named(old.loaded, self._shown(found.rel))

    def _new(
        self, found: Found, data: bytes, label: str, digest: bytes, sure: tuple[files.Signature, bool]
    ) -> Loaded:
        from xene.manifest.load import NO_TEMPLATES, begin

        reading = begin(data, label)
        if reading.waiting:
            self.users.append(_User(self._count - 1, found, reading, digest, sure))
            return reading.so_far()
        loaded = reading.finish(NO_TEMPLATES)
        if not loaded.problems:
            self.now[found.rel] = kept.Known(*sure, digest, loaded)
        return loaded

    def expanded(self, loaded: list[Loaded], stored: Callable[[], Mapping[str, Any]]) -> list[Loaded]:
        """All files, with the templates put into their users; those whose templates are as they were stay."""
        templates = _templates(loaded, stored)
        out = list(loaded)
        for user in self.users:
            if user.reading is None and all(_is(templates, *each) for each in loaded[user.at].used):
                continue
            self.now.pop(user.found.rel, None)
            reading = user.reading or self._again(user)
            if reading is not None:
                out[user.at] = reading.finish(templates)
                if not out[user.at].problems:
                    self.now[user.found.rel] = kept.Known(*user.sure, user.digest, out[user.at])
        return out

    def _again(self, user: _User) -> Reading | None:
        from xene.manifest.load import begin

        label = self._shown(user.found.rel)
        try:
            return begin(files.read(user.found.path, label)[0], label)
        except Refused as refused:
            self._problems.append(refused.problem)
            return None


def _templates(loaded: list[Loaded], stored: Callable[[], Mapping[str, Any]]) -> Templates:
    """The templates in these files, and those of the state."""
    from xene.manifest.reuse import KIND, Template, Templates

    here: dict[str, Template] = {}
    for part in loaded:
        for entry in part.entries:
            if entry.kind == KIND:
                spec = json.loads(entry.text)["spec"]
                here.setdefault(
                    entry.name, Template(entry.name, entry.digest, spec, len(entry.text), entry.file)
                )
    broken = {item.name for part in loaded for item in part.declared if item.kind == KIND}
    return Templates(here, frozenset(broken - here.keys()), stored, _bytes)


def _is(templates: Templates, name: str, digest: str) -> bool:
    """Whether a template is as it was when it was used."""
    found = templates.find(name)
    return found is not None and found.digest == digest


def _bytes(file: str) -> bytes:
    try:
        return files.read(os.path.realpath(file), file)[0]
    except Refused:
        return b""


def _named(loaded: Loaded, file: str) -> Loaded:
    """What came out of the cache, under the name by which the file is called this time."""
    if not loaded.entries or loaded.entries[0].file == file:
        return loaded
    entries = tuple(
        entry._replace(file=file, references=tuple(r._replace(file=file) for r in entry.references))
        for entry in loaded.entries
    )
    declared = tuple(item._replace(file=file) for item in loaded.declared)
    return Loaded(entries, declared, used=loaded.used)


def _duplicates(declared: Iterable[Declared]) -> list[Problem]:
    first: dict[tuple[str, str], Declared] = {}
    problems = []
    for item in declared:
        other = first.setdefault((item.kind, item.name), item)
        if other is not item:
            message = (
                f"there is another {item.kind} named {quoted(item.name)} at {plain(other.file)}:{other.line}"
            )
            problems.append(_at(item, "duplicate-object", message, "rename one of them, or remove it"))
    return problems


def templates_of(repositories: Iterable[Repository]) -> dict[str, Any]:
    """The JSON of the task templates in several repositories, by name: what one may take from another."""
    entries = (entry for each in repositories for entry in each.entries if entry.kind == "TaskTemplate")
    return {entry.name: json.loads(entry.text) for entry in entries}


def duplicates(repositories: Iterable[Repository]) -> list[Problem]:
    """Objects of several repositories that have one name; a file that is in more than one of them counts once."""
    seen: dict[tuple[str, int, int], Declared] = {}
    for repository in repositories:
        for item in repository.declared:
            seen.setdefault((os.path.realpath(item.file), item.line, item.col), item)
    return _duplicates(seen.values())


def unresolved(repository: Repository, known: set[tuple[str, str]]) -> list[Problem]:
    """References to objects that are neither in the repository nor in `known` (kind and name)."""
    there = known | {(item.kind, item.name) for item in repository.declared}
    if not any(kind == "Agent" for kind, _ in there):
        there.add(("Agent", _LOCAL))
    problems = []
    of_entries = (reference for entry in repository.entries for reference in entry.references)
    for reference in (*of_entries, *repository.wanted):
        if (reference.kind, reference.name) not in there:
            names = [name for kind, name in there if kind == reference.kind]
            near = closest(reference.name, sorted(names))
            hint = f"did you mean {quoted(near)}?" if near else "declare it, or apply it first"
            message = f"there is no {reference.kind} named {quoted(reference.name)}"
            problems.append(_at(reference, "unresolved-reference", message, hint))
    return problems


def _at(place: Declared | ObjectReference, code: str, message: str, hint: str) -> Problem:
    return Problem(place.file, place.line, place.col, code, message, hint, _line(place.file, place.line))


def _line(file: str, number: int) -> str:
    """A line of a file that was read before, for a message; empty if it is no longer there."""
    lines = _bytes(file).decode("utf-8", "replace").splitlines()
    return lines[number - 1] if number <= len(lines) else ""
