"""The masker's process: nothing gets past it, nothing is lost when its parent is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from xene.agent import masker
from xene.agent.vault import Vault
from xene.engine.mask import Needles

ROOT = Path(__file__).resolve().parents[2]
VALUE = "correct-horse-in-a-mask"  # its own: it is looked for in what all processes of the machine show
# The parent hears the value on stdin, starts a masker, then a step that writes until it is told to go on.
PARENT = """\
import os, subprocess, sys
from xene.agent import masker
from xene.engine.mask import Needles
value = sys.stdin.readline().strip()
pid, pipe = masker.start(Needles([value]), sys.argv[1])
step = "i=0; while [ $i -lt 2000 ]; do echo line $i $TOKEN; i=$((i+1)); done;"
step += "read go < $1; printf 'half '$TOKEN; echo; echo end"
child = subprocess.Popen(["sh", "-c", step, "sh", sys.argv[2]], stdout=pipe, stderr=pipe, env={"TOKEN": value},
                         stdin=subprocess.DEVNULL, start_new_session=True)
os.close(pipe)
print(pid, child.pid, flush=True)
child.wait()
"""


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.01)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    os.mkfifo(tmp_path / "go")
    words = [sys.executable, "-c", PARENT, str(tmp_path / "log"), str(tmp_path / "go")]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(VALUE + "\n")
        process.stdin.flush()
        pid, child = map(int, process.stdout.readline().split())
        yield process, pid, tmp_path
        process.kill()
        for left in (child, pid):
            try:
                os.kill(left, signal.SIGKILL)
            except ProcessLookupError:
                pass


def test_killing_the_parent_loses_nothing(parent: tuple[subprocess.Popen[str], int, Path]) -> None:
    process, pid, place = parent
    log = place / "log"
    eventually(lambda: log.exists() and b"line 1999 ***\n" in log.read_bytes())  # live, before it has ended
    assert not masker.finished(str(log))
    process.kill()
    process.wait()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(pid, number)
    (place / "go").write_text("go\n")
    eventually(lambda: masker.finished(str(log)))
    wanted = "".join(f"line {n} ***\n" for n in range(2000)) + "half ***\nend\n"
    assert log.read_text() == wanted
    assert log.stat().st_mode & 0o777 == 0o600


def test_nothing_of_it_shows_the_value(parent: tuple[subprocess.Popen[str], int, Path]) -> None:
    _, pid, place = parent
    eventually(lambda: os.path.exists(f"/proc/{pid}/fd") and os.readlink(f"/proc/{pid}/cwd") == "/")
    eventually(lambda: len(os.listdir(f"/proc/{pid}/fd")) == 5)  # three times nothing, the pipe, the log
    for name in ("cmdline", "environ", "comm", "maps"):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            assert VALUE.encode() not in file.read()
    listed = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if VALUE in line and str(place / "go") not in line] == []
    (place / "go").write_text("go\n")
    eventually(lambda: masker.finished(str(place / "log")))
    assert VALUE not in (place / "log").read_text()


def test_others_of_the_same_user_cannot_look_into_it(tmp_path: Path) -> None:
    """As a user without privileges: root may look into everything."""
    tmp_path.chmod(0o777)
    for above in tmp_path.parents:
        if above == Path(tempfile.gettempdir()):
            break
        above.chmod(0o755)
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            ctypes.CDLL(None).prctl(
                4, 1, 0, 0, 0
            )  # setuid itself has forbidden it: it shall be the masker's doing
            pid, pipe = masker.start(Needles([VALUE]), str(tmp_path / "log"))
            eventually(lambda: os.stat(f"/proc/{pid}/mem").st_uid == 0)
            said = []
            for name in ("mem", "environ", "maps"):
                try:
                    os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
                    said.append(name)
                except PermissionError:
                    pass
            os.close(pipe)
            os.waitpid(pid, 0)
            os.write(told, b"open: " + " ".join(said).encode())
        except BaseException as error:
            os.write(told, repr(error).encode())
        finally:
            os._exit(0)
    os.close(told)
    os.waitpid(child, 0)
    with open(heard, "rb") as pipe:
        assert pipe.read() == b"open: "


def test_a_possible_beginning_is_not_shown_until_it_is_known(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid, pipe = masker.start(Needles([VALUE]), str(log))
    os.write(pipe, b"a prompt: corr")
    eventually(lambda: log.read_bytes() == b"a prompt: ")
    os.write(pipe, b"ect!")
    eventually(lambda: log.read_bytes() == b"a prompt: correct!")
    os.close(pipe)
    assert os.waitpid(pid, 0)[1] == 0
    assert masker.finished(str(log)) and masker.finished(str(tmp_path / "none"))


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """/dev/full says ENOSPC for ever: the bytes wait, and with nobody left to want them it gives up."""
    masking = masker.Masker(Needles([VALUE]))
    with open("/dev/full", "wb", buffering=0) as full:
        with pytest.raises(OSError, match="No space left"):
            masker._write(full.fileno(), masking.feed(b"abc"), time.monotonic())
        began = time.monotonic()
        with pytest.raises(OSError, match="No space left"):
            masker._write(full.fileno(), b"abc", began + 0.3)
        assert time.monotonic() >= began + 0.3


def test_where_no_log_can_be_made_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        masker.start(Needles([VALUE]), str(tmp_path / "none" / "log"))


def test_the_vault() -> None:
    vault = Vault()
    vault.put("run-1", {"token": VALUE})
    assert vault.get("run-1") == {"token": VALUE} and vault.get("run-2") is None
    assert vault.needles("run-1").contains(f"x{VALUE}") and not vault.needles("run-2")
    assert VALUE not in repr(vault)
    assert Vault.load(vault.dump()).get("run-1") == {"token": VALUE}
    vault.put("run-1", {"token": "another-value"})
    assert not vault.needles("run-1").contains(VALUE)
    vault.forget("run-1")
    vault.forget("run-1")
    assert vault.keys() == [] and not vault.needles("run-1")


def test_the_vault_is_passed_on_whatever_its_size() -> None:
    vault = Vault()
    vault.put("run", {str(n): "x" * 60000 for n in range(20)})
    reading = vault.pass_on()
    assert os.get_inheritable(reading)
    assert Vault.receive(reading).get("run") == vault.get("run")
    os.wait()
