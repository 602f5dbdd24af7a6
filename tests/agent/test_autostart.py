"""How a daemon comes back after a reboot: a line in a crontab, or a unit, exactly its own, and told truly."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agent.entrusting import assign, charge, hold
from tests.agent.probe import STATE, Probe, one_step, probing, stop_daemon
from tests.agent.test_recovery import again, kill_daemon
from tests.agent.test_runs import wait_until
from xene.agent import comeback, crontab, units
from xene.agent.crontab import edited
from xene.wire import messages

MARKER = b"# xene:S/a"
LINE = b"@reboot /bin/sh x # xene:S/a"

# A crontab program with its table in the file beside it; FAIL beside it makes it fail, SLOW makes it slow.
STUB = """\
#!/bin/sh
here=$(dirname "$0")
[ -e "$here/FAIL" ] && { echo "the spool is on fire" >&2; exit 1; }
case $1 in
-l) [ -e "$here/table" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$here/table" ;;
-r) rm -f "$here/table" ;;
-) cat > "$here/new.$$"; [ -e "$here/SLOW" ] && sleep 0.05; mv "$here/new.$$" "$here/table" ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on PATH with a crontab of the test's own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "crontab").write_text(STUB)
    (programs / "crontab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return programs


def how(probe: Probe) -> tuple[str, str]:
    """What the daemon said last of how it comes back."""
    said = [event for event in probe.events if event["type"] == "autostart"]
    return (said[-1]["how"], said[-1]["message"]) if said else ("none", "")


def table(programs: Path) -> str:
    path = programs / "table"
    return path.read_text() if path.exists() else ""


# -- the line among others


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        (b"", LINE, LINE + b"\n"),
        (b"0 1 * * * x\n", LINE, b"0 1 * * * x\n" + LINE + b"\n"),
        (b"0 1 * * * x", LINE, b"0 1 * * * x\n" + LINE + b"\n"),
        (LINE + b"\n", LINE, LINE + b"\n"),
        (b"@reboot old # xene:S/a\n# b\n", LINE, b"# b\n" + LINE + b"\n"),
        (LINE + b"\n" + LINE + b"\n# b\n", LINE, b"# b\n" + LINE + b"\n"),
        (b"# a\n" + LINE + b"\n# b\n", None, b"# a\n# b\n"),
        (LINE, None, b""),
        (b"@reboot y # xene:S/ab\n", None, b"@reboot y # xene:S/ab\n"),
        (b"@reboot y # xene:T/a\n", None, b"@reboot y # xene:T/a\n"),
        (b"#@reboot y # xene:S/a\n", None, b"#@reboot y # xene:S/a\n"),
        (b"\xff\xfe 0 1\r\n", LINE, b"\xff\xfe 0 1\r\n" + LINE + b"\n"),
    ],
)
def test_one_line_is_put_or_taken_and_all_others_stay(before: bytes, line: Any, after: bytes) -> None:
    assert edited(before, MARKER, line) == after
    assert edited(after, MARKER, line) == after


OTHERS = st.lists(
    st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line), max_size=5
)


@given(OTHERS)
def test_what_was_there_is_there_again_when_the_line_has_gone(lines: list[bytes]) -> None:
    before = b"".join(line + b"\n" for line in lines)
    there = edited(before, MARKER, LINE)
    assert there.count(MARKER) == 1
    assert edited(there, MARKER, None) == before


@pytest.mark.parametrize("path", ["/home/u/start.sh", "/home/o'hara/100%/a b/$x;`y`/start.sh"])
def test_a_line_starts_exactly_this_script(tmp_path: Path, path: str) -> None:
    script = tmp_path / path.lstrip("/")
    script.parent.mkdir(parents=True)
    script.write_text("echo started\n")
    line = comeback.line(str(script), "S", "a").decode()
    command = line.removeprefix("@reboot ").replace("\\%", "%")  # what cron makes of it
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("started\n", "", 0)
    script.unlink()
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# -- a real daemon


