"""A crontab as cron reads it: its jobs, the variables that each has, and what is none of both. Pure.

Called by `imported`, which makes manifests of the jobs. The rules are those of Vixie's cron and its heirs on Debian
and Red Hat (crontab(5)): a variable holds for the lines below it, `%` ends the command and begins its input.
"""

from __future__ import annotations

import re
from typing import Collection, Iterator, Mapping, NamedTuple

_VARIABLE = re.compile(r"""("[^"]+"|'[^']+'|[^\s='"]+)\s*=\s*(.*)\Z""")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?\Z")
_FIELDS = 5
# Users of Debian whose names are those of programs too: alone they do not tell a system crontab.
_PROGRAMS = frozenset({"mail", "sync", "man", "at", "git"})


class Job(NamedTuple):
    """One line that starts something. `number` counts from 1; `text` is the whole line.

    `when` are five fields or a word with `@`. `user` is None in a user's crontab. `input` is what cron writes to
    the command's standard input, None: nothing. `variables` are those set above the line, `comments` what stands
    directly above it.
    """

    number: int
    text: str
    when: str
    user: str | None
    command: str
    input: str | None
    variables: Mapping[str, str]
    comments: tuple[str, ...]


class Crontab(NamedTuple):
    """What stands in a crontab. `variables` are (number, name, value); `odd` are lines that cron would refuse."""

    system: bool
    jobs: tuple[Job, ...]
    variables: tuple[tuple[int, str, str], ...]
    odd: tuple[tuple[int, str], ...]


class _Line(NamedTuple):
    """A line that may be a job."""

    number: int
    text: str
    when: str
    rest: str
    variables: Mapping[str, str]
    comments: tuple[str, ...]


def read(text: str, system: bool | None = None, users: Collection[str] = ()) -> Crontab:
    """The crontab in `text`. `system`: whether a user stands in each line, as in /etc/crontab and /etc/cron.d.

    Where that is None it is found out: it is so if all lines have the name of one of `users` there.
    """
    variables: list[tuple[int, str, str]] = []
    odd: list[tuple[int, str]] = []
    lines = list(_lines(text, variables, odd))
    if system is None:
        system = _names_users(lines, users)
    jobs = []
    for line in lines:
        job = _job(line, system)
        if job is None:
            odd.append((line.number, line.text))
        else:
            jobs.append(job)
    return Crontab(system, tuple(jobs), tuple(variables), tuple(sorted(odd)))


def _lines(text: str, variables: list[tuple[int, str, str]], odd: list[tuple[int, str]]) -> Iterator[_Line]:
    """The lines that may be jobs, each with what stands above it."""
    known: dict[str, str] = {}
    comments: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r").strip(" \t")
        if line.startswith("#"):
            comments.append(line.lstrip("#").strip())
            continue
        above, comments = tuple(comment for comment in comments if comment), []
        match = _VARIABLE.match(line)
        if match:
            name, value = _unquoted(match.group(1)), _unquoted(match.group(2))
            known = {**known, name: value}
            variables.append((number, name, value))
        elif line:
            found = _split(line)
            if found is None:
                odd.append((number, line))
            else:
                yield _Line(number, line, *found, known, above)


def _split(line: str) -> tuple[str, str] | None:
    """When, and the rest; None for a line that has no rest."""
    words = line.split(None, 1 if line.startswith("@") else _FIELDS)
    if len(words) < (2 if line.startswith("@") else _FIELDS + 1):
        return None
    return " ".join(words[:-1]), words[-1]


def _unquoted(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _names_users(lines: list[_Line], users: Collection[str]) -> bool:
    firsts = [line.rest.split(None, 1) for line in lines]
    named = [words[0] for words in firsts if len(words) == 2 and words[0] in users]
    return bool(named) and len(named) == len(lines) and not _PROGRAMS.issuperset(named)


def _job(line: _Line, system: bool) -> Job | None:
    user, rest = None, line.rest
    if system:
        words = rest.split(None, 1)
        if len(words) < 2 or not _USER.match(words[0]):
            return None
        user, rest = words
    command, given = _input(rest)
    return Job(line.number, line.text, line.when, user, command, given, line.variables, line.comments)


def _input(text: str) -> tuple[str, str | None]:
    r"""The command, and its input: what stands behind the first `%`, each further one a new line. `\%` is a `%`."""
    pieces = [piece.replace("\\%", "%") for piece in re.split(r"(?<!\\)%", text)]
    if len(pieces) == 1:
        return pieces[0], None
    given = "\n".join(pieces[1:])
    return pieces[0].rstrip(), given if given.endswith("\n") or not given else given + "\n"
