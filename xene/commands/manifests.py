"""Reading manifests for `validate`, `diff`, `apply` and `run FILE`: load, tell every problem, refuse.

The commands above it never see a manifest with a problem in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Sequence

from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import colored_log, plural
from xene.errors import InvalidManifest
from xene.model.agent import LOCAL

if TYPE_CHECKING:
    from xene.manifest.problems import Problem
    from xene.manifest.repository import Repository

Known = set[tuple[str, str]]
READING = "reading the manifests"  # what is said where that takes long
SHOWN = 100  # problems that a command tells which was asked for something else than to find them


def objects_of(repositories: Iterable[Repository]) -> Known:
    """(kind, name) of everything in them, also of what has problems. Without an agent there is the embedded one."""
    known = {(item.kind, item.name) for repository in repositories for item in repository.declared}
    if not any(kind == "Agent" for kind, _ in known):
        known.add(("Agent", LOCAL))
    return known


def problems_of(repository: Repository, known: Known) -> list[Problem]:
    """Every problem of one repository, references included, in the order of files and lines."""
    from xene.manifest import repository as repositories

    found = [*repository.problems, *repositories.unresolved(repository, known)]
    return sorted(found, key=lambda problem: (problem.file, problem.line, problem.col))


def told(problems: Sequence[Problem]) -> str:
    """The problems as text, each with its line and a caret. Nothing in it steers the terminal."""
    from xene.manifest.problems import render

    return "".join(colored_log(render(problem)).rstrip("\n") + "\n" for problem in problems)


def refuse(problems: Sequence[Problem], *, changed_nothing: bool = False, more: str = "") -> InvalidManifest:
    """The error that ends a command whose manifests have problems; `more` shows those that were left off."""
    files = len({problem.file for problem in problems})
    tail = "; nothing was changed" if changed_nothing else ""
    return InvalidManifest(
        f"{plural(len(problems), 'problem')} in {plural(files, 'file')}{tail}",
        hint=f"the first {SHOWN} are above; all of them: {more}" if more and len(problems) > SHOWN else "",
    )


def read(call: Call, path: str, known: Known) -> Repository:
    """The repository at `path`, whole and right. Raises InvalidManifest after telling what is wrong.

    `known` is what references may also name: the objects of the state.
    """
    from xene.manifest import repository as repositories

    with slow(call, READING, lines=False):
        repository = repositories.load(path)
    problems = problems_of(repository, known | {(entry.kind, entry.name) for entry in repository.entries})
    if problems:
        call.complain(told(problems[:SHOWN]))
        raise refuse(problems, changed_nothing=True, more=f"xene validate {path}")
    return repository