def test_the_line_is_there_while_there_is_a_cron_trigger(home: str, programs: Path) -> None:
    (programs / "table").write_text("MAILTO=me\n0 1 * * * backup\n")
    with probing(home) as probe:
        assert probe.hello["facts"]["autostart"] == "none"
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        lines = table(programs).splitlines()
        assert lines[:2] == ["MAILTO=me", "0 1 * * * backup"]
        assert lines[2].startswith("@reboot ") and lines[2].endswith(f" # xene:{STATE}/probe")
        probe.close()
        second = again(probe)
        assert second.hello["facts"]["autostart"] == "cron"
        assign(second, autostart="cron")
        second.wait(lambda: how(second) == ("none", ""))
        assert table(programs) == "MAILTO=me\n0 1 * * * backup\n"
        assert not os.path.exists(os.path.join(home, STATE, "probe", "start.sh"))
        second.close()


def test_no_trigger_no_line(home: str, programs: Path) -> None:
    with probing(home) as probe:
        hold(probe, charge(since=time.time(), duties={}, lease=60.0, lost_after=80.0), autostart="cron")
        probe.ended_run = probe.start(one_step("true"))
        probe.ended(probe.ended_run)
        assert how(probe) == ("none", "") and not table(programs)


def test_the_line_brings_the_very_daemon_back(home: str, programs: Path, monkeypatch) -> None:
    """As cron would call it: from `/`, with next to no environment."""
    with probing(home) as probe:
        monkeypatch.setenv("TZ", "Asia/Kolkata")
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        kill_daemon(probe)
        command = table(programs).strip().removeprefix("@reboot ").replace("\\%", "%")
        bare = {"PATH": "/usr/bin:/bin", "HOME": pwd.getpwuid(os.geteuid()).pw_dir, "SHELL": "/bin/sh"}
        for _ in range(2):  # called again it does no harm
            done = subprocess.run(
                ["/bin/sh", "-c", command], cwd="/", env=bare, capture_output=True, text=True
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        pid = probe.daemon_pid()
        second = again(probe)
        assert second.hello["facts"]["pid"] == pid
        run = second.start(one_step('echo "$PATH"'))
        assert str(programs) in second.read_logs(run if second.ended(run) else run)[("t", "s")].decode()
        second.close()


def test_newer_code_is_what_starts_then(home: str, programs: Path) -> None:
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        newer = os.path.join(home, "agent", "f" * 64)
        shutil.copytree(os.path.join(home, "agent", probe.hello["version"]), newer)
        second = Probe(home, journal=probe.hello["journal"], after=probe.events[-1]["n"], version="f" * 64)
        script = os.path.join(home, STATE, "probe", "start.sh")
        wait_until(lambda: newer in Path(script).read_text())
        assert second.hello["facts"]["autostart"] == "cron"
        assert table(programs).count("@reboot") == 1
        second.close()


def test_a_crontab_that_fails_leaves_the_agent_working_and_is_told(home: str, programs: Path) -> None:
    (programs / "table").write_text("0 1 * * * backup\n")
    (programs / "FAIL").touch()
    with probing(home) as probe:
        hold(probe, charge(since=time.time() - 61), autostart="cron")
        probe.wait(lambda: "the spool is on fire" in how(probe)[1])
        assert how(probe)[0] == "none"
        run = probe.start(one_step("true"))
        assert probe.ended(run).phase == "Success"
        assert table(programs) == "0 1 * * * backup\n"
        (programs / "FAIL").unlink()
        kill_daemon(probe)
        second = again(probe)  # the next daemon tries again
        second.wait(lambda: how(second) == ("cron", ""))
        second.close()


def test_a_host_without_cron_says_so(home: str, monkeypatch) -> None:
    if shutil.which("crontab"):
        monkeypatch.setenv("PATH", os.path.dirname(sys.executable))
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("none", "there is no program `crontab` on this host"))


def test_a_line_that_was_lost_is_there_again_with_the_next_daemon(home: str, programs: Path) -> None:
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        kill_daemon(probe)
        (programs / "table").write_text("")
        again(probe).close()
        wait_until(lambda: table(programs).count("@reboot") == 1)


def test_an_agent_that_is_given_up_leaves_nothing(home: str, programs: Path) -> None:
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        probe.say(messages.stop(1))
        wait_until(lambda: not table(programs))
        probe.close()


def test_a_daemon_that_is_stopped_on_its_host_keeps_its_line(home: str, programs: Path) -> None:
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="cron")
        probe.wait(lambda: how(probe) == ("cron", ""))
        stop_daemon(home)
        assert table(programs).count("@reboot") == 1


