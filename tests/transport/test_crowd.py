"""Many hosts at once: those in trouble hold up nobody."""

import contextlib
import queue
import socket
import threading

import pytest

from tests.hosts import sshd_hosts, until
from tests.transport import standin
from tests.transport.test_session import AGENT, hello
from xene.model.agent import Ssh
from xene.transport import connection, ssh
from xene.transport.base import Target
from xene.transport.session import Session, Up
from xene.transport.turns import Turns

BAD = 50
CODE = standin.make(AGENT, wire=True)


@contextlib.contextmanager
def bad_host(says: bytes):
    """Accepts any number of connections, says this much to each, and nothing more until it is left."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=2 * BAD) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    held[-1].sendall(says)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield Ssh("127.0.0.1", port=server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in held:
                sock.close()


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-Stalled\r\n"], ids=["silent", "stalled"])
def test_a_good_host_is_up_before_any_of_fifty_bad_ones_is_given_up(tmp_path, monkeypatch, says):
    monkeypatch.setattr(connection, "_turns", Turns(connection.AT_ONCE, 0.2))
    inbox = queue.SimpleQueue()

    def begin(target):
        return Session(target, lambda where: ssh.open_channel(where, CODE, []), inbox, hello)

    with sshd_hosts(tmp_path) as hosts:
        with bad_host(says) as where:
            bad = [begin(Target(f"bad-{n}", where, home="~/.xene", state="s")) for n in range(BAD)]
            good = begin(hosts[0].target("good"))
            assert inbox.get(timeout=60) == Up("good", hello())
        ends = [inbox.get(timeout=60) for _ in bad]
        assert {end.reason for end in ends} == {"ConnectionClosed"}
        good.close()
    until(lambda: threading.active_count() == 1, f"threads end: {threading.enumerate()}")


def test_turns_are_lent_in_order_of_need():
    """One at a time while they are quick; nobody waits for one that has had its time."""
    turns = Turns(1, 1000.0)
    inside, release, second = threading.Event(), threading.Event(), threading.Event()

    def hold():
        with turns.one():
            inside.set()
            release.wait(20)

    def wait():
        with turns.one():
            second.set()

    threads = [threading.Thread(target=hold), threading.Thread(target=wait)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    assert not second.wait(0.1)
    release.set()
    assert second.wait(20)
    for thread in threads:
        thread.join(20)
    lent = Turns(1, 0.01)
    with lent.one(), lent.one():
        pass
