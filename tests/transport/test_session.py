"""Sessions over local channels, with stand-in programs for the agent."""

import queue
import threading

import pytest

from tests.transport import standin
from xene.errors import NotTrusted, Unreachable
from xene.transport import local
from xene.transport.base import Target
from xene.transport.session import Down, Got, Session, Up
from xene.wire import messages

AGENT = (
    standin.PROGRAM
    + """
from xene.wire.frames import Decoder, encode


def main():
    os.write(1, MARKER)
    decoder = Decoder()
    while True:
        data = os.read(0, 65536)
        if not data:
            return 0
        for message, blob in decoder.feed(data):
            os.write(1, encode(message, b"blob"))
            if message["type"] == "stop":
                sys.stderr.write("told to stop")
                return 0
            if message["type"] == "cancel":
                os.write(1, b"\\xff" * 10)
"""
)


@pytest.fixture
def target(tmp_path):
    return Target("one", home=str(tmp_path / "home"), state="5f0c1f0e-0000-4000-8000-000000000001")


@pytest.fixture
def inbox():
    return queue.SimpleQueue()


def hello():
    return messages.hello_from_control(1, "control", "v", None, 0)


def begin(target, inbox, program=AGENT):
    code = standin.make(program, wire=True)
    return Session(target, lambda where: local.open_channel(where, code), inbox, hello)


def test_up_then_messages_then_one_down(target, inbox):
    session = begin(target, inbox)
    assert inbox.get(timeout=20) == Up("one", hello())
    assert session.state == "up"
    session.send(messages.release(1, ["r"], []))
    assert inbox.get(timeout=20) == Got("one", messages.release(1, ["r"], []), b"blob")
    session.send(messages.stop(1))
    assert inbox.get(timeout=20) == Got("one", messages.stop(1), b"blob")
    end = inbox.get(timeout=20)
    assert end == Down(
        "one", "Unreachable", "ChannelClosed", "the connection to agent one has ended: told to stop"
    )
    assert session.state == "down"
    session.close()
    assert inbox.empty()


def test_what_is_no_frame_ends_it(target, inbox):
    session = begin(target, inbox)
    inbox.get(timeout=20)
    session.send(messages.cancel(1, "r", False))
    inbox.get(timeout=20)
    end = inbox.get(timeout=20)
    assert (end.agent, end.phase, end.reason) == ("one", "NotReady", "Garbled")


def test_close_ends_it_and_its_threads(target, inbox):
    session = begin(target, inbox)
    inbox.get(timeout=20)
    session.close()
    assert inbox.get(timeout=20).reason == "ChannelClosed"
    for thread in threading.enumerate():
        if thread.name.startswith("xene-one"):
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    "error, phase",
    [
        (Unreachable("no", hint="try", code="ConnectionRefused"), "Unreachable"),
        (NotTrusted("no", hint="try", code="HostKeyUnknown"), "Untrusted"),
    ],
)
def test_a_channel_that_cannot_be_opened_is_down(target, inbox, error, phase):
    def refuse(where):
        raise error

    session = Session(target, refuse, inbox, hello)
    assert inbox.get(timeout=20) == Down("one", phase, error.code, "no; try")
    session.send(hello())
    session.close()
    assert inbox.empty()


def test_a_bug_in_the_thread_is_told(target, inbox):
    Session(target, lambda where: 1 / 0, inbox, hello)
    end = inbox.get(timeout=20)
    assert (end.phase, end.reason) == ("NotReady", "TransportBug")


def test_close_does_not_wait_for_a_slow_connect(target, inbox):
    go = threading.Event()
    code = standin.make(AGENT, wire=True)

    def slow(where):
        go.wait()
        return local.open_channel(where, code)

    session = Session(target, slow, inbox, hello)
    session.close()
    assert inbox.empty()
    go.set()
    assert inbox.get(timeout=20).reason == "ChannelClosed"


def test_a_refusal_instead_of_hello(target, inbox):
    program = AGENT.replace(
        "encode(message,", "encode({'type': 'refused', 'code': 'StaleEpoch', 'message': 'old'},"
    )
    begin(target, inbox, program)
    end = inbox.get(timeout=20)
    assert end == Down("one", "Unreachable", "StaleEpoch", "old")
