"""Agents that lie: whatever they say, control lives, stays small, and touches nothing that is not theirs."""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import threading
from typing import Any, Iterator

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from tests.control.scripted import Agent, SocketChannel
from tests.instants import instant
from xene.control import passes, sessions
from xene.control import reconcile as reconciling
from xene.control.archive import Archive
from xene.control.reconcile import Made
from xene.control.tail import Choice, Tail
from xene.model import events as ev
from xene.model import ids
from xene.store import db, reported
from xene.transport import session as transport
from xene.transport.base import Target
from xene.wire import frames, messages

DEEP: list[Any] = []
for _ in range(50):
    DEEP = [DEEP]


class Rogue(Agent):
    """Says what no honest encoder would: half characters, infinities."""

    @staticmethod
    def _send(sock: socket.socket, message: dict[str, Any], blob: bytes = b"") -> None:
        body = json.dumps(message).encode() + b"\n" + blob
        try:
            sock.sendall(struct.pack(">I", len(body)) + body)
        except OSError:
            pass


def reconcile(host: Host) -> Made:
    return reconciling.reconcile(host.place, open=host.open)


@pytest.fixture
def shop(host: Host) -> Host:
    """Two agents with a pipeline each; `rogue` has one of them."""
    host.fleet["rogue"] = Rogue("rogue")
    host.apply(
        workflow("shop", {"mine": pipeline("one", placement={"agent": "rogue"})}),
        workflow("bank", {"theirs": pipeline("one", placement={"agent": "good"})}),
        agent("rogue"),
        agent("good"),
    )
    host.fleet["rogue"].play = host.fleet["good"].play = "wait"
    return host


def lies(run: str) -> Iterator[dict[str, Any]]:
    """Every event there is about a run, and every kind of nonsense in every field of each."""
    honest = [
        ev.run_started(instant(1001.0), run),
        ev.task_started(instant(1002.0), run, "one", 1),
        ev.step_started(instant(1003.0), run, "one", "s1", 1, 1),
        ev.step_ended(1004.0, run, "one", "s1", 1, "Error", "StepFailed", "no", 3),
        ev.task_ended(1005.0, run, "one", 1, "Error", "StepFailed", "no", {"a": "b"}),
        ev.cancel_asked(1005.0, run, True),
        ev.run_stopping(1006.0, run),
        ev.run_ended(1007.0, run, "Error", "StepFailed"),
        ev.run_released(1010.0, run),
    ]
    nonsense = (
        None, True, -1, 2**63, 10**400, 1e308, -0.5, "", "x" * 100_000, "\ud800", "a\0b", "\x1b[31m", DEEP,
        {"a": DEEP}, [run], {run: 1},
    )  # fmt: skip
    for event in honest:
        for field in event:
            if field != "type":
                yield from ({**event, field: value} for value in nonsense)
                yield {name: value for name, value in event.items() if name != field}
    for kind in ("run.accepted", "assigned", "epoch", "journal.begun", "nonsense", "", "\ud800"):
        yield from ({"type": kind, "run": run, "set": value, "gone": value} for value in nonsense)


