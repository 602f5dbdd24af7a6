"""Ways to a host that lead over others: jump hosts, proxy commands, names of the configuration."""

import shutil
import sys
import threading

import pytest

from tests.hosts import sshd_hosts, until
from tests.transport.test_ssh import CODE, fails, no_threads, ping
from xene.errors import NotTrusted
from xene.transport import route, ssh


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    with sshd_hosts(tmp_path, count=3) as hosts:
        monkeypatch.setenv("HOME", str(hosts.user_home))
        yield hosts


def accepted(host):
    return host.log.count("Accepted publickey")


def named(host, **fields):
    """A target that leaves everything to the configuration."""
    plain = {"host": host.name, "user": None, "port": None, "identity_file": None, "host_key": None}
    return host.target(**{**plain, **fields})


def test_a_name_of_the_configuration(hosts):
    ping(named(hosts[1]))
    assert accepted(hosts[1]) == 1


def test_one_jump(hosts):
    ping(named(hosts[1], jump="host-1"))
    assert [accepted(host) for host in hosts] == [1, 1, 0]
    no_threads()


@pytest.mark.parametrize("jump", [None, "host-1"])
def test_a_host_that_answers_no_more_is_noticed_although_its_kernel_acknowledges(hosts, monkeypatch, jump):
    monkeypatch.setattr(route, "ALIVE_SECONDS", 0.2)
    channel = ssh.open_channel(named(hosts[1], jump=jump), CODE, [])
    heard = []
    reader = threading.Thread(target=lambda: heard.append(channel.recv(1)))
    reader.start()
    hosts[1].freeze()
    reader.join(30)
    assert heard == [b""]
    assert channel.complaint() == "it does not answer any more"
    channel.close()
    no_threads()


def test_a_host_that_answers_is_left_in_peace(hosts, monkeypatch):
    """Many questions, all of them answered."""
    monkeypatch.setattr(route, "ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(route, "ALIVE_COUNT", 1)
    channel = ssh.open_channel(named(hosts[1], jump="host-1"), CODE, [])
    asked = []
    ask = channel._transport._parse_request_failure
    channel._transport._handler_table[82] = lambda message: (asked.append(1), ask(message))  # REQUEST_FAILURE
    until(lambda: len(asked) == 3, "it was asked three times")
    channel.send(b"ping")
    assert channel.recv(4) == b"ping"
    channel.close()


def test_two_jumps(hosts):
    ping(named(hosts[2], jump="host-1,host-2"))
    assert [accepted(host) for host in hosts] == [1, 1, 1]
    no_threads()


def test_jumps_of_the_configuration(hosts):
    with open(hosts.config, "a") as file:
        file.write("Host host-3\n  ProxyJump host-2\nHost host-2\n  ProxyJump host-1\n")
    ping(named(hosts[2]))
    assert [accepted(host) for host in hosts] == [1, 1, 1]


def test_a_jump_host_must_be_known_too(hosts):
    lines = hosts.known_hosts.read_text().splitlines(keepends=True)
    hosts.known_hosts.write_text("".join(lines[1:]))
    error = fails(named(hosts[1], jump="host-1"), NotTrusted)
    assert error.code == "HostKeyUnknown"
    assert f":{hosts[0].port}" in error.message
    assert "ssh host-1" in error.hint
    hosts.known_hosts.write_text(lines[0])
    error = fails(named(hosts[1], jump="host-1"), NotTrusted)
    assert "xene agent trust host-2" in error.hint
    assert str(ssh.host_key(named(hosts[1], jump="host-1"))) == hosts[1].host_key


def test_a_jump_host_that_forwards_nothing(hosts):
    hosts[0].extra = "AllowTcpForwarding no"
    hosts[0].restart()
    assert fails(named(hosts[1], jump="host-1")).code == "JumpRefused"


def test_behind_a_jump_host_nobody_listens(hosts):
    hosts[1].stop()
    assert fails(named(hosts[1], jump="host-1")).code == "JumpRefused"


def test_a_jump_host_that_goes_away(hosts):
    channel = ssh.open_channel(named(hosts[1], jump="host-1"), CODE, [])
    hosts[0].stop()
    assert channel.recv(1) == b""
    channel.close()
    no_threads()


def test_a_proxy_command(hosts, tmp_path):
    relay = tmp_path / "relay.py"
    relay.write_text("""
import os, select, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, sock], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else sock.recv(65536)
        if not data:
            sys.exit()
        if ready == 0:
            sock.sendall(data)
        else:
            os.write(1, data)
""")
    with open(hosts.config, "a") as file:
        file.write(f"Host host-*\n  ProxyCommand {sys.executable} {relay} %h %p\n")
    ping(named(hosts[0]))
    no_threads()


def test_a_proxy_command_that_fails(hosts):
    with open(hosts.config, "a") as file:
        file.write("Host host-*\n  ProxyCommand false\n")
    assert fails(named(hosts[0])).code == "ConnectionClosed"


@pytest.mark.skipif(not shutil.which("ssh"), reason="the program `ssh` is MISSING: openssh-client")
def test_openssh_itself_as_the_proxy_command(hosts):
    with open(hosts.config, "a") as file:
        file.write(f"Host host-2\n  ProxyCommand ssh -F {hosts.config} -W %h:%p host-1\n")
    ping(named(hosts[1]))
    assert [accepted(host) for host in hosts] == [1, 1, 0]
