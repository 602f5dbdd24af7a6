"""Logs larger than memory over SSH: whole, and in bounded memory on both sides, however slowly they are read."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet import Fleet, fleet, until

MIB = 1 << 20
AGENT = 40 * MIB  # what the daemon may take at its highest
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: big}
spec:
  pipelines:
    main:
      tasks:
        talk: {steps: [{name: talk, exec: [python3, %s]}]}
"""
FAST = """\
import sys
for _ in range(%d):
    sys.stdout.write(("x" * 1023 + chr(10)) * 1024)
"""
PACED = """\
import time
begun = time.monotonic()
for beat in range(%(beats)d):
    print("".join("line %%d" %% (beat * 1000 + n) + chr(10) for n in range(1000)), end="", flush=True)
    time.sleep(max(0, begun + beat / 10 - time.monotonic()))
"""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, "ssh", 1) as made:
        yield made


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def daemon(made: Fleet) -> int:
    assert made.hosts is not None
    (path,) = made.hosts[0].home.glob("*/*/daemon.pid")
    return int(path.read_text().split()[0])


def apply(made: Fleet, program: str) -> None:
    path = made.root / "talk.py"
    path.write_text(program)
    made.write("big.yaml", WORKFLOW % path)
    made.apply()


def read_slowly(child: subprocess.Popen[str], at_least: int, let_go: threading.Event) -> int:
    """Bytes of the output; the first `at_least` are read, then nothing more until `let_go`."""
    assert child.stdout
    got = 0
    descriptor = child.stdout.fileno()
    while data := os.read(descriptor, 64 * 1024):
        got += len(data)
        if got >= at_least:
            let_go.wait(300)
    return got


def follow_big(made: Fleet, megabytes: int, limit: int) -> None:
    apply(made, FAST % megabytes)
    runner = made.start("run", "big", "--wait", "-o", "json")
    until(lambda: made.get("runs"), "the run is stored")
    (run,) = made.get("runs")
    reader = made.start("logs", run["id"], "talk/talk", "-f")
    let_go, got = threading.Event(), []
    thread = threading.Thread(target=lambda: got.append(read_slowly(reader, 4 * MIB, let_go)))
    thread.start()
    until(lambda: made.get("runs")[0]["tasks"]["talk"]["phase"] == "Success", "the step ends, read or not")
    peaks = {name: peak(pid) for name, pid in (("runner", runner.pid), ("reader", reader.pid))}
    let_go.set()
    out, err = runner.communicate(timeout=300)
    assert json.loads(out)[0]["phase"] == "Success", err
    thread.join(300)
    assert reader.wait(60) == 0
    assert reader.stderr and reader.stdout
    reader.stdout.close(), reader.stderr.close()
    assert got == [megabytes * MIB]
    assert max(peaks.values()) < limit, {name: value // MIB for name, value in peaks.items()}
    assert peak(daemon(made)) < AGENT


def test_a_slow_reader_of_a_large_log_holds_up_nobody(made: Fleet) -> None:
    follow_big(made, 64, 100 * MIB)


@pytest.mark.soak
def test_a_log_of_two_gigabytes(made: Fleet) -> None:
    follow_big(made, 2048, 200 * MIB)


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.soak)])
def test_ten_thousand_lines_a_second_are_followed_live(made: Fleet, seconds: int) -> None:
    """Whole, in order, and all but the last of it before the run has ended."""
    apply(made, PACED % {"beats": 10 * seconds})
    child = made.start("run", "big", "--follow")
    _, err = child.communicate(timeout=60 + 2 * seconds)
    assert child.returncode == 0, err[-2000:]
    heard = [line.rpartition("line ")[2] for line in err.splitlines() if "line " in line]
    assert heard == [str(number) for number in range(10_000 * seconds)]
    assert peak(daemon(made)) < AGENT
