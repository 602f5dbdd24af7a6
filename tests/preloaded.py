"""Commands forked from a process that has imported the program already: the same code in a process of its own,
with its own arguments, environment, directory, streams, signals and exit; only the imports are spared.

They are half of what a command costs, and whole-program tests give some two thousand commands. What a start from
nothing is like is for tests/test_cli.py and whatever runs a command line through a shell. Used by `tests.fleet` and
`tests.commands.terminal`; a command that wants more than this can give is started in the ordinary way.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORD = struct.Struct("q")
# Python looks at these when it starts, and never again.
AT_START = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONWARNINGS")


def start(module: str, words: Sequence[str], env: Mapping[str, str], **more: Any) -> subprocess.Popen[Any]:
    """`python -m MODULE WORDS`; `more` are `subprocess.Popen`'s. Streams and directory must be given for a fork."""
    command = [sys.executable, "-m", module, *words]
    if _is_ordinary(env, more):
        return subprocess.Popen(command, env=env, **more)
    return Forked(command, env=env, **more)


def run(
    module: str,
    words: Sequence[str],
    env: Mapping[str, str],
    *,
    timeout: float,
    stdin: str | None = None,
    **more: Any,
) -> subprocess.CompletedProcess[str]:
    """The same to its end, with what it said."""
    more["stdin"] = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with start(module, words, env, **pipes, **more) as child:
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def _is_ordinary(env: Mapping[str, str], more: Mapping[str, Any]) -> bool:
    """Whether this start wants what a fork cannot give."""
    known = {"cwd", "stdin", "stdout", "stderr", "text"}
    return bool(set(more) - known) or any(env.get(name) != os.environ.get(name) for name in AT_START)


class Forked(subprocess.Popen[Any]):
    """A child of the preloaded process: it is that one which learns how it ended, and says so once."""

    def _execute_child(self, args: list[str], *more: Any) -> None:
        cwd, env = more[4], more[5]
        into, far_in, near_out, out, near_err, err = more[9:15]  # -1 at our end where there is no pipe
        ours, theirs = socket.socketpair()
        with theirs:
            _preloaded().ask([into, out, err, theirs.fileno()], args[2], args[3:], env, str(cwd), _umask())
        pipes = {near for near, far in ((into, far_in), (out, near_out), (err, near_err)) if far != -1}
        for fd in {*pipes, getattr(self, "_devnull", None)} - {None}:
            os.close(fd)
        self._ended = ours
        self._child_created = True
        self.pid = WORD.unpack(ours.recv(WORD.size))[0]

    def _try_wait(self, flags: int) -> tuple[int, int]:
        try:
            said = self._ended.recv(WORD.size, socket.MSG_DONTWAIT if flags & os.WNOHANG else 0)
        except BlockingIOError:
            return 0, 0
        self._ended.close()
        assert said, "the preloaded process is gone"
        return self.pid, WORD.unpack(said)[0]

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None:
            with self._waitpid_lock:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
        return self.returncode


def _umask() -> int:
    """Ours, without setting it, since other threads may be making files."""
    (line,) = [
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("Umask:")
    ]
    return int(line.split()[1], 8)


class Preloaded:
    """Our end of the process that forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in (*AT_START, "PATH") if name in os.environ}
        with theirs:  # it names no test's directory: so none takes it for a process that was left behind
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
                env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def ask(self, fds: list[int], *request: Any) -> None:
        socket.send_fds(self._socket, [json.dumps(request).encode(errors="surrogateescape")], fds)

    def close(self) -> None:
        """It ends when nobody can ask any more."""
        self._socket.close()
        self._process.wait()


_made: list[Preloaded] = []
_making = threading.Lock()


def _preloaded() -> Preloaded:
    with _making:
        if not _made:
            _made.append(Preloaded())
            atexit.register(_made[0].close)
        return _made[0]


# -- the process that forks


def preload() -> None:
    """Import all that a command may import."""
    import xene

    for found in pkgutil.walk_packages(xene.__path__, "xene."):
        if found.name != "xene.__main__":
            importlib.import_module(found.name)
    for name in (
        "tests.dying",
        "paramiko",
        "rich.console",
        "rich.live",
        "rich.table",
        "rich.tree",
        "sqlite_utils",
    ):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


class Parent:
    """Forks whatever is asked for, and tells of each how it ended."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._children: dict[int, tuple[int, socket.socket]] = {}  # by a handle of theirs: pid, whom to tell
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(asked, selectors.EVENT_READ)

    def serve(self) -> str:
        """Return when nobody asks any more, with ""; or, in a child, with the module that it is to run."""
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is not self._asked:
                    self._tell_end(key.fd)
                    continue
                data, fds, *_ = socket.recv_fds(self._asked, 1 << 20, 4)
                if not data:
                    return ""
                if module := self._fork(data, fds):
                    return module

    def _fork(self, data: bytes, fds: list[int]) -> str:
        pid = os.fork()
        if pid == 0:
            self._forget()
            return become(*json.loads(data.decode(errors="surrogateescape")), fds)
        told = socket.socket(fileno=fds.pop())
        for fd in fds:
            os.close(fd)
        told.send(WORD.pack(pid))
        handle = os.pidfd_open(pid)
        self._children[handle] = (pid, told)
        self._waiting.register(handle, selectors.EVENT_READ)
        return ""

    def _forget(self) -> None:
        """Close, in a child, all that is its parent's."""
        for handle, (_, told) in self._children.items():
            os.close(handle)
            told.close()
        self._waiting.close()
        self._asked.close()

    def _tell_end(self, handle: int) -> None:
        self._waiting.unregister(handle)
        os.close(handle)
        pid, told = self._children.pop(handle)
        _, status = os.waitpid(pid, 0)
        with told:
            try:
                told.send(WORD.pack(status))
            except BrokenPipeError:
                pass  # whoever started it has ended


def become(module: str, words: list[str], env: dict[str, str], cwd: str, umask: int, fds: list[int]) -> str:
    """Take on what makes this process the command that was asked for; its module."""
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.umask(umask)
    os.chdir(cwd)
    sys.argv = [str(ROOT / "xene" / "__main__.py"), *words]
    return module


def carry_out(module: str) -> int:
    """Run it; its exit code, as Python makes it of what escapes."""
    try:
        if module == "tests.dying":
            from tests import dying

            return dying.main(sys.argv[1:])
        assert module == "xene", module
        from xene.cli import command

        command()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def leave(code: int) -> None:
    """What Python does at its end, but for taking apart every module, which would copy most of the memory."""
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as at any end
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    preload()
    if module := Parent(socket.socket(fileno=int(sys.argv[1]))).serve():
        leave(carry_out(module))


if __name__ == "__main__":
    main()
