"""`xene validate`: every problem of every file at once. It reads no state and changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Sequence

import typer

from xene.commands import manifests
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import plural

if TYPE_CHECKING:
    from xene.manifest.problems import Problem
    from xene.manifest.repository import Repository


_WORDS = {"TaskTemplate": "task template"}


def validate(
    call: Call,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files, or directories of manifests.")],
) -> int:
    """Find every problem in manifests; exit 3 if there is one.

    Each is told as FILE:LINE:COL: CODE: MESSAGE on stdout, with the line and, where there is one, a remedy.
    """
    from xene.manifest import repository as repositories

    with slow(call, manifests.READING, lines=False):
        found = [repositories.load(path) for path in paths]
        others = repositories.templates_of(found) if len(found) > 1 else {}
        if others:
            found = [repositories.load(path, templates=lambda: others) for path in paths]
    known = manifests.objects_of(found)
    told = {problem: None for one in found for problem in manifests.problems_of(one, known)}
    problems = [*told, *(problem for problem in repositories.duplicates(found) if problem not in told)]
    if call.structured:
        call.put_value([as_json(problem) for problem in problems])
    elif problems:
        call.put(manifests.told(problems))
    if problems:
        raise manifests.refuse(problems)
    call.say(f"no problems: {counted(found)}")
    return 0


def as_json(problem: Problem) -> dict[str, Any]:
    """One problem for programs."""
    return {
        "file": problem.file,
        "line": problem.line,
        "col": problem.col,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint or None,
    }


def counted(repositories: Sequence[Repository]) -> str:
    """`2 workflows, 1 agent in 3 files`. What several of the paths lead to counts once."""
    entries = {
        (_WORDS.get(entry.kind, entry.kind.lower()), entry.name, os.path.realpath(entry.file))
        for repository in repositories
        for entry in repository.entries
    }
    kinds = Counter(kind for kind, _, _ in entries)
    files = len({file for _, _, file in entries})
    what = ", ".join(plural(count, kind) for kind, count in sorted(kinds.items(), reverse=True))
    return f"{what or 'no objects'} in {plural(files, 'file')}"
