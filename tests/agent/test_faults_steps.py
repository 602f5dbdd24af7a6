"""Steps that misbehave: their runs end as they must, nothing of them is left, and the daemon does not suffer."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.agent.faulty import log_of
from tests.agent.probe import Probe, one_step
from tests.agent.test_runs import living, wait_until, workspace
from xene.agent import process
from xene.model import phases
from xene.wire import messages

BINARY = bytes(range(256)) * 16


def ended_well(probe: Probe, script: str, **more: object) -> str:
    run = probe.start(one_step(script, **more))
    state = probe.ended(run)
    assert (state.phase, state.reason) == (phases.SUCCESS, None), state.message
    assert not living(probe)
    return run


@pytest.mark.parametrize(
    "script",
    [
        "exec >&- 2>&-; sleep 0.1",
        "(sleep 300 &) ; (setsid sleep 300 &)",
        "(setsid sh -c 'sleep 300 & sleep 300' > /dev/null 2>&1 < /dev/null &)",
        "env -i /bin/sleep 300 & true",
        "(env -i setsid sh -c '/bin/sleep 300' &)",  # left its session, its parent and its environment
        "(env -i setsid /bin/sleep 300 > /dev/null 2>&1 &)",  # still stands in the workspace
        pytest.param("trap '' TERM HUP INT; sleep 300 & true", marks=pytest.mark.soak),  # the grace is 10 s
        "i=0; while [ $i -lt 200 ]; do (sleep 300 &); i=$((i+1)); done",
        "(while :; do echo more; sleep 0.01; done) & true",
    ],
)
def test_what_a_step_leaves_behind_is_gone_when_its_run_is(probe: Probe, script: str) -> None:
    before = orphans()
    ended_well(probe, script)
    assert orphans() <= before, "a process got away"
    assert process.alive(daemon(probe))


def orphans() -> set[int]:
    """Every sleep of these scripts, whatever it has done to hide."""
    found = set()
    for pid in process.everything():
        try:
            if b"sleep\x00300" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
        except OSError:
            continue
    return found


def daemon(probe: Probe) -> process.Process:
    seen = process.look(probe.daemon_pid())
    assert seen is not None
    return seen.process


def test_a_fork_storm_is_cancelled_to_the_last_child(probe: Probe) -> None:
    child = "setsid sh -c 'trap : TERM; sleep 300; sleep 300' &"
    script = f"i=0; while [ $i -lt 200 ]; do {child} i=$((i+1)); done; wait"
    run = probe.start(one_step(script, gracePeriod="200ms"))
    wait_until(lambda: len(living(probe)) > 200)
    probe.say(messages.cancel(1, run, False))
    assert probe.ended(run).reason == "Cancelled"
    assert not living(probe)


def test_binary_output_arrives_as_it_was_written(probe: Probe) -> None:
    code = f"import sys; sys.stdout.buffer.write(bytes(range(256)) * {len(BINARY) // 256})"
    run = probe.start(one_step(exec=[sys.executable, "-c", code]))
    assert probe.ended(run).phase == phases.SUCCESS
    assert probe.read_logs(run)[("t", "s")] == BINARY


def test_ten_thousand_lines_a_second_are_all_there_and_the_daemon_stays_small(probe: Probe) -> None:
    script = """if True:
        import time
        for i in range(30):
            print(*(f"{i} {n} " + "x" * 60 for n in range(1000)), sep="\\n")
            time.sleep(0.03)
    """
    run = probe.start(one_step(exec=[sys.executable, "-u", "-c", script]))
    probe.say(messages.follow(1, 1, run, live=True))
    probe.wait(lambda: probe.one("followed"))
    lines = probe.logs[("t", "s")].splitlines()
    assert len(lines) == 30_000 and lines[-1].startswith(b"29 999 ")
    assert rss(probe) < 24 * 1024


def rss(probe: Probe) -> int:
    """KiB of the daemon that are resident."""
    text = Path(f"/proc/{probe.daemon_pid()}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


def test_an_idle_daemon_is_small(probe: Probe) -> None:
    ended_well(probe, "true")
    assert rss(probe) < 20 * 1024


def test_a_full_pipe_inside_a_step_is_its_own_affair(probe: Probe) -> None:
    script = "mkfifo p; (sleep 300 < p) & head -c 1000000 /dev/zero > p"
    run = probe.start(one_step(script, timeout="300ms", gracePeriod="300ms"))
    assert probe.ended(run).reason == "Timeout"
    assert not living(probe)


def test_a_background_child_that_writes_on_belongs_to_the_log_until_the_run_ends(probe: Probe) -> None:
    tasks = {
        "t": {
            "steps": [
                {"name": "s", "run": "(sleep 0.2; echo late) & echo early"},
                {"name": "w", "run": "sleep 0.6"},
            ]
        }
    }
    run = probe.start({"tasks": tasks})
    probe.ended(run)
    assert probe.read_logs(run)[("t", "s")] == b"early\nlate\n"


def test_a_step_that_puts_a_pipe_where_its_log_was_holds_nobody_up(probe: Probe) -> None:
    run = ended_well(probe, "echo gone; cd ../logs; rm -f *; mkfifo 0001.t.s.1.log; rm -f ../../nothing")
    assert probe.read_logs(run) == {}
    ended_well(probe, "true")


def test_a_kill_spares_the_other_run_and_the_daemon(probe: Probe) -> None:
    script = "setsid sleep 300 & while [ ! -e go ]; do sleep 0.02; done"
    spared, killed = probe.start(one_step(script)), probe.start(one_step(script))
    for run in (spared, killed):
        wait_until(lambda run=run: len(process.members(f"XENE_RUN={run}", None)) >= 3)
    probe.say(messages.cancel(1, killed, True))
    assert probe.ended(killed).reason == "Killed"
    assert len(process.members(f"XENE_RUN={spared}", None)) >= 3
    open(os.path.join(workspace(probe, spared), "go"), "w").close()
    assert probe.ended(spared).phase == phases.SUCCESS
    assert process.alive(daemon(probe))


def test_a_daemon_that_a_step_started_is_no_part_of_the_step(probe: Probe, tmp_path: Path) -> None:
    """A step that speaks to another agent home starts a daemon there, which outlives the step."""
    code = os.path.join(probe.home, "agent", probe.hello["version"], "__main__.py")
    arguments = f"--home {tmp_path}/other --state 00000000-0000-4000-8000-000000000002 --agent inner"
    agent = f"{sys.executable} -I -S {code}"
    try:
        ended_well(probe, f"{agent} attach {arguments} < /dev/null")
        pidfile = tmp_path / "other" / "00000000-0000-4000-8000-000000000002" / "inner" / "daemon.pid"
        seen = process.look(int(pidfile.read_text().split()[0]))
        assert seen is not None and seen.state not in "ZX"
    finally:
        assert os.system(f"{agent} stop {arguments}") == 0


def test_signals_to_what_is_not_ours_to_signal_are_no_error() -> None:
    """A step may become another user, by sudo: the daemon cannot end it, and must not die of it."""
    if os.geteuid() != 0:
        foreign = process.look(1)
        assert foreign is not None
        process.send({foreign.process}, signal.SIGWINCH)
        return
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        seen = process.look(os.getppid())
        try:
            assert seen is not None
            process.send({seen.process}, signal.SIGWINCH)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.soak
def test_a_log_of_two_gigabytes_is_followed_and_its_tail_found(probe: Probe) -> None:
    size = 2 * 1024**3
    run = probe.start(one_step(f"head -c {size} /dev/zero | tr '\\0' x; echo; echo the end"))
    deadline = time.monotonic() + 120
    while not any(event["type"] == "run.ended" for event in probe.events):
        assert time.monotonic() < deadline
        probe._take()
    probe.logs.clear()
    probe.say(messages.follow(1, 3, run, live=False, offsets={"1": size - 3}))
    got = b""
    while probe.one("followed") is None:
        for message, blob in probe._decoder.feed(probe.channel.recv(65536)):
            got += blob
            probe.others.append(message)
    assert got == b"xxx\nthe end\n"
    count = pull(probe, run, 0)
    assert count == size + 9
    assert rss(probe) < 32 * 1024
    from tests.agent.test_runs import tail

    assert tail(probe, run, 1) == b"the end\n"
    assert len(tail(probe, run, 2)) <= 8 * 1024 * 1024
    assert "bug" not in log_of(probe.home)


def pull(probe: Probe, run: str, offset: int) -> int:
    """Bytes of the whole log, not kept."""
    probe.others.clear()
    probe.say(messages.follow(1, 4, run, live=False, offsets={"1": offset}))
    count = 0
    while probe.one("followed") is None:
        for message, blob in probe._decoder.feed(probe.channel.recv(1024 * 1024)):
            count += len(blob)
            if message["type"] == "followed":
                probe.others.append(message)
    return count


def test_a_step_is_claimed_once_whoever_starts_it(tmp_path: Path) -> None:
    """Two daemons may each have started a wrapper for it: one of them runs the command."""
    wrapper, base = tmp_path / "step.sh", str(tmp_path / "0001")
    wrapper.write_text(process.WRAPPER)
    log = str(tmp_path / "log")
    launch = process.Launch(base, log, str(tmp_path), ["/bin/sh", "-c", "echo ran; exit 7"], {})
    pids = [process.start(launch, str(wrapper), 0o77) for _ in range(8)]
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
    assert codes == [7, *[125] * 7]
    assert Path(log).read_text() == "ran\n" and process.exit_code(base) == 7


def test_a_claim_without_a_claimant_is_said_to_have_failed_to_start(probe: Probe) -> None:
    """What a full disk leaves: the claim is there and empty, and no process is."""
    steps = [{"name": "s", "run": ": > ../steps/0002.step"}, {"name": "s2", "run": "echo ran"}]
    tasks = {"a": {"steps": steps}}
    run = probe.start({"tasks": tasks})
    seen = probe.tasks(run)["a"]["steps"]
    assert (seen[0]["phase"], seen[1]["phase"], seen[1]["reason"]) == ("Success", "Error", "StartFailed")
    assert "0002.step" in seen[1]["message"] and ("a", "s2") not in probe.read_logs(run)
