"""`xene import crontab`: a crontab as manifests, on stdout. It reads no state and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated, Optional

import typer

from xene.commands.call import Call
from xene.commands.text import plural
from xene.errors import NotFound, Usage
from xene.model import ids

_LARGEST = 1 << 20  # bytes; crontabs have a few thousand
_STDIN = "-"
_FORMATS = {"user": False, "system": True}


def import_crontab(
    call: Call,
    file: Annotated[
        Optional[str],
        typer.Argument(metavar="FILE|-", help="The crontab; -: stdin. Default: what `crontab -l` prints."),
    ] = None,
    agent: Annotated[
        Optional[str],
        typer.Option(
            "--agent", metavar="NAME", help="Pin the pipelines to this agent: the machine of the crontab."
        ),
    ] = None,
    layout: Annotated[
        Optional[str],
        typer.Option(
            "--format",
            metavar="user|system",
            help="Whether a user stands in each line, as in /etc/crontab. Default: it is found out.",
        ),
    ] = None,
) -> int:
    """Print a crontab as manifests that keep its meaning: one pipeline and one trigger for each line.

    What could not be kept is said in comments. Nothing is applied, and cron goes on until its lines are removed.
    """
    from xene.manifest import crontab, zones
    from xene.manifest.imported import imported

    if agent is not None and not ids.is_name(agent):
        raise Usage(f"'{agent}' cannot name an agent: {ids.NAME_RULE}")
    if layout is not None and layout not in _FORMATS:
        raise Usage(f"--format is user or system, not {layout}")
    text = read(file)
    found = crontab.read(text, _FORMATS[layout] if layout else is_system(file), users())
    made = imported(found, name_of(file), origin(file), zones.of_host(), agent)
    call.put(made.text)
    call.say(f"{plural(made.pipelines, 'pipeline')} from {plural(len(found.jobs) + len(found.odd), 'line')}")
    if agent is not None:
        call.hint(f"the agent {agent} must be declared where this is applied")
    if made.dropped:
        lines = ", ".join(str(number) for number, _ in made.dropped)
        call.hint(f"not kept, as the comments say: {lines}")
    return 0


def read(file: str | None) -> str:
    """The crontab. Raises NotFound and Usage."""
    try:
        data = _user_crontab() if file is None else _bytes(file)
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise Usage(f"{file}: larger than a crontab can be ({_LARGEST >> 20} MiB)")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Usage(f"{file}: line {line} is not UTF-8", hint="iconv -f latin1 -t utf-8 FILE") from None
    if "\0" in text:
        raise Usage(f"{file}: it holds NUL, so it is no crontab")
    return text


def _bytes(file: str) -> bytes:
    if file == _STDIN:
        return sys.stdin.buffer.read(_LARGEST + 1) if sys.stdin is not None else b""
    with open(file, "rb") as stream:
        return stream.read(_LARGEST + 1)


def _user_crontab() -> bytes:
    """What the user's own crontab is. Raises NotFound."""
    hint = "name a file, or - for stdin"
    try:
        found = subprocess.run(["crontab", "-l"], capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
    except (FileNotFoundError, PermissionError):
        raise NotFound("there is no program crontab here", hint=hint) from None
    except subprocess.TimeoutExpired:
        raise NotFound("crontab -l does not answer", hint=hint) from None
    if found.returncode != 0:
        said = found.stderr.decode(errors="replace").strip()
        raise NotFound(f"crontab -l: {said or f'exit code {found.returncode}'}", hint=hint)
    return found.stdout


def is_system(file: str | None) -> bool | None:
    """Whether the place of a file says that its lines name users; None: it does not say."""
    if file is None:
        return False
    path = os.path.abspath(file)
    inside = os.path.basename(os.path.dirname(path)) == "cron.d" or path.endswith("/etc/crontab")
    return True if file != _STDIN and inside else None


def users() -> set[str]:
    """The names that may stand in a line of a system crontab: root, and all users of this host."""
    import pwd

    return {"root", *(entry.pw_name for entry in pwd.getpwall())}


def name_of(file: str | None) -> str:
    """What the workflow is called."""
    from xene.manifest.job_names import as_name

    return (as_name(os.path.basename(file)) if file and file != _STDIN else "") or "crontab"


def origin(file: str | None) -> str:
    """Where the crontab comes from, in words."""
    return "crontab -l" if file is None else "standard input" if file == _STDIN else file