def test_many_at_once_lose_no_line(programs: Path, tmp_path: Path) -> None:
    (programs / "SLOW").touch()
    names = [f"a{number}" for number in range(8)]
    homes = [Path(tmp_path, name) for name in names]
    marks = [f"# xene:S/{name}".encode() for name in names]

    def add(mark: bytes) -> None:
        crontab.put(mark, b"@reboot x " + mark, str(tmp_path))

    threads = [threading.Thread(target=add, args=(mark,)) for mark in marks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(table(programs).encode().splitlines()) == sorted(b"@reboot x " + mark for mark in marks)
    assert len(homes) == 8


def test_somebody_else_edits_at_the_same_time(programs: Path, tmp_path: Path, monkeypatch) -> None:
    """Between the two looks: nothing is written over what was not read."""
    real, looks = crontab.read, []

    def read() -> Any:
        looks.append(1)
        if len(looks) == 2:
            (programs / "table").write_text("0 1 * * * new\n")
        return real()

    monkeypatch.setattr(crontab, "read", read)
    crontab.put(MARKER, LINE, str(tmp_path))
    assert table(programs) == "0 1 * * * new\n" + LINE.decode() + "\n"


# -- the real program, in a mount namespace with a spool of its own

REAL = r"""
set -e
mount -t tmpfs none /var/spool
mkdir -p /var/spool/cron/crontabs
printf '# mine\n0 1 * * * true' | crontab - 2>/dev/null || printf '# mine\n0 1 * * * true\n' | crontab -
before=$(crontab -l)
"$1" -c 'from xene.agent import crontab as c; c.put(b"# xene:S/a", b"@reboot true # xene:S/a", "/tmp")'
crontab -l | grep -c '^@reboot true # xene:S/a$'
"$1" -c 'from xene.agent import crontab as c; c.put(b"# xene:S/a", None, "/tmp")'
[ "$(crontab -l)" = "$before" ] && echo same
crontab -r
"$1" -c 'from xene.agent import crontab as c; c.put(b"# xene:S/a", b"@reboot true # xene:S/a", "/tmp")'
crontab -l | wc -l
"$1" -c 'from xene.agent import crontab as c; c.put(b"# xene:S/a", None, "/tmp"); print(c.read())'
"""


def test_the_real_crontab() -> None:
    if shutil.which("crontab") is None or os.geteuid() != 0:
        pytest.skip("the program `crontab` is MISSING, or this is not root: apt-get install cron")
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", REAL, "sh", sys.executable],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.stdout.split() == ["1", "same", "1", "None"], done.stderr


# -- systemd


def test_a_unit_is_written_enabled_and_removed(tmp_path: Path) -> None:
    running, linger = tmp_path / "running", tmp_path / "linger"
    running.mkdir()
    linger.mkdir()
    (linger / pwd.getpwuid(os.geteuid()).pw_name).touch()
    script = "/home/u/100%/a b/start.sh"
    below = str(tmp_path / "user")
    for _ in range(2):
        units.put("xene-S-a.service", units.unit("a", "S", script), below, str(running), str(linger))
    text = (tmp_path / "user" / "xene-S-a.service").read_text()
    assert 'ExecStart=/bin/sh "/home/u/100%%/a b/start.sh"\n' in text
    assert "KillMode=process\n" in text and "Type=oneshot\n" in text and "WantedBy=default.target\n" in text
    link = tmp_path / "user" / "default.target.wants" / "xene-S-a.service"
    assert link.resolve() == tmp_path / "user" / "xene-S-a.service"
    (tmp_path / "user" / "another.service").touch()
    units.put("xene-S-a.service", None, below)
    units.put("xene-S-a.service", None, below)
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == [
        "another.service",
        "default.target.wants",
    ]
    assert not list((tmp_path / "user" / "default.target.wants").iterdir())


def test_units_that_would_not_start_are_told(tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    with pytest.raises(units.Trouble, match="does not run systemd"):
        units.put("x.service", "text", str(tmp_path / "user"), str(tmp_path / "missing"), str(tmp_path))
    with pytest.raises(units.Trouble, match="enable-linger"):
        units.put(
            "x.service", "text", str(tmp_path / "user"), str(tmp_path / "running"), str(tmp_path / "linger")
        )
    assert not (tmp_path / "user").exists()


def test_a_host_without_systemd_stays_as_it_was(
    home: str, programs: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with probing(home) as probe:
        hold(probe, charge(since=time.time()), autostart="systemd")
        said, why = probe.wait(lambda: how(probe)[1] and how(probe))
        assert said == "none" and "systemd" in why
        assert not (tmp_path / "config").exists()
