"""What `~/.ssh/config` says about a host: OpenSSH's own rules, read by us. Pure but for reading the files.

Called by `route`. One pass from the top, the first value found wins, `Include` where it stands; only the
settings that bear on how a host is reached and trusted are kept, the others are passed over as `ssh` passes
over what does not concern it. (paramiko's own reader knows no `Include`, and names no line when it fails.)
"""

from __future__ import annotations

import fnmatch
import glob
import os
import pwd
import re
import shlex
import stat
from dataclasses import dataclass, field

from xene.errors import NotTrusted, Unreachable

SYSTEM = "/etc/ssh/ssh_config"
MAX_INCLUDES = 16  # OpenSSH's own limit
_HARMLESS = re.compile(r"[A-Za-z0-9_.:@%+/][A-Za-z0-9_.:@%+,/=-]*")
_LINE = re.compile(r"""(\w+)(?:\s*=\s*|\s+|(?="))(.+)""")
_FIRST_WINS = {
    "hostname",
    "user",
    "port",
    "identitiesonly",
    "proxyjump",
    "proxycommand",
    "hostkeyalias",
    "userknownhostsfile",
    "globalknownhostsfile",
    "connecttimeout",
    "revokedhostkeys",
    "serveralivecountmax",
    "serveraliveinterval",
}
_TIMES = {"connecttimeout", "serveraliveinterval"}
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass
class Settings:
    """The values of one host, by keyword in lower case, as they are written; `identities` in order."""

    values: dict[str, str] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)


def user_config() -> str:
    return os.path.expanduser("~/.ssh/config")


def settings_for(name: str, *, user: str | None = None, files: tuple[str, ...] | None = None) -> Settings:
    """What the user's, then the system's configuration says about `name`.

    `user` is the login name given elsewhere, for `Match user`. A missing file says nothing. Raises Unreachable
    (SshConfigInvalid) with file and line, NotTrusted where others may write the user's file.
    """
    reader = _Reader(name, user)
    for path in files if files is not None else (user_config(), SYSTEM):
        reader.read(path, depth=0)
    if reader.wants_final:
        reader.final = True
        for path in files if files is not None else (user_config(), SYSTEM):
            reader.read(path, depth=0)
    return reader.found


def invalid(path: str, line: int, what: str) -> Unreachable:
    return Unreachable(
        f"{path}:{line}: {what}", hint="correct it (`ssh -G HOST` reads it too)", code="SshConfigInvalid"
    )


class _Reader:
    """One pass over the files for one host; `active` says whether the lines at hand concern it."""

    def __init__(self, name: str, user: str | None) -> None:
        self.found = Settings()
        self.final = False
        self.wants_final = False
        self._name = name
        self._user = user
        self._active = True

    def read(self, path: str, depth: int, line: int = 0, active: bool = True) -> None:
        if depth > MAX_INCLUDES:
            raise invalid(path, line, f"more than {MAX_INCLUDES} files include each other")
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                _check_owner(path, file.fileno())
                lines = file.read().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise invalid(path, line, f"cannot be read: {error.strerror}") from None
        self._active = active
        for number, text in enumerate(lines, 1):
            text = text.strip()
            if text and not text.startswith("#"):
                self._take(path, number, text, depth, active)

    def _take(self, path: str, line: int, text: str, depth: int, within: bool) -> None:
        matched = _LINE.fullmatch(text)
        if not matched:
            raise invalid(path, line, f"{text.split()[0]!r} has no value")
        key, value = matched[1].lower(), matched[2].strip()
        if key == "host":
            self._active = within and matches(_words(path, line, value), self._name)
        elif key == "match":
            self._active = self._match(path, line, _words(path, line, value)) and within
        elif key == "include":
            self._include(path, line, _words(path, line, value), depth)
        elif self._active and key == "identityfile":
            for word in _words(path, line, value):
                if word not in self.found.identities:
                    self.found.identities.append(word)
        elif self._active and key in _FIRST_WINS and key not in self.found.values:
            whole = key == "proxycommand" or key.endswith("knownhostsfile")
            self.found.values[key] = value if whole else _one(path, line, key, value)

    def _include(self, path: str, line: int, patterns: list[str], depth: int) -> None:
        active = self._active
        base = os.path.dirname(path) if path.startswith("/etc/") else os.path.expanduser("~/.ssh")
        for pattern in patterns:
            whole = os.path.join(base, os.path.expanduser(pattern))
            for found in sorted(glob.glob(whole)):
                self.read(found, depth + 1, line, active)
        self._active = active

    def _match(self, path: str, line: int, words: list[str]) -> bool:
        result, rest = True, list(words)
        while rest:
            word = rest.pop(0)
            negated, criterion = word.startswith("!"), word.lstrip("!").lower()
            if criterion in ("all", "final", "canonical"):
                self.wants_final |= criterion == "final"
                holds = criterion == "all" or (criterion == "final" and self.final)
            elif criterion in ("host", "originalhost", "user", "localuser", "exec") and rest:
                argument = rest.pop(0)
                holds = result and self._holds(criterion, argument)
            else:
                raise invalid(path, line, f"`Match {word}` is not understood here")
            result = result and holds != negated
        return result

    def _holds(self, criterion: str, argument: str) -> bool:
        if criterion == "exec":
            import subprocess

            command = expand_command(
                argument, {"h": self._host(), "n": self._name, "r": self._login(), "u": login()}
            )
            return subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  check=False).returncode == 0  # fmt: skip
        subject = {
            "host": self._host,
            "originalhost": lambda: self._name,
            "user": self._login,
            "localuser": login,
        }[criterion]()
        return matches(argument.split(","), subject)

    def _host(self) -> str:
        return self.found.values.get("hostname", self._name).replace("%h", self._name)

    def _login(self) -> str:
        return self._user or self.found.values.get("user") or login()