def tell(rogue: Agent, said: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
    with rogue._lock:
        for event in said:
            rogue.events.append({"n": len(rogue.events) + 1, **event})


def counted(host: Host) -> dict[str, int]:
    with db.open_for_reading(host.place.state) as state:
        assert state.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert state.conn.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = ("runs", "tasks", "task_attempts", "steps", "holdings", "agents", "fires", "events")
        return {name: state.conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def test_every_lie_about_the_run_of_another_agent(shop: Host) -> None:
    (run,) = shop.fire("bank").runs
    before, rows = shop.run(run), counted(shop)
    tell(shop.fleet["rogue"], lies(run))
    reconcile(shop)
    assert shop.run(run) == before
    assert {"ForeignReport", "MalformedReport"} <= set(shop.reasons("Agent"))
    after = counted(shop)
    assert after.pop("events") <= rows.pop("events") + 2
    assert after == rows
    shop.fleet["good"].do(run)
    assert shop.ended(run)[0]["phase"] == "Success"


def test_every_lie_about_a_run_of_its_own_stays_within_it(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    (other,) = shop.fire("bank").runs
    before, rows = shop.run(other), counted(shop)
    tell(shop.fleet["rogue"], lies(run))
    (row,) = shop.ended(run)
    assert row["phase"] == "Error" and len(json.dumps(row)) < 20_000
    json.loads(json.dumps(row, allow_nan=False))
    assert shop.run(other) == before
    after = counted(shop)
    assert after["task_attempts"] <= rows["task_attempts"] + 2
    assert {**after, "task_attempts": 0, "events": 0} == {**rows, "task_attempts": 0, "events": 0}


def test_an_end_never_changes(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    shop.fleet["rogue"].do(run)
    ended = {key: value for key, value in shop.ended(run)[0].items() if key != "log"}
    tell(shop.fleet["rogue"], lies(run))
    reconcile(shop)
    assert {key: value for key, value in shop.run(run).items() if key != "log"} == ended


def test_attempts_make_rows_and_are_counted(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    tell(shop.fleet["rogue"], [ev.task_started(instant(1002.0), run, "one", n + 1) for n in range(3000)])
    reconcile(shop)
    assert counted(shop)["task_attempts"] == reported.ATTEMPTS


def test_a_flood_of_reports_leaves_the_history_alone(shop: Host) -> None:
    rows = counted(shop)["events"]
    rogue = shop.fleet["rogue"]
    flood = [{"n": n, **ev.run_ended(1.0, f"r{n}", "Success")} for n in range(2, 20_002)]
    rogue.first_words = [messages.events(flood[at : at + 20]) for at in range(0, len(flood), 20)]
    rogue.hello_lies = {"last": 20_001}
    reconcile(shop)
    eventually(lambda: shop.reasons("Agent").count("ForeignReport") == 1)
    reconcile(shop)
    assert counted(shop)["events"] <= rows + 3


GARBAGE = {
    "deep": b'{"type":"events","events":' + b"[" * 900 + b"]" * 900 + b"}\n",
    "very deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n",
    "not a number": b'{"type":"events","events":[{"n":NaN}]}\n',
    "infinite": b'{"type":"events","events":[{"n":-Infinity}]}\n',
    "ten thousand digits": b'{"n":' + b"9" * 10_000 + b"}\n",
    "a million lists": b'{"a":[' + b"[]," * 4_000_000 + b"1]}\n",
    "no end": b'{"a":1}',
}


class Raw(Rogue):
    """Says hello, then bytes of its own."""

    raw = b""

    def _answer(self, sock: socket.socket, wire: dict[str, Any], message: dict[str, Any]) -> None:
        super()._answer(sock, wire, message)
        if message["type"] == "hello" and message["role"] == "control":
            try:
                sock.sendall(self.raw)
            except OSError:
                pass  # control has hung up on it, as it must


@pytest.mark.parametrize("name", GARBAGE)
def test_frames_that_are_none(shop: Host, name: str) -> None:
    shop.fleet["rogue"] = rogue = Raw("rogue")
    rogue.raw = struct.pack(">I", len(GARBAGE[name])) + GARBAGE[name]
    rogue.hello_lies = {"last": 1000}  # reports to come, more than it makes: control hears it out
    made = reconcile(shop)
    assert "rogue" in made.trouble
    assert shop.agents()["rogue"]["reason"] == "Garbled"
    shop.fleet["good"].play = "finish"
    assert shop.ended(*shop.fire("bank").runs)[0]["phase"] == "Success"


# -- logs


BAD_NAMES = (
    "/etc/passwd",
    "..",
    "../..",
    "a/b",
    "a\0b",
    "a\nb",
    "",
    ".",
    "-",
    "\ud800",
    "A",
    "x" * 300,
    7,
    None,
    ["a"],
)


def test_pieces_of_logs_never_leave_their_directory(shop: Host, tmp_path: Any) -> None:
    (run,) = shop.fire("shop").runs
    rogue = shop.fleet["rogue"]

    def follow(sock: socket.socket, message: dict[str, Any]) -> None:
        honest = messages.log(message["id"], run, "one", "s1", 1, 1, 0, 4)
        for name in BAD_NAMES:
            Rogue._send(sock, {**honest, "task": name}, b"evil")
            Rogue._send(sock, {**honest, "step": name}, b"evil")
        for value in (-1, 2**31, 2**70, "../1", None, 1.5, [1], "1\n"):
            Agent._send(sock, {**honest, "seq": value}, b"evil")
            Agent._send(sock, {**honest, "attempt": value}, b"evil")
            Agent._send(sock, {**honest, "offset": value}, b"evil")
        for other in ("../../x", None, [], run + "x"):
            Agent._send(sock, {**honest, "run": other}, b"evil")
        Agent._send(sock, messages.followed(message["id"], run, [{"task": "..", "size": 1}, 7, {"size": []}]))

    rogue._follow = follow  # type: ignore[method-assign]
    rogue.do(run)
    (row,) = shop.ended(run)
    assert row["log"] == "partial"
    found = {os.path.relpath(os.path.join(folder, name), tmp_path)
             for folder, _, names in os.walk(tmp_path) for name in names}  # fmt: skip
    with shop.state() as state:
        logs = os.path.join("home", "logs", state.uuid)
    written = {path for path in found if not path.startswith("home/state.db")}
    assert written <= {os.path.join(logs, f"{run}.zip")}


def test_a_refusal_with_half_a_character_settles_the_log(shop: Host) -> None:
    (run,) = shop.fire("shop").runs
    rogue = shop.fleet["rogue"]
    words = "\ud800" + "x" * 100_000
    rogue._follow = lambda sock, message: rogue._send(  # type: ignore[method-assign]
        sock, messages.failed(message["id"], words)
    )
    rogue.do(run)
    assert shop.ended(run)[0]["log"] == "gone"


def test_files_and_bytes_of_one_run_are_counted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xene.control.archive.RUN_FILES", 5)
    monkeypatch.setattr("xene.control.archive.RUN_BYTES", 60)
    run = ids.run_id(0.0, b"12345678")
    archive = Archive(str(tmp_path), queue.SimpleQueue())
    request, _ = archive.begin("rogue", run)
    for seq in range(1, 50):
        archive.piece("rogue", messages.log(request, run, "a", "b", 1, seq, 0, 10), b"0123456789")
    archive.piece("rogue", messages.log(request, run, "a", "b", 1, 1, 10, 100), b"x" * 100)
    found = [entry for entry in os.scandir(tmp_path / f"{run}.part") if entry.name.endswith(".log")]
    assert len(found) == 5 and sum(entry.stat().st_size for entry in found) == 50


def test_only_the_agent_that_was_asked_answers_for_a_log(shop: Host) -> None:
    said: list[bytes] = []
    (run,) = shop.fire("bank").runs
    tail = Tail([run], lambda source, data: said.append(data), Choice())
    tail._requests[1_000_000] = ("good", run)
    tail._runs[run].request = 1_000_000
    piece = messages.log(1_000_000, run, "one", "s1", 1, 1, 0, 4)
    tail.take("rogue", piece, b"evil")
    tail.take("rogue", messages.followed(1_000_000, run, []), b"")
    tail.take("rogue", messages.failed(1_000_000, "evil"), b"")
    assert said == [] and not tail.done and tail.failure(run) == ""
    tail.take("good", {**piece, "offset": -4}, b"evil")
    tail.take("good", piece, b"fine")
    assert said == [b"fine"]


# -- hellos


def test_another_journal_at_every_hello(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "TIME", 0.2)  # it confirms nothing: each pass ends unanswered
    rows = counted(shop)
    rogue = shop.fleet["rogue"]
    for number in range(8):
        rogue.hello_lies = {"journal": f"lie-{number}", "boot": f"boot-{number}"}
        reconcile(shop)
    after = counted(shop)
    assert after.pop("events") <= rows.pop("events") + 8
    assert {**after, "holdings": 0} == {**rows, "holdings": 0}
    assert set(shop.pipelines()) == {"shop/mine", "bank/theirs"}


def test_facts_are_plain_and_few(shop: Host) -> None:
    rogue = shop.fleet["rogue"]
    rogue.facts = {
        "cpus": 2**52, "deep": DEEP, "long": "x" * 5000, "esc": "\x1b]0;evil\x07", "list": [1] * 100, "\x1b": 1,
        "big": 10**300, **{f"k{n}": n for n in range(1000)},
    }  # fmt: skip
    reconcile(shop)
    row = shop.agents()["rogue"]
    assert row["phase"] == "Ready"
    facts = row["facts"]
    assert len(facts) <= 64 and not {"deep", "list", "big"} & set(facts) and len(facts["long"]) == 1000
    assert row["capacity"] == 1024


@pytest.mark.parametrize("code", ["\x1b[31mRed", "x" * 10_000, "", None, DEEP, "not a code", "Fine\n"])
def test_a_refusal_cannot_choose_its_words_as_a_reason(shop: Host, code: Any) -> None:
    shop.fleet["rogue"].first_words = [{"type": "refused", "code": code, "message": DEEP}]
    reconcile(shop)
    assert shop.agents()["rogue"]["reason"] == "Refused"


def test_an_agent_that_never_says_hello(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HELLO_SECONDS", 0.2)
    monkeypatch.setattr(Agent, "_answer", lambda *_: None)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    silent = Agent("silent")
    target = Target("silent", None, home="/nowhere", state="s")
    made = transport.Session(target, lambda _: silent.open(), inbox, lambda: messages.stop(1))
    down = inbox.get(timeout=20)
    assert (down.phase, down.reason) == ("Unreachable", "ConnectTimeout") and "hello" in down.message
    made.close()


class Drip(Agent):
    """Sends byte by byte, and reads byte by byte."""

    @staticmethod
    def _send(sock: socket.socket, message: dict[str, Any], blob: bytes = b"") -> None:
        try:
            for byte in frames.encode(message, blob):
                sock.sendall(bytes([byte]))
        except OSError:
            pass

    @staticmethod
    def _read(sock: socket.socket) -> bytes:
        try:
            return sock.recv(1)
        except OSError:
            return b""


def test_byte_by_byte_is_slow_and_right(shop: Host) -> None:
    shop.fleet["rogue"] = Drip("rogue")
    assert shop.ended(*shop.fire("shop").runs)[0]["phase"] == "Success"


# -- floods


def endless(sock: socket.socket, stop: threading.Event) -> None:
    sock.sendall(frames.encode(messages.hello_from_agent("v", "j", 0, "b", {})))
    piece = frames.encode(messages.log(1, "r", "a", "b", 1, 1, 0, 1), b"x" * 500_000)
    try:
        while not stop.is_set():
            sock.sendall(piece)
    except OSError:
        pass


def test_an_agent_that_talks_faster_than_it_is_heard_has_to_wait(shop: Host) -> None:
    """Nobody takes from the inbox: what lies there stays within HELD_BYTES, and closing does not hang."""
    stop = threading.Event()
    control = passes.Control(shop.place, shop.state(), open=shop.open)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=endless, args=(theirs, stop), daemon=True)
    control.sessions._open = lambda target, trusted: SocketChannel(ours)
    with control.state.snapshot() as conn:
        row = next(row for row in passes.agents.every(conn) if row.name == "rogue")
    try:
        control.sessions.reach([row])
        thread.start()
        link = control.sessions.links["rogue"]
        eventually(lambda: link.room._held > sessions.HELD_BYTES - 1_000_000, "a full room")
        for _ in range(20):
            assert link.room._held <= sessions.HELD_BYTES
            assert control.inbox.qsize() < 40
            for item in control._wait(0.1)[:1]:
                assert isinstance(item, sessions.Came)
    finally:
        stop.set()
        with control:
            pass
        theirs.close()
        control.state.close()
    thread.join(20)
    assert not thread.is_alive()


# -- what an agent is told


def test_an_agent_is_told_of_nothing_that_is_not_its_own(shop: Host) -> None:
    theirs, mine = shop.fire("bank").runs[0], shop.fire("shop").runs[0]
    shop.fleet["good"].do(theirs)
    shop.fleet["rogue"].do(mine)
    shop.ended(theirs, mine)
    heard = json.dumps(shop.fleet["rogue"].heard)
    assert mine in heard and "shop/mine" in heard
    assert theirs not in heard and "bank" not in heard and "theirs" not in heard
