"""A repository of manifests: all objects of a directory or a file, and everything that is wrong with them.

Called by `commands` and `control`. Errors are values, summed over all files; nothing here raises but for a path
that does not exist. What was read before comes from `cache`; the YAML reader is imported only for what changed.
"""

from __future__ import annotations

import contextlib
import gc
import os
from typing import Callable, Iterable, Iterator, NamedTuple

from xene.errors import NotFound
from xene.manifest import cache as kept
from xene.manifest import files
from xene.manifest.entries import Declared, Entry, Loaded, ObjectReference
from xene.manifest.files import Found, Refused
from xene.manifest.problems import Problem, closest, plain, quoted
from xene.model.ids import is_name

_LOCAL = "local"  # the agent that is there where no Agent object ever was

__all__ = ["Entry", "ObjectReference", "Repository", "duplicates", "load", "unresolved"]


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


def load(root: str, *, cache: bool = True) -> Repository:
    """Read a directory of manifests, or one file. Raises NotFound where `root` does not exist."""
    if not os.path.exists(root):
        hint = "name a directory of manifests or a manifest file"
        raise NotFound(f"{plain(root)}: no such file or directory", hint=hint)
    real = os.path.realpath(root)
    home = files.source_root(real)
    base = home or (real if os.path.isdir(real) else os.path.dirname(real))
    shown = _shower(root, real, base)
    name, source_problems = _source(base, shown) if home else (None, ())
    with _uncollected():
        loaded, problems = _read(real, base, shown, cache)
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
    real: str, base: str, shown: Callable[[str], str], cache: bool
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
    now: dict[str, kept.Known] = {}
    loaded = [_one(each, known, now, shown, problems) for each in found]
    if cache and now != known:
        kept.save(real, now)
    return loaded, problems


def _only(real: str, base: str) -> Found:
    return Found(os.path.relpath(real, base), real, files.signature(os.stat(real)))


def _one(
    found: Found,
    known: dict[str, kept.Known],
    now: dict[str, kept.Known],
    shown: Callable[[str], str],
    problems: list[Problem],
) -> Loaded:
    """One file, from the cache if it is as it was; what may be kept goes to `now`."""
    old = known.get(found.rel)
    if old is not None and old.settled and old.signature == found.signature:
        now[found.rel] = old
        return _named(old.loaded, shown(found.rel))
    label = shown(found.rel)
    try:
        data, signature, settled = files.read(found.path, label)
    except Refused as refused:
        problems.append(refused.problem)
        return Loaded()
    digest = kept.digest(data)
    if old is not None and old.digest == digest:
        loaded = _named(old.loaded, label)
    else:
        from xene.manifest.load import load_text

        loaded = load_text(data, label)
    if not loaded.problems:
        now[found.rel] = kept.Known(signature, settled, digest, loaded)
    return loaded


def _named(loaded: Loaded, file: str) -> Loaded:
    """What came out of the cache, under the name by which the file is called this time."""
    if not loaded.entries or loaded.entries[0].file == file:
        return loaded
    entries = tuple(
        entry._replace(file=file, references=tuple(r._replace(file=file) for r in entry.references))
        for entry in loaded.entries
    )
    return Loaded(entries, tuple(item._replace(file=file) for item in loaded.declared))


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
    try:
        data, _, _ = files.read(os.path.realpath(file), file)
    except Refused:
        return ""
    lines = data.decode("utf-8", "replace").splitlines()
    return lines[number - 1] if number <= len(lines) else ""