def _check_owner(path: str, fd: int) -> None:
    about = os.fstat(fd)
    if about.st_uid not in (0, os.getuid()) or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotTrusted(
            f"{path} may be written by others, and it can name commands to run",
            hint=f"chmod go-w {path}, and see that it is yours",
            code="SshConfigUnsafe",
        )


def _words(path: str, line: int, value: str) -> list[str]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise invalid(path, line, str(error).lower()) from None
    for number, word in enumerate(words):
        if word.startswith("#"):
            return words[:number]
    return words


def _one(path: str, line: int, key: str, value: str) -> str:
    words = _words(path, line, value)
    if not words:
        raise invalid(path, line, f"{key!r} has no value")
    if key in ("port", "serveralivecountmax") and not words[0].isdigit():
        raise invalid(path, line, f"{key!r} wants a number, not {words[0]!r}")
    if key in _TIMES and not re.fullmatch(r"none|(\d+[smhdw]?)+", words[0].lower()):
        raise invalid(path, line, f"{key!r} wants a time, not {words[0]!r}")
    return words[0]


def seconds(text: str | None) -> int:
    """A time as OpenSSH writes it: `90`, `1m30s`. 0 for none."""
    return sum(
        int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhdw]?)", (text or "").lower())
    )


def matches(patterns: list[str], subject: str) -> bool:
    """OpenSSH's pattern lists: `*` and `?`; one negated pattern that fits decides."""
    fits = False
    for pattern in patterns:
        if fnmatch.fnmatchcase(subject.lower(), pattern.lstrip("!").lower().replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def expand(text: str, tokens: dict[str, str]) -> str:
    """Replace `%h` and its like. Raises Unreachable (SshConfigInvalid) for a token that is not known."""
    tokens = {**tokens, "%": "%"}

    def value(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            raise Unreachable(
                f"ssh configuration: %{found[1]} in {text!r} is not understood", code="SshConfigInvalid"
            )
        return tokens[found[1]]

    return re.sub(r"%(.?)", value, text)


def expand_command(text: str, tokens: dict[str, str]) -> str:
    """`expand`, for what a shell is to run: a name that says something to a shell is refused, not quoted.

    (It may stand between quotes already. OpenSSH has had this hole: CVE-2023-51385.) Raises NotTrusted.
    """
    for letter, value in tokens.items():
        if f"%{letter}" in text and not _HARMLESS.fullmatch(value):
            raise NotTrusted(
                f"ssh configuration: {value!r} would go into the command {text!r}, and means something to a shell",
                hint="name the host by an alias of ~/.ssh/config of letters, digits, '.', '_' and '-'",
                code="SshConfigUnsafe",
            )
    return expand(text, tokens)


def login() -> str:
    """The name of whoever runs this, as OpenSSH finds it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("USER", str(os.getuid()))
