"""From a Secret to its value, on the control host, when a run is sent to its agent.

Called by `control`. No error names a value, nor shows what a program or a file said. What was read is kept for as
long as the `Sources` lives, which is one pass: a password manager is not asked a hundred times.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import stat
import subprocess
import time
from typing import Callable, Iterable, Mapping

from xene.engine.mask import FLOOR
from xene.errors import NotFound, NotTrusted
from xene.model.secret import Secret
from xene.secrets import private, seal
from xene.secrets.config import Allow

ENV_FILE = "secrets.env"
LARGEST = 65536  # bytes of a value: an environment variable holds 128 KiB
SECONDS = 10.0  # that a command gets
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class SecretMissing(NotFound):
    """A secret has no value that may be used; the message names the secret, the hint the remedy."""

    code = "SecretMissing"


class Sources:
    """`home` is $XENE_HOME; `allow` is asked only when a file or a command is wanted."""

    def __init__(
        self, home: str, allow: Callable[[], Allow], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._home = home
        self._allow = allow
        self._environ = environ
        self._kept: dict[tuple[object, ...], str] = {}
        self._file: dict[str, str] | None = None

    def values(self, secrets: Mapping[str, Secret], names: Iterable[str]) -> dict[str, str]:
        """The values of the named secrets. Raises like `value`, also for a name that is not in `secrets`."""
        out = {}
        for name in names:
            if name not in secrets:
                raise SecretMissing(f"there is no Secret {name}", hint="declare it, and apply it")
            out[name] = self.value(secrets[name])
        return out

    def value(self, secret: Secret) -> str:
        """The value, without one newline at its end. Raises SecretMissing, NotTrusted (8), Storage (74)."""
        key = (secret.name, secret.env, secret.file, secret.command, secret.age)
        if key not in self._kept:
            self._kept[key] = _checked(secret, self._read(secret))
        return self._kept[key]

    def _read(self, secret: Secret) -> bytes:
        if secret.env is not None:
            return self._variable(secret, secret.env)
        if secret.file is not None:
            return _file(secret, secret.file, self._allow())
        if secret.age is not None:
            try:
                return seal.unseal(self._home, secret.age)
            except seal.NotOpened as error:
                hint = f"seal it anew on this host: xene secret seal {secret.name}"
                raise SecretMissing(f"secret {secret.name}: {error}", hint=hint) from None
        return _printed(secret, self._allow())

    def _variable(self, secret: Secret, name: str) -> bytes:
        found = self._environ.get(name)
        if found is None:
            path = os.path.join(self._home, ENV_FILE)
            if self._file is None:
                self._file = parse(private.read(path) or b"", path)
            found = self._file.get(name)
            if found is None:
                hint = f"set {name}, or write {name}=VALUE into {path} (mode 0600)"
                raise SecretMissing(f"secret {secret.name}: there is no variable {name}", hint=hint)
        return os.fsencode(found)


def parse(data: bytes, path: str) -> dict[str, str]:
    r"""The variables of a `secrets.env`: KEY=VALUE lines, `#` comments, '...' as it is, "..." with \n \t \r \" \\.

    Raises SecretMissing naming the line, never what is in it.
    """
    found = {}
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = None if match is None else _unquoted(match.group(2))
        if match is None or value is None:
            raise SecretMissing(
                f"{path}:{number}: not a KEY=VALUE line", hint="quote values that hold quotes"
            )
        found[match.group(1)] = value
    return found


def _unquoted(text: str) -> str | None:
    if text[:1] == "'":
        match = re.fullmatch(r"'([^']*)'\s*(#.*)?", text)
        return None if match is None else match.group(1)
    if text[:1] == '"':
        match = re.fullmatch(r'"((?:[^"\\]|\\.)*)"\s*(#.*)?', text)
        escapes = {"n": "\n", "t": "\t", "r": "\r"}
        return None if match is None else re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), match.group(1))
    return re.sub(r"\s+#.*", "", text)


def _checked(secret: Secret, data: bytes) -> str:
    """The value as text. Raises SecretMissing where it cannot be used."""
    if data.endswith(b"\n"):
        data = data[:-1].removesuffix(b"\r")
    what = f"secret {secret.name} (from {secret.source})"
    if len(data) > LARGEST:
        raise SecretMissing(f"{what} is longer than {LARGEST >> 10} KiB", hint="keep large things in a file")
    try:
        value = data.decode()
    except UnicodeDecodeError:
        raise SecretMissing(f"{what} is not text", hint="encode it, for example with base64") from None
    if "\0" in value:
        raise SecretMissing(f"{what} holds a NUL, which no environment can", hint="encode it with base64")
    if len(value) < FLOOR:
        hint = f"use {FLOOR} characters or more: shorter ones cannot be kept out of logs"
        raise SecretMissing(f"{what} is {'empty' if not value else 'too short'}", hint=hint)
    return value


def _file(secret: Secret, path: str, allow: Allow) -> bytes:
    real = os.path.realpath(os.path.expanduser(path))
    if not allow.covers(real):
        raise _refused(secret, f"the file {path}", f"allow: {{files: [{real}]}}")
    hint = f"make {path} readable for the user who runs xene"
    try:
        handle = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        raise SecretMissing(f"secret {secret.name}: {path}: {error.strerror}", hint=hint) from None
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise SecretMissing(f"secret {secret.name}: {path} is not a plain file", hint="name a plain file")
        return file.read(LARGEST + 3)


def _refused(secret: Secret, what: str, line: str) -> NotTrusted:
    return NotTrusted(
        f"secret {secret.name}: {what} may not be used by manifests",
        hint=f"if it may, write into $XENE_HOME/config.yaml: {line}",
        code="SecretMissing",
    )


def _printed(secret: Secret, allow: Allow) -> bytes:
    word = secret.command[0]
    program = allow.program(word)
    if program is None:
        raise _refused(secret, f"the command {word}", f"allow: {{commands: [{word}]}}")
    hint = f"run it yourself to see why: {word} ... (what it says may hold the value, so it is not shown)"
    try:
        process = subprocess.Popen(
            secret.command, executable=program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise SecretMissing(f"secret {secret.name}: {word}: {error.strerror}", hint=hint) from None
    deadline = time.monotonic() + SECONDS
    try:
        with process.stdout as pipe:  # type: ignore[union-attr]
            data = _until(pipe.fileno(), deadline)
        code = process.wait(max(0.0, deadline - time.monotonic())) if data is not None else None
    except subprocess.TimeoutExpired:
        data = None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if data is None:
        raise SecretMissing(f"secret {secret.name}: {word} took longer than {SECONDS:.0f} s", hint=hint)
    if code:
        raise SecretMissing(f"secret {secret.name}: {word} ended with exit code {code}", hint=hint)
    return data


def _until(descriptor: int, deadline: float) -> bytes | None:
    """What comes until the end, or until it is too much; None where the time is over."""
    data = b""
    with selectors.DefaultSelector() as ready:
        ready.register(descriptor, selectors.EVENT_READ)
        while len(data) <= LARGEST + 2:
            if not ready.select(max(0.0, deadline - time.monotonic())):
                return None
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            data += piece
    return data
