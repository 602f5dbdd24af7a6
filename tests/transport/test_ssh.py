"""Agents over SSH: real sshd on loopback, with a stand-in program in the agent's place."""

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import sys
import threading

import pytest

from tests.hosts import end_processes, make_key, sshd_hosts, until
from tests.transport import standin
from xene.errors import NotTrusted, Unreachable
from xene.model.agent import Ssh
from xene.transport import connection, ssh
from xene.transport.base import Target

CODE = standin.make()


@pytest.fixture
def hosts(tmp_path):
    with sshd_hosts(tmp_path) as hosts:
        yield hosts


@pytest.fixture
def host(hosts):
    return hosts[0]


@pytest.fixture
def no_agent(monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def read(channel, size):
    data = b""
    while len(data) < size:
        piece = channel.recv(size - len(data))
        assert piece, "the channel ended early: " + channel.complaint()
        data += piece
    return data


def ping(target, code=CODE, trusted=(), **options):
    channel = ssh.open_channel(target, code, list(trusted), **options)
    try:
        channel.send(b"ping")
        assert read(channel, 4) == b"ping"
    finally:
        channel.close()
    return channel


def fails(target, error=Unreachable, trusted=(), **options):
    with pytest.raises(error) as caught:
        ssh.open_channel(target, CODE, list(trusted), **options).close()
    no_threads()
    return caught.value


def no_threads():
    until(lambda: threading.active_count() == 1, f"threads end: {threading.enumerate()}", 5)


def test_it_brings_the_code_once_and_not_again(host):
    channel = ping(host.target())
    agent = host.home / "agent"
    assert sorted(os.listdir(agent)) == sorted([CODE.sha, f"{CODE.sha}.pyz"])
    before = (agent / f"{CODE.sha}.pyz").stat()
    (agent / f"{CODE.sha}.pyz").unlink()
    again = ping(host.target())
    assert os.listdir(agent) == [CODE.sha]
    assert stat.S_IMODE(before.st_mode) == 0o600
    assert channel.complaint() == again.complaint()
    assert f"attach --home {host.home} --state " in again.complaint()
    assert stat.S_IMODE(agent.stat().st_mode) == stat.S_IMODE(host.home.stat().st_mode) == 0o700
    no_threads()


def test_a_damaged_archive_is_brought_anew(host):
    (host.home / "agent").mkdir(parents=True)
    path = host.home / "agent" / f"{CODE.sha}.pyz"
    path.write_bytes(CODE.data()[:-7])
    ping(host.target())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == CODE.sha


def test_bytes_that_are_not_what_was_announced_are_refused(host):
    wrong = standin.bundle.Bundle("", CODE.sha, lambda: CODE.data()[:-1] + b"x")
    with pytest.raises(Unreachable) as caught:
        ssh.open_channel(host.target(), wrong, [])
    assert caught.value.code == "UploadFailed"
    assert os.listdir(host.home / "agent") == []


def test_a_home_below_the_users(host, monkeypatch, tmp_path):
    host.extra = f'SetEnv "PATH={os.environ["PATH"]}" HOME={tmp_path}/who'
    (tmp_path / "who").mkdir()
    host.restart()
    ping(host.target(home="~/a home; $(it)"))
    assert (tmp_path / "who" / "a home; $(it)" / "agent" / CODE.sha).is_dir()


def test_a_home_that_cannot_be_used(host):
    host.home.write_text("a file")
    error = fails(host.target())
    assert error.code == "HomeUnusable"
    assert str(host.home) in error.message
    assert "spec.home" in error.hint


def test_megabytes_flow_both_ways(host):
    channel = ssh.open_channel(host.target(), CODE, [])
    data = os.urandom(6_000_000)
    sender = threading.Thread(target=channel.send, args=(data,))
    sender.start()
    assert read(channel, len(data)) == data
    sender.join()
    channel.close()
    no_threads()


def test_what_was_sent_before_close_arrives(host, tmp_path):
    code = standin.make(
        standin.PROGRAM
        + f"""
def main():
    os.write(1, MARKER)
    data = sys.stdin.buffer.read()
    open({str(tmp_path / "got")!r}, "wb").write(data)
"""
    )
    channel = ssh.open_channel(host.target(), code, [])
    channel.send(b"z" * 1_000_000)
    channel.close()
    assert (tmp_path / "got").stat().st_size == 1_000_000


def test_close_wakes_a_thread_that_reads(host):
    channel = ssh.open_channel(host.target(), CODE, [])
    heard = []
    reader = threading.Thread(target=lambda: heard.append(channel.recv(1)))
    reader.start()
    channel.close()
    channel.close()
    reader.join(10)
    assert heard == [b""]
    with pytest.raises(Unreachable):
        channel.send(b"x")
    no_threads()


def test_a_host_that_goes_away_ends_the_channel(host):
    channel = ssh.open_channel(host.target(), CODE, [])
    host.stop()
    assert channel.recv(1) == b""
    with pytest.raises(Unreachable) as caught:
        channel.send(b"x")
    assert caught.value.code == "ChannelClosed"
    channel.close()
    host.start()
    ping(host.target())
    no_threads()


PROGRAM_THAT_HEARS_NOTHING = (
    standin.PROGRAM
    + """
def main():
    import signal
    os.write(1, MARKER)
    signal.pause()
"""
)


def test_close_is_prompt_when_nobody_listens_any_more(host):
    """What was sent is stuck in the window, and the other side does not even end."""
    channel = ssh.open_channel(host.target(), standin.make(PROGRAM_THAT_HEARS_NOTHING), [])
    errors = []

    def send():
        try:
            channel.send(bytes(20_000_000))
        except Unreachable as error:
            errors.append(error.code)

    sender = threading.Thread(target=send)
    sender.start()
    closer = threading.Thread(target=channel.close)
    closer.start()
    closer.join(10 * ssh.LEAVE_SECONDS)
    assert not closer.is_alive()
    sender.join(10)
    assert errors == ["ChannelClosed"]
    no_threads()
    assert end_processes(host.root, patience=0)


@pytest.mark.parametrize(
    "extra", ["MaxSessions 1", "Subsystem sftp /bin/false", "AllowTcpForwarding no", "PermitTTY no"]
)
def test_one_session_and_nothing_else_is_enough(tmp_path, extra):
    with sshd_hosts(tmp_path, extra=extra) as hosts:
        ping(hosts[0].target())


def test_no_session_at_all(tmp_path):
    with sshd_hosts(tmp_path, extra="MaxSessions 0") as hosts:
        assert fails(hosts[0].target()).code == "SessionRefused"


# The login shell


def noisy(tmp_path, text):
    script = tmp_path / "login"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return f"ForceCommand {script}"


@pytest.mark.parametrize(
    "noise",
    [
        "echo Welcome; echo; printf 'no newline'",
        "echo XENE-SEND-1 XENE-AGENT-1",
        "head -c 60000 /dev/zero",
        "echo on stderr >&2",
    ],
)
def test_a_shell_that_talks_does_no_harm(tmp_path, noise):
    with sshd_hosts(tmp_path, extra=noisy(tmp_path, f'{noise}\nexec sh -c "$SSH_ORIGINAL_COMMAND"')) as hosts:
        ping(hosts[0].target())
        ping(hosts[0].target())


@pytest.mark.parametrize(
    "text, code",
    [
        ("yes it never ends", "NoisyOrBroken"),
        ("echo This account is closed.; exit 1", "NoisyOrBroken"),
        ("cat >/dev/null", "ConnectTimeout"),
    ],
)
def test_a_shell_that_runs_nothing(tmp_path, text, code):
    with sshd_hosts(tmp_path, extra=noisy(tmp_path, text)) as hosts:
        error = fails(hosts[0].target(), marker_seconds=1)
        assert error.code == code
        assert ("This account is closed." in error.message) == ("closed" in text)


SHELLS = [shell for shell in ("bash", "dash", "zsh", "fish", "tcsh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_survives_every_shell_that_is_here(tmp_path, shell):
    text = f'exec {shell} -c "$SSH_ORIGINAL_COMMAND"'
    with sshd_hosts(tmp_path, extra=noisy(tmp_path, text)) as hosts:
        ping(hosts[0].target(home=str(hosts.root / "a b'c\"d $e `f` \\g *?")))


# Python


def test_no_python(host):
    error = fails(host.target(python="no-such-python3"))
    assert error.code == "PythonMissing"
    assert "spec.python" in error.hint


def test_python_too_old(host, tmp_path):
    old = tmp_path / "python-old"
    old.write_text(f"""#!{sys.executable}
import sys
class Old(tuple): pass
sys.version_info, sys.version = (3, 6, 8), "3.6.8 (default)"
code, sys.argv = sys.argv[4], ["-c", *sys.argv[5:]]
exec(code)
""")
    old.chmod(0o755)
    error = fails(host.target(python=str(old)))
    assert error.code == "PythonTooOld"
    assert "3.6.8" in error.message
    assert "3.9" in error.hint


def test_python_that_knows_no_isolation(host, tmp_path):
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\necho 'Unknown option: -I' >&2; exit 2\n")
    old.chmod(0o755)
    assert fails(host.target(python=str(old))).code == "PythonTooOld"


# Addresses


def test_a_port_where_nobody_listens(host):
    host.stop()
    error = fails(host.target())
    assert error.code == "ConnectionRefused"
    assert f"{host.port}" in error.message and error.hint


def test_a_name_that_is_none():
    target = Target("one", Ssh("no-such-host.invalid"), home="~/.xene", state="s")
    assert fails(target).code == "HostNotFound"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def at(server, tmp_path, hosts=None):
    port = server.getsockname()[1]
    return Target("one", Ssh("127.0.0.1", port=port), home="~/.xene", state="s")


def test_a_host_that_accepts_and_never_speaks(listener, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "BANNER_SECONDS", 0.3)
    assert fails(at(listener, tmp_path)).code == "ConnectTimeout"


@pytest.mark.parametrize(
    "says, code", [(b"HTTP/1.1 400 Bad Request\r\n", "NotSsh"), (b"", "ConnectionClosed")]
)
def test_a_host_that_is_no_ssh_server(listener, tmp_path, says, code):
    def answer():
        sock, _ = listener.accept()
        with sock, contextlib.suppress(OSError):  # the client may hang up at any of these
            sock.sendall(says * 200)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(Unreachable) as caught:
        ssh.open_channel(at(listener, tmp_path), CODE, [])
    thread.join()
    assert caught.value.code == code


def test_a_host_that_speaks_and_then_falls_silent(listener, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "BANNER_SECONDS", 0.3)
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.3)
    accepted = []

    def answer():
        sock, _ = listener.accept()
        sock.sendall(b"SSH-2.0-Silent\r\n")
        accepted.append(sock)

    thread = threading.Thread(target=answer)
    thread.start()
    assert fails(at(listener, tmp_path)).code == "ConnectTimeout"
    thread.join()
    accepted[0].close()


def test_ipv6(tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with sshd_hosts(tmp_path, address="::1") as hosts:
        ping(hosts[0].target())


# Keys to log in with


def test_a_key_that_the_host_does_not_take(host, tmp_path, no_agent):
    make_key(tmp_path / "other")
    error = fails(host.target(identity_file=str(tmp_path / "other")))
    assert error.code == "AuthenticationFailed"
    assert str(tmp_path / "other") in error.message
    assert "authorized_keys" in error.hint


def test_a_key_file_that_is_missing(host, tmp_path):
    assert fails(host.target(identity_file=str(tmp_path / "none"))).code == "IdentityFileMissing"


def test_a_key_file_that_others_may_read(host):
    host.identity.chmod(0o644)
    error = fails(host.target(), NotTrusted)
    assert error.code == "KeyFileUnsafe" and "chmod 600" in error.hint


def test_a_key_with_a_passphrase(host, tmp_path, no_agent):
    make_key(tmp_path / "locked", passphrase=b"secret")
    error = fails(host.target(identity_file=str(tmp_path / "locked")))
    assert error.code == "KeyEncrypted"
    assert f"ssh-add {tmp_path / 'locked'}" in error.hint


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(host, tmp_path, kind):
    host.authorized_keys.write_text(make_key(tmp_path / "key", kind) + "\n")
    ping(host.target(identity_file=str(tmp_path / "key")))


def test_the_default_keys(hosts, host, monkeypatch, no_agent):
    monkeypatch.setenv("HOME", str(hosts.user_home))
    assert fails(host.target(identity_file=None)).code == "AuthenticationFailed"
    hosts.identity.rename(hosts.identity.with_name("id_ed25519"))
    ping(host.target(identity_file=None))


@pytest.fixture
def ssh_agent(tmp_path, monkeypatch):
    import re
    import subprocess

    out = subprocess.run(
        ["ssh-agent", "-s", "-a", str(tmp_path / "agent")], capture_output=True, text=True, check=True
    )
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    yield lambda path: subprocess.run(["ssh-add", str(path)], check=True, capture_output=True)
    os.kill(int(re.search(r"SSH_AGENT_PID=(\d+)", out.stdout)[1]), 15)


def test_ssh_agent(hosts, host, ssh_agent, monkeypatch):
    monkeypatch.setenv("HOME", str(hosts.root))
    ssh_agent(hosts.identity)
    hosts.identity.rename(hosts.root / "away")
    ping(host.target(identity_file=None))


def test_ssh_agent_holds_the_key_of_a_locked_file(hosts, host, ssh_agent):
    import subprocess

    ssh_agent(hosts.identity)
    command = ["ssh-keygen", "-p", "-q", "-N", "secret", "-f", str(hosts.identity)]
    subprocess.run(command, check=True, capture_output=True)
    hosts.identity.with_name("id_test.pub").unlink()
    ping(host.target())


def test_an_agent_that_is_gone_does_no_harm(host, monkeypatch, tmp_path):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nothing"))
    ping(host.target())


def test_a_host_that_wants_a_password(tmp_path, no_agent):
    with sshd_hosts(tmp_path, extra="PubkeyAuthentication no\nPasswordAuthentication yes") as hosts:
        assert fails(hosts[0].target()).code == "AuthenticationFailed"
