"""The harness itself: what it starts it ends, and what is left it tells."""

import os
import subprocess

import pytest

from tests import hosts as harness
from tests.hosts import agent_homes, need_sshd, sshd_hosts


def test_without_sshd_a_test_is_skipped_and_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(harness, "sshd_program", lambda: None)
    with pytest.raises(pytest.skip.Exception) as caught:
        need_sshd()
    assert "`sshd` is MISSING: apt-get install openssh-server" in str(caught.value)


def test_what_is_left_is_ended_and_fails_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(harness.end_processes, "__defaults__", (0.1,))
    with pytest.raises(AssertionError) as caught, agent_homes(tmp_path):
        left = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
    assert f"{left.pid}: sleep 600" in str(caught.value)
    assert left.wait(10) == -9


def test_daemons_are_ended_by_their_pid_files(tmp_path):
    with agent_homes(tmp_path):
        daemon = subprocess.Popen(["sleep", "600"], cwd=tmp_path)
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "daemon.pid").write_text(f"{daemon.pid} 123\n")
        (tmp_path / "daemon.pid").write_text(
            f"{os.getppid()}\n"
        )  # not ours: it has nothing to do with this directory
    assert daemon.wait(10) == -15


def test_hosts_come_and_go(tmp_path):
    with sshd_hosts(tmp_path, count=3) as hosts:
        assert len({host.port for host in hosts}) == len({host.host_key for host in hosts}) == 3
        pids = [host.process.pid for host in hosts]
        hosts[0].restart()
        assert hosts[0].process.pid != pids[0]
    assert all(host.process is None for host in hosts)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
