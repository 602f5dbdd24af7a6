"""What lies on disk, harmed: torn, damaged, full, wiped, restored from an old copy."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.faulty import Stubborn, log_of
from tests.agent.probe import STATE, Probe, make_order, one_step, probing, stop_daemon
from tests.agent.test_recovery import WAITS, again, go, kill_daemon, started
from tests.agent.test_runs import wait_until, workspace
from xene.agent import process
from xene.errors import XeneError
from xene.model import phases
from xene.transport import bundle, local
from xene.transport.base import Target
from xene.wire import frames, messages


def files(home: str) -> str:
    return os.path.join(home, STATE, "probe")


@pytest.fixture
def control(home: str) -> Iterator[Stubborn]:
    control = Stubborn(home)
    yield control
    control.close()
    stop_daemon(home)


@pytest.mark.parametrize("pace", [97, pytest.param(1, marks=pytest.mark.soak)])
def test_a_tail_torn_at_every_byte_is_cut_and_the_run_goes_on(home: str, pace: int) -> None:
    """A real daemon over each torn journal. What the cut records announced is decided again, and not done twice."""
    with probing(home) as probe:
        run = probe.start(one_step("echo once >> ../count"))
        probe.ended(run)
        kill_daemon(probe)
        whole = Path(files(home), "journal").read_bytes()
        lines = whole.splitlines(keepends=True)
        intent = next(i for i, line in enumerate(lines) if b'"run.accepted"' in line) + 1
        first = intent if pace > 1 else max(intent, len(lines) - 2)  # the last records, byte by byte
        low = sum(map(len, lines[:first]))
        cuts = [*range(low, low + 3), *range(low + 3, len(whole), pace), *range(len(whole) - 3, len(whole))]
        for cut in cuts:
            Path(files(home), "journal").write_bytes(whole[:cut])
            again = Probe(home, journal=probe.hello["journal"])
            again.orders = probe.orders
            assert again.hello["journal"] == probe.hello["journal"]
            assert again.ended(run).phase == phases.SUCCESS, cut
            kill_daemon(again)
        assert Path(os.path.dirname(workspace(probe, run)), "count").read_text() == "once\n"
        assert len(cuts) > 15


def test_a_journal_damaged_in_its_middle_is_set_aside_and_control_sees_another(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step("sleep 300", gracePeriod="1s"))
        started(probe)
        wait_until(lambda: process.members(f"XENE_RUN={run}", None))
        kill_daemon(probe)
        path = Path(files(home), "journal")
        raw = bytearray(path.read_bytes())
        raw[raw.index(b"run.accepted")] ^= 1
        path.write_bytes(raw)
        again = Probe(home, journal=probe.hello["journal"], after=probe.events[-1]["n"])
        assert again.hello["journal"] != probe.hello["journal"]
        (aside,) = path.parent.glob("journal.damaged-*")
        assert aside.read_bytes() == raw
        assert "journal is damaged" in log_of(home)
        wait_until(lambda: not process.members(f"XENE_RUN={run}", None))  # nobody would ever tell of it
        wait_until(lambda: not os.path.exists(workspace(probe, run)))
        assert again.ended(again.start(one_step("true"))).phase == phases.SUCCESS
        again.close()


def test_a_home_restored_from_an_old_copy_gets_a_new_journal(home: str, control: Stubborn) -> None:
    first = control.order(one_step("true"))
    control.ended(first)
    assert control.probe is not None
    kill_daemon(control.probe)
    ignore = shutil.ignore_patterns("daemon.sock")
    shutil.copytree(files(home), os.path.join(home, "copy"), symlinks=True, ignore=ignore)
    second = control.order(one_step("echo once >> ../count"))
    control.ended(second)
    kill_daemon(control.probe)
    shutil.rmtree(files(home), ignore_errors=True)  # the daemon tidies up at the same time
    os.rename(os.path.join(home, "copy"), files(home))
    control.probe = None
    before = list(control.journals)
    control.wishes.clear()
    control.until(lambda: len(control.journals) > len(before))
    assert list(Path(files(home)).glob("journal.restored-*"))
    assert "restored from an older copy" in log_of(home)
    third = control.order(one_step("true"))
    control.until(lambda: control.has("run.ended", third))


def test_a_home_wiped_under_a_living_daemon_ends_it_and_its_steps(home: str) -> None:
    with probing(home) as probe:
        run = probe.start(one_step("env -i sleep 300 & sleep 300"))
        started(probe)
        wait_until(lambda: len(process.members(f"XENE_RUN={run}", None)) >= 3)
        pid = probe.daemon_pid()
        shutil.rmtree(files(home), ignore_errors=True)  # the daemon tidies up at the same time
        with contextlib.suppress(AssertionError, XeneError):  # it may have seen it, and be gone already
            probe.say(messages.start(1, make_order(one_step("true")).to_json()))
            while True:
                probe._take()
        wait_until(lambda: (seen := process.look(pid)) is None or seen.state == "Z")
        assert not process.members(f"XENE_RUN={run}", None)
        probe.close()
        again = Probe(home, journal=probe.hello["journal"])
        assert again.hello["journal"] != probe.hello["journal"]
        assert again.ended(again.start(one_step("true"))).phase == phases.SUCCESS
        again.close()


def test_an_idle_daemon_whose_home_is_wiped_goes(home: str) -> None:
    with probing(home) as probe:
        assert probe.ended(probe.start(one_step("true"))).phase == phases.SUCCESS
        pid = probe.daemon_pid()
        shutil.rmtree(files(home), ignore_errors=True)  # the daemon tidies up at the same time
        wait_until(lambda: (seen := process.look(pid)) is None or seen.state == "Z")


@contextlib.contextmanager
def small_disk(home: str) -> Iterator[None]:
    """A tmpfs of 2 MiB for what the daemon keeps: needs root and mount. Elsewhere the test cannot be made."""
    os.makedirs(files(home), mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "xene-test", files(home)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a full disk wants a mount of its own: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", files(home)], check=True)


def fill(home: str) -> str:
    path = os.path.join(files(home), "ballast")
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path


def test_on_a_full_disk_nothing_is_begun_and_all_goes_on_when_there_is_room(home: str) -> None:
    with small_disk(home), probing(home) as probe:
        busy = probe.start(one_step(WAITS))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, busy), "..", "count")))
        pid, last = probe.daemon_pid(), probe.events[-1]["n"]
        ballast = fill(home)
        orders = [make_order(one_step("echo ran >> ../count")) for _ in range(8)]
        for order in orders:  # more than what is left of the journal's last page
            probe.orders[order.id] = order
            probe.say(messages.start(1, order.to_json()))
        refused = probe.wait(lambda: probe.one("refused"))
        assert refused["code"] == "DiskFull"
        held = {event["run"] for event in probe.events if event["n"] > last}
        unheard = [order.id for order in orders if order.id not in held]
        assert unheard and not any(os.path.exists(os.path.join(workspace(probe, run))) for run in unheard)
        assert probe.daemon_pid() == pid  # the daemon lives, and its step too
        os.unlink(ballast)
        for order in orders:
            assert probe.ended(order.id).phase == phases.SUCCESS
            assert Path(workspace(probe, order.id), "..", "count").read_text() == "ran\n"
        go(probe, busy)
        assert probe.tasks(busy)["t"]["steps"][0]["exitCode"] == 7
        numbers = [event["n"] for event in probe.events]
        assert numbers == sorted(set(numbers))
        assert "can be written again" in log_of(home)


def test_a_hello_on_a_full_disk_is_answered_with_the_reason(home: str) -> None:
    with small_disk(home), probing(home) as probe:
        ballast = fill(home)
        for _ in range(20):
            probe.say(messages.start(1, make_order(one_step("true")).to_json()))
        probe.wait(lambda: probe.one("refused"))
        assert first_answer(home)["code"] == "DiskFull"
        os.unlink(ballast)
        probe.ended(probe.start(one_step("true")))


def first_answer(home: str) -> dict[str, Any]:
    """What the daemon says to another hello of control."""
    channel = local.start(Target("probe", None, home=home, state=STATE), bundle.build()).ready()
    channel._socket.settimeout(20)
    try:
        channel.send(frames.encode(messages.hello_from_control(1, "control", "test", None, 0)))
        decoder = frames.Decoder()
        while not (found := list(decoder.feed(channel.recv(65536)))):
            pass
        return found[0][0]
    finally:
        channel.close()


def test_a_daemon_that_finds_no_room_to_come_up_says_so_and_comes_up_later(home: str) -> None:
    with small_disk(home), probing(home) as probe:
        run = probe.start(one_step(WAITS))
        started(probe)
        wait_until(lambda: os.path.exists(os.path.join(workspace(probe, run), "..", "count")))
        kill_daemon(probe)
        os.unlink(os.path.join(files(home), "daemon.pid"))
        ballast = fill(home)
        with pytest.raises(XeneError, match="No space") as caught:
            Probe(home)
        assert caught.value.code == "DiskFull" and "make room" in caught.value.hint
        os.unlink(ballast)
        second = again(probe)
        go(probe, run)
        assert second.tasks(run)["t"]["steps"][0]["exitCode"] == 7
        second.close()
