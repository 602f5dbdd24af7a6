"""The script that looks at a host: under every shell that is here, and with shells and hosts that are rude."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hosts import STATE, end_processes, make_key, sshd_hosts
from xene.errors import NotTrusted, Unreachable
from xene.transport import examination
from xene.transport.base import NOISE_BYTES, Target
from xene.transport.examination import MARK, examine, parse, script

SHELLS = [
    words
    for words in (
        ["dash"],
        ["bash"],
        ["bash", "--posix"],
        ["busybox", "sh"],
        ["zsh", "--emulate", "sh"],
        ["ksh"],
    )
    if shutil.which(words[0])
]


def local(home: Path, **more: str) -> Target:
    return Target("here", None, home=str(home), state=STATE, **more)


def shell(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("words", SHELLS, ids=" ".join)
def test_every_shell_understands_it(words: list[str], tmp_path: Path) -> None:
    text = script(local(tmp_path / "home"))
    done = subprocess.run([*words, "-s"], input=text, capture_output=True, text=True, check=False)
    noise, facts = parse(done.stdout)
    assert (noise, done.stderr, facts["done"]) == ("", "", ["yes"])
    assert facts["python"] == [".".join(str(part) for part in sys.version_info[:3])]
    assert abs(float(facts["now"][0]) - time.time()) < 60
    assert facts["home"] == [str(tmp_path / "home")] and facts["uid"] == [str(os.getuid())]
    assert facts["home_runs"] == facts["tmp_runs"] == ["ok"]
    assert int(facts["home_disk"][0].split()[3]) > 0
    assert list(tmp_path.iterdir()) == []  # nothing is left behind, not even the home


@pytest.mark.parametrize(
    "nasty", ["a b", "a'b", 'a"b', "$(touch x)", "`touch x`", "a;b", "a\\b", "ä", "*", "-x"]
)
def test_data_stays_data(nasty: str, tmp_path: Path) -> None:
    home = tmp_path / nasty
    home.mkdir(mode=0o700)
    done = subprocess.run(
        ["sh", "-s"], input=script(local(home)), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    facts = parse(done.stdout)[1]
    assert facts["home"] == [str(home)] and facts["home_runs"] == ["ok"]
    assert [path.name for path in tmp_path.iterdir()] == [nasty]


def test_a_home_below_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".xene").mkdir(mode=0o700)
    facts = examine(Target("here", None, home="~/.xene", state=STATE), []).facts
    assert facts["home"] == [f"{tmp_path}/.xene"] and facts["home_mode"] == [f"700 {os.getuid()}"]


def test_daemons_and_the_crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    shell(
        tmp_path / "bin" / "crontab",
        f"echo '@reboot x # xene: {STATE}/here'; echo '@reboot y # xene: {STATE}/other'",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    home = tmp_path / "home" / STATE / "here"
    home.mkdir(parents=True)
    (home / "daemon.pid").write_text("999999999\n")  # of one that is no more
    gone = tmp_path / "home" / STATE / "gone"
    gone.mkdir()
    process = subprocess.Popen([sys.executable, "-c", "input()", "daemon"], stdin=subprocess.PIPE)
    (gone / "daemon.pid").write_text(f"{process.pid}\n")
    try:
        facts = examine(local(tmp_path / "home"), []).facts
    finally:
        process.communicate(b"\n")
    assert facts["daemon"] == [f"{process.pid} {STATE}/gone"]
    assert facts["crontab_lines"] == ["1"]


def test_a_script_that_hangs_here_is_ended(tmp_path: Path) -> None:
    slow = shell(tmp_path / "python3", "sleep 600")
    with pytest.raises(Unreachable) as caught:
        examine(local(tmp_path / "home", python=slow), [], seconds=0.5)
    assert caught.value.code == "ConnectTimeout"
    assert end_processes(tmp_path, patience=5.0) == []  # and what it had started with it


# -- over SSH


def test_over_ssh(tmp_path: Path) -> None:
    with sshd_hosts(tmp_path) as hosts:
        said = examine(hosts[0].target(), [])
        assert said.noise == "" and said.facts["done"] == ["yes"]
        assert said.sent <= float(said.facts["now"][0]) + 1 and said.sent <= said.heard
        with pytest.raises(NotTrusted) as caught:
            examine(hosts[0].target(host_key=make_key(tmp_path / "other")), [])
        assert caught.value.code == "HostKeyChanged"
        hosts[0].stop()
        with pytest.raises(Unreachable) as away:
            examine(hosts[0].target(), [])
        assert away.value.code == "ConnectionRefused"


@pytest.mark.parametrize(
    ("text", "noise", "facts"),
    [
        ('echo Welcome; echo oops >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"', "Welcome\noops", True),
        ('printf "no line end"; exec sh -c "$SSH_ORIGINAL_COMMAND"', "no line end", True),
        ("echo This account is not available; exit 1", "This account is not available", False),
        ("exit 1", "", False),
        ("exec cat > /dev/null", "", False),
    ],
)
def test_login_shells(tmp_path: Path, text: str, noise: str, facts: bool) -> None:
    with sshd_hosts(tmp_path, extra=f"ForceCommand {shell(tmp_path / 'shell', text)}") as hosts:
        said = examine(hosts[0].target(), [])
        assert said.noise == noise and bool(said.facts) == facts


def test_a_shell_that_talks_without_end(tmp_path: Path) -> None:
    with sshd_hosts(tmp_path, extra=f"ForceCommand {shell(tmp_path / 'shell', 'yes nonsense')}") as hosts:
        said = examine(hosts[0].target(), [])
        assert not said.facts and NOISE_BYTES < len(said.noise) < 2 * NOISE_BYTES + 65536


def test_a_shell_that_never_says_anything(tmp_path: Path) -> None:
    with sshd_hosts(tmp_path, extra=f"ForceCommand {shell(tmp_path / 'shell', 'exec sleep 2')}") as hosts:
        with pytest.raises(Unreachable) as caught:
            examine(hosts[0].target(), [], seconds=0.5)
        assert caught.value.code == "ConnectTimeout"


@pytest.mark.parametrize("out", ["", "x", f"{MARK}", f"\n{MARK}\n", f"a\n{MARK}\nno equals\n=x\nkey=\n"])
def test_what_is_no_answer_gives_no_facts(out: str) -> None:
    assert parse(out)[1] == {}


def test_a_fact_may_come_more_than_once() -> None:
    assert parse(f"hi\n{MARK}\nengine=podman 0\nengine=docker 1\nx=a=b\n") == (
        "hi", {"engine": ["podman 0", "docker 1"], "x": ["a=b"]},
    )  # fmt: skip
    assert examination.SECONDS > 30  # two engines may take 15 s each
