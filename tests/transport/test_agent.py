"""The real agent, brought and reached over both ways, by the same tests."""

import queue

import pytest

from tests.hosts import STATE, agent_homes, sshd_hosts
from xene.transport import bundle, local, ssh
from xene.transport.base import Target
from xene.transport.session import Session, Up
from xene.wire import messages


@pytest.fixture(params=["local", "ssh"])
def way(request, tmp_path):
    """A target and what opens a channel to it."""
    code = bundle.build()
    if request.param == "local":
        with agent_homes(tmp_path / "home") as home:
            yield Target("one", home=str(home), state=STATE), lambda to: local.open_channel(to, code)
    else:
        with sshd_hosts(tmp_path) as hosts:
            yield hosts[0].target("one"), lambda to: ssh.open_channel(to, code, [])


def meet(way):
    target, open_channel = way
    inbox = queue.SimpleQueue()
    session = Session(
        target, open_channel, inbox, lambda: messages.hello_from_control(1, "control", "v", None, 0)
    )
    item = inbox.get(timeout=30)
    session.close()
    assert isinstance(item, Up), item
    return item.hello


def test_it_is_brought_started_and_found_again(way):
    first, second = meet(way), meet(way)
    assert first["version"] == bundle.build().sha
    assert (first["journal"], first["facts"]["pid"]) == (second["journal"], second["facts"]["pid"])


def test_two_at_once_meet_the_same_daemon(way):
    target, open_channel = way
    inbox = queue.SimpleQueue()
    hello = lambda: messages.hello_from_control(1, "control", "v", None, 0)  # noqa: E731
    sessions = [Session(target, open_channel, inbox, hello) for _ in range(3)]
    ups = []
    while len(ups) < 3:
        item = inbox.get(timeout=30)
        ups += [item] if isinstance(item, Up) else []
    for session in sessions:
        session.close()
    assert len({item.hello["facts"]["pid"] for item in ups}) == 1
