"""`xene controller`: the daemon; `xene controller install`: the systemd unit that runs it."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from xene.commands.call import Call
from xene.commands.listening import Door, Insecure, Listen, TlsCert, TlsKey
from xene.errors import NotFound, Usage

if TYPE_CHECKING:
    from xene.control.daemon import Companion, Wishes
    from xene.server.companion import Listening

INSTALL = "install"

What = Annotated[
    Optional[str],
    typer.Argument(
        metavar="install", help="Write the systemd unit that runs the controller; with --user or --system."
    ),
]
Repo = Annotated[
    Optional[str],
    typer.Option(
        "--repo", metavar="DIR", help="Keep the state in line with the manifests in DIR, as they change."
    ),
]


Git = Annotated[
    bool,
    typer.Option("--git", help="With --repo: follow the branch that is checked out there, by git fetch."),
]


def controller(
    call: Call,
    what: What = None,
    repo: Repo = None,
    git: Git = False,
    listen: Listen = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    user: Annotated[bool, typer.Option("--user", help="install: a unit of yours.")] = False,
    system: Annotated[bool, typer.Option("--system", help="install: a unit of the whole system.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="install: only print the unit.")] = False,
) -> int:
    """Be at work on the state until stopped: a connection to every agent, a pass whenever something changes.

    A second controller stands by, and takes over when the first one is gone. SIGTERM ends it, agents go on;
    SIGHUP has it look at everything again. With --repo the state follows a directory: what has gone from it is
    removed without asking; a directory with a mistake in it changes nothing, and `xene get events` says so.
    With --git it follows the commits of a branch instead: DIR is a clone, and its files are left alone.
    With --listen it serves HTTP: webhooks, an API, metrics; 'xene token create' makes what opens them.
    """
    if what not in (None, INSTALL):
        raise Usage(
            f"'xene controller {what}' is not known", hint="xene controller, or xene controller install"
        )
    directory, door = _directory(repo, git), Door(listen, tls_cert, tls_key, insecure)
    listening = door.listening()
    if what == INSTALL:
        return install(call, directory, door, git=git, user=user, system=system, dry_run=dry_run)
    if user or system or dry_run:
        raise Usage("--user, --system and --dry-run belong to 'xene controller install'")
    return serve(call, directory, listening, git=git)


def _directory(repo: str | None, git: bool) -> str:
    """The directory, absolute: a daemon goes on when its working directory is another one."""
    if repo is None:
        if git:
            raise Usage("--git says how DIR of --repo is followed", hint="xene controller --repo DIR --git")
        return ""
    if not os.path.isdir(repo):
        raise NotFound(f"{repo} is no directory", hint="name a directory of manifests")
    if git:
        _check_git(repo)
    return os.path.abspath(repo)


def _check_git(repo: str) -> None:
    from xene.control import git
    from xene.errors import Unreachable

    try:
        git.root(repo)
    except Unreachable as error:
        raise NotFound(
            f"{repo} is in no work tree of git: {error.message}", hint="git clone URL DIR"
        ) from None


def serve(call: Call, directory: str, listening: Listening | None = None, *, git: bool = False) -> int:
    """Work until a signal says to stop."""
    from xene.control.daemon import Controller, Wishes
    from xene.control.place import Place
    from xene.control.systemd import Notifier

    wishes, notifier = Wishes(), Notifier()
    _listen(wishes)
    place = Place(call.state, call.home)
    companions = _companions(call, listening)
    daemon = Controller(
        place,
        wishes,
        lambda text: _say(call, text),
        repo=directory,
        git=git,
        ready=notifier.ready,
        alive=notifier.alive,
        companions=companions,
    )
    daemon.serve()
    notifier.stopping()
    return 0


def _companions(call: Call, listening: Listening | None) -> list[Companion]:
    """What runs beside the controller. Raises Usage, for example for a certificate that cannot be read."""
    from xene.notify.companion import Notifier

    def say(text: str) -> None:
        _say(call, text)

    if listening is None:
        return [Notifier(say)]
    from xene.server.companion import Server

    return [Notifier(say), Server(listening, say)]


def _listen(wishes: Wishes) -> None:
    def stop(*_: object) -> None:
        wishes.stop = True

    def reload(*_: object) -> None:
        wishes.reload = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)


def _say(call: Call, text: str) -> None:
    """A line of the daemon's log, on stderr."""
    call.say(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}")


def install(
    call: Call, directory: str, door: Door, *, git: bool, user: bool, system: bool, dry_run: bool
) -> int:
    """Write the unit, and say what starts it. Raises Usage."""
    from xene.control import systemd

    if user == system:
        raise Usage("install wants one of --user and --system")
    words = [*_program(), "controller", "--state", call.state]
    words += ["--repo", directory] if directory else []
    words += ["--git"] if git else []
    words += door.words()
    text = systemd.unit(words, {"XENE_HOME": call.home}, system=system, user=_login())
    path = systemd.unit_path(system=system)
    if dry_run:
        call.put(text)
        call.say(f"nothing was written: this would be {path}")
        return 0
    _write(path, text)
    how = "systemctl" if system else "systemctl --user"
    call.say(f"wrote {path}")
    call.hint(f"{how} daemon-reload && {how} enable --now {systemd.UNIT}")
    return 0


def _program() -> list[str]:
    """What starts this very Xene: its script, or the module where it was started as one."""
    script = os.path.abspath(sys.argv[0])
    return [sys.executable, "-m", "xene"] if os.path.basename(script) == "__main__.py" else [script]


def _login() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _write(path: str, text: str) -> None:
    from xene.errors import Storage

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".part", path)
    except OSError as error:
        raise Storage(
            f"{path} cannot be written: {error.strerror}", hint="with --dry-run it is only printed"
        ) from None
