"""Names for the jobs of a crontab, from what they start. Pure. Called by `imported`."""

from __future__ import annotations

import re
from typing import Iterable, Iterator

from xene.model.trigger import RESERVED

_LONGEST = 50  # letters, so that a number may follow
_SPLIT = re.compile(r"&&|\|\||[;|&{}()]")
_PROGRAM = re.compile(r"(\$[A-Z_a-z]+/)?[A-Za-z0-9_./+@~-]+\Z")
_TEXTS = re.compile(r"'[^']*\s[^']*'|\"[^\"]*\s[^\"]*\"")  # in quotes, with blanks: mostly no program
_PASSING = ("/tmp/", "/run/", "/var/run/", "/var/lock/", "/dev/")  # where no programs are
_ENDINGS = (".sh", ".bash", ".py", ".pl", ".php", ".rb", ".js")
# Words that are not what a job is about: of the shell, and programs that start another one.
_SHELL = frozenset({
    "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "in", "case", "esac",
    "exec", "eval", "time", "!",
})  # fmt: skip
# A whole command of these is there for another one.
_BEFORE = frozenset({
    "test", "[", "[[", "]", "]]", "cd", "umask", "sleep", "true", "false", "ulimit", "export", "set",
})  # fmt: skip
_STARTERS = frozenset({
    "sh", "bash", "dash", "ksh", "zsh", "php", "perl", "python", "python2", "python3", "ruby",
    "node", "java", "nice", "ionice", "chronic", "flock", "timeout", "env", "sudo", "su", "nohup",
    "run-parts", "invoke-rc.d", "service", "start-stop-daemon", "systemd-run", "command", "setsid",
    "runuser", "chrt", "taskset",
})  # fmt: skip


def names(commands: Iterable[str]) -> list[str]:
    """A name for each command, no two alike, and none that triggers may not have."""
    taken: set[str] = set(RESERVED)
    out = []
    for command in commands:
        found = next(_programs(_TEXTS.sub("''", command)), "") or next(_programs(command), "")
        base = name = found or "job"
        count = 1
        while name in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name)
        out.append(name)
    return out


def as_name(text: str) -> str:
    """What is left of a text in a name; "" where nothing is."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].rstrip("-")


def _programs(command: str) -> Iterator[str]:
    """Names of the programs that a command line starts, in their order, as far as can be told."""
    for piece in _SPLIT.split(_without_substitutions(command)):
        words = [word.strip("'\"") for word in piece.split()]
        while words and words[0] in _SHELL:
            words = words[1:]
        if not words or words[0] in _BEFORE or words[:2] == ["command", "-v"]:
            continue
        yield from filter(None, (_name(word) for word in words if _is_program(word)))


def _without_substitutions(command: str) -> str:
    """The command without what stands in `$( )`, which is there for the rest of it."""
    start = command.find("$(")
    while start >= 0:
        depth, end = 0, start + 1
        while end < len(command):
            depth += {"(": 1, ")": -1}.get(command[end], 0)
            end += 1
            if depth == 0:
                break
        command = command[:start] + command[end:]
        start = command.find("$(")
    return command


def _is_program(word: str) -> bool:
    last = word.rpartition("/")[2]
    if word.startswith(_PASSING) or word.endswith(".lock"):
        return False
    return bool(_PROGRAM.match(word)) and not word.startswith("-") and last not in _STARTERS | _BEFORE


def _name(word: str) -> str:
    last = word.rstrip("/").rpartition("/")[2]
    for ending in _ENDINGS:
        last = last.removesuffix(ending)
    name = as_name(last)
    return "" if name.isdigit() else name
