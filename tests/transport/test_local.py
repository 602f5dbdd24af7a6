"""The local way to an agent, with a stand-in program in the agent's place."""

import os
import stat
import threading

import pytest

from tests.transport import standin
from xene.errors import Unreachable
from xene.transport import local
from xene.transport.base import Target

STATE = "5f0c1f0e-0000-4000-8000-000000000001"


@pytest.fixture
def target(tmp_path):
    return Target("one", home=str(tmp_path / "home"), state=STATE)


def read(channel, size):
    data = b""
    while len(data) < size:
        piece = channel.recv(size - len(data))
        assert piece, "the channel ended early: " + channel.complaint()
        data += piece
    return data


def test_it_unpacks_once_then_runs_from_there(target, tmp_path):
    code = standin.make()
    for attempt in range(2):
        channel = local.open_channel(target, code)
        channel.send(b"ping")
        assert read(channel, 4) == b"ping"
        channel.close()
        assert channel.complaint().splitlines() == [
            f"argv attach --home {target.home} --state {STATE} --agent one --python {os.sys.executable}",
            f"from {tmp_path}/home/agent/{code.sha}/xene/agent/main.py",
        ]
    assert sorted(os.listdir(tmp_path / "home/agent")) == sorted([code.sha, f"{code.sha}.pyz"])


def test_what_it_lays_out_is_private_whatever_the_umask(target, tmp_path):
    before = os.umask(0)
    try:
        local.open_channel(target, standin.make()).close()
    finally:
        os.umask(before)
    for folder, _, names in os.walk(tmp_path / "home"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o077 == 0


def test_a_damaged_archive_is_laid_out_anew(target, tmp_path):
    code = standin.make()
    (tmp_path / "home/agent").mkdir(parents=True)
    (tmp_path / f"home/agent/{code.sha}.pyz").write_bytes(code.data()[:100])
    local.open_channel(target, code).close()


def test_code_that_was_used_is_kept_compiled(target, tmp_path):
    code = standin.make()
    local.open_channel(target, code).close()
    assert list((tmp_path / f"home/agent/{code.sha}/xene/agent/__pycache__").glob("main.*.pyc"))


def test_many_first_starts_at_once(target):
    code = standin.make()
    started = [local.start(target, code) for _ in range(4)]
    for channel in started:
        channel.ready().send(b"x")
        assert read(channel, 1) == b"x"
        channel.close()


def test_what_was_sent_before_close_arrives(target, tmp_path):
    code = standin.make(
        standin.PROGRAM
        + f"""
def main():
    os.write(1, MARKER)
    data = sys.stdin.buffer.read()
    open({str(tmp_path / "got")!r}, "wb").write(data)
"""
    )
    channel = local.open_channel(target, code)
    channel.send(b"z" * 100_000)
    channel.close()
    assert (tmp_path / "got").read_bytes() == b"z" * 100_000


def test_close_wakes_a_thread_that_reads_and_leaves_no_process(target):
    channel = local.open_channel(target, standin.make())
    heard = []
    reader = threading.Thread(target=lambda: heard.append(channel.recv(1)))
    reader.start()
    channel.close()
    channel.close()
    reader.join(10)
    assert heard == [b""]
    with pytest.raises(ChildProcessError):
        os.waitpid(channel._pid, os.WNOHANG)


def test_after_the_end_sending_says_so(target):
    channel = local.open_channel(target, standin.make())
    channel.close()
    with pytest.raises(Unreachable) as caught:
        channel.send(b"x" * 1_000_000)
    assert caught.value.code == "ChannelClosed"
    assert channel.recv(10) == b""


def test_megabytes_flow(target):
    channel = local.open_channel(target, standin.make())
    data = os.urandom(5_000_000)
    sender = threading.Thread(target=channel.send, args=(data,))
    sender.start()
    assert read(channel, len(data)) == data
    sender.join()
    channel.close()


def test_the_reason_that_the_agent_names_is_told(target, monkeypatch):
    monkeypatch.setenv("STANDIN_FAILS", "1")
    with pytest.raises(Unreachable) as caught:
        local.open_channel(target, standin.make())
    assert caught.value.code == "HomeUnusable"
    assert caught.value.message == "agent one: the home is on NFS"
    assert "spec.home" in caught.value.hint


def test_one_that_says_nothing_is_ended(target, monkeypatch):
    monkeypatch.setenv("STANDIN_DUMB", "1")
    channel = local.start(target, standin.make())
    with pytest.raises(Unreachable) as caught:
        channel.ready(seconds=0.3)
    assert caught.value.code == "ConnectTimeout"
    with pytest.raises(ChildProcessError):
        os.waitpid(channel._pid, os.WNOHANG)


def test_no_such_python(tmp_path):
    target = Target("one", home=str(tmp_path), state=STATE, python="/no/such/python")
    with pytest.raises(Unreachable) as caught:
        local.start(target, standin.make())
    assert caught.value.code == "PythonMissing"
    assert "spec.python" in caught.value.hint


def test_a_home_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable) as caught:
        local.start(Target("one", home=str(tmp_path / "file"), state=STATE), standin.make())
    assert caught.value.code == "HomeUnusable"
