"""Agents that follow a script: real frames over real socket pairs, a journal that survives connections.

They do what the daemon does as far as control can see it, at once and without processes; and, unlike the daemon,
what a test tells them: be unreachable, hang, answer nothing, lose their home, lie.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from typing import Any, Callable

from tests.instants import instant
from xene.errors import Unreachable, XeneError
from xene.model import events as ev
from xene.model import ids
from xene.model.charge import revision_of
from xene.transport.base import Target
from xene.wire import frames, messages

END = {"finish": ("Success", None, 0), "fail": ("Error", "StepFailed", 3)}


class SocketChannel:
    """Control's end of the wire. A bare descriptor: closed with the last reference, whoever has that."""

    def __init__(self, sock: socket.socket) -> None:
        self._fd = sock.detach()

    def send(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            raise Unreachable("the connection has ended", code="ChannelClosed") from None

    def recv(self, size: int) -> bytes:
        try:
            return os.read(self._fd, size)
        except OSError:
            return b""

    def close(self) -> None:
        with socket.socket(fileno=os.dup(self._fd)) as sock:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def complaint(self) -> str:
        return ""

    def __del__(self) -> None:
        os.close(self._fd)


class Agent:
    """One host. `play` says what a run does: finish, fail, wait (until cancelled or told to)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.play = "finish"
        self.deaf: set[str] = set()  # types of messages that it does not react to
        self.trouble: XeneError | None = None
        self.hang = threading.Event()  # set: connecting hangs
        self.released = threading.Event()
        self.journal, self.facts = f"{name}-journal", {"cpus": 2, "hostname": name}
        self.events: list[dict[str, Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.ended: set[str] = set()
        self.has: dict[str, str] = {}
        self.charges: dict[str, list[Any]] = {}  # [tag, charge, secrets] by pipeline
        self.zones: dict[str, str] = {}
        self.logs: dict[str, list[tuple[str, str, bytes]]] = {}
        self.heard: list[dict[str, Any]] = []
        self.blob = b""  # came with the message that is being answered
        self.artifacts: dict[str, dict[str, bytes]] = {}  # by task: those that it leaves, by name
        self.stowed: dict[str, bytes] = {}  # by sha256
        self.piece = 1000  # bytes of an artifact in a frame
        self.leftovers: list[dict[str, Any]] = []  # what it says may be freed
        self.epoch = 0
        self.connections = 0
        self.stopped = False
        self.asks: tuple[str, float, float] | None = None  # for a lease, with boot id, boot and wall clock
        self.grants: list[tuple[str, float]] = []  # what was echoed to it
        self.first_words: list[dict[str, Any]] = []  # said after each hello
        self.hello_lies: dict[str, Any] = {}
        self._wires: list[tuple[socket.socket, dict[str, Any]]] = []
        self._lock = threading.RLock()

    # -- being reached

    def open(self) -> SocketChannel:
        self.connections += 1
        if self.hang.is_set():
            self.released.wait(30)
        if self.trouble is not None:
            raise self.trouble
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        return SocketChannel(ours)

    def _serve(self, sock: socket.socket) -> None:
        decoder, wire = frames.Decoder(), {"role": None, "sent": 0}
        with sock:
            while data := self._read(sock):
                for message, blob in decoder.feed(data):
                    with self._lock:
                        self.blob = blob
                        self.heard.append(message)
                        self._answer(sock, wire, message)
            with self._lock:
                self._wires = [each for each in self._wires if each[0] is not sock]

    @staticmethod
    def _read(sock: socket.socket) -> bytes:
        try:
            return sock.recv(65536)
        except OSError:
            return b""

    def cut(self) -> None:
        """End all connections, as a dropped network does."""
        with self._lock:
            for sock, _ in self._wires:
                sock.shutdown(socket.SHUT_RDWR)

    def wipe(self, journal: str) -> None:
        """Lose the home."""
        with self._lock:
            self.journal, self.events, self.orders, self.has, self.logs = journal, [], {}, {}, {}
            self.cut()

    # -- answering

    def _answer(self, sock: socket.socket, wire: dict[str, Any], message: dict[str, Any]) -> None:
        if message["epoch"] < self.epoch:
            return self._send(sock, messages.refused("StaleEpoch", "a newer controller was seen"))
        self.epoch = max(self.epoch, message["epoch"] if message.get("role") != "reader" else 0)
        if message["type"] == "hello":
            wire["role"] = message["role"]
            wire["sent"] = message["after"] if message["journal"] == self.journal else 0
            hello = messages.hello_from_agent("v1", self.journal, len(self.events), "boot", self.facts)
            self._send(sock, hello | self.hello_lies)
            for words in self.first_words:
                self._send(sock, words)
            self._wires.append((sock, wire))
            self.ask()
        elif message["type"] not in self.deaf:
            getattr(self, "_" + message["type"])(sock, message)
        self._pump()
        return None

    def _assign(self, _: socket.socket, message: dict[str, Any]) -> None:
        new = {
            key: revision
            for key, revision in message["all"].items()
            if self.has.get(key) != revision or key in message["unconfirmed"]
        }
        gone = [key for key in self.has if key not in message["all"]]
        if new or gone:
            self.has = dict(message["all"])
            self.record(ev.assigned(1000.0, new, gone, 2))
            self.ask()

    def ask(self) -> None:
        """For a lease, if it does."""
        with self._lock:
            for sock, wire in self._wires:
                if self.asks is not None and wire["role"] == "control":
                    self._send(sock, messages.lease(*self.asks))

    def _granted(self, _: socket.socket, message: dict[str, Any]) -> None:
        self.grants.append((message["boot"], message["up"]))

    def _entrust(self, _: socket.socket, message: dict[str, Any]) -> None:
        self.charges.update(message["charges"])
        self.zones.update(message["zones"])

    def fire(self, state: str, key: str, trigger: str, at: int) -> str:
        """A slot of a charge fires, and its run does what `play` says; its id. `state` is the state's uuid."""
        workflow, _, pipeline = key.partition("/")
        tag, charge, _ = self.charges[key]
        run = ids.slot_run_id(state, workflow, pipeline, trigger, at)
        fired = {
            "workflow": workflow, "pipeline": pipeline, "trigger": trigger, "slot": at,
            "revision": revision_of(tag), "params": charge["duties"][trigger]["params"],
        }  # fmt: skip
        with self._lock:
            self.orders[run] = {"spec": charge["spec"], "params": fired["params"]}
            self.record(ev.run_accepted(at, run, {}, fired))
            self.record(ev.run_started(instant(at), run))
            if self.play in END:
                self.do(run, *END[self.play])
            self._pump()
        return run

    def settle(self, key: str, trigger: str, outcome: str, reason: str, *instants: int) -> None:
        """Slots that do not fire."""
        self.say(ev.slots_settled(1000.0, key, trigger, outcome, reason, "as it is told", list(instants)))

    def _start(self, _: socket.socket, message: dict[str, Any]) -> None:
        order = message["order"]
        if order["id"] in self.orders:
            return
        self.orders[order["id"]] = order
        self.record(ev.run_accepted(1000.0, order["id"], {}))
        self.record(ev.run_started(instant(1001.0), order["id"]))
        if self.play in END:
            self.do(order["id"], *END[self.play])

    def do(self, run: str, phase: str = "Success", reason: str | None = None, code: int = 0) -> None:
        """Run every task of a run to its end."""
        with self._lock:
            seq = 0
            for name, task in self.orders[run]["spec"]["pipeline"]["tasks"].items():
                self.record(ev.task_started(instant(1002.0), run, name, 1))
                for step in task["steps"]:
                    seq += 1
                    self.logs.setdefault(run, []).append((name, step["name"], f"{name} {seq}\n".encode()))
                    self.record(ev.step_started(instant(1003.0), run, name, step["name"], 1, seq))
                    self.record(ev.step_ended(1004.0, run, name, step["name"], 1, phase, reason, None, code))
                made = [self.announce(name, key) for key in self.artifacts.get(name, {})]
                self.record(ev.task_ended(1005.0, run, name, 1, phase, reason, None, {}, made))
            self.end(run, phase, reason)

    def end(self, run: str, phase: str, reason: str | None = None) -> None:
        with self._lock:
            self.ended.add(run)
            self.record(ev.run_stopping(1006.0, run))
            self.record(ev.run_ended(1007.0, run, phase, reason))
            self._pump()

    def _cancel(self, _: socket.socket, message: dict[str, Any]) -> None:
        run = message["run"]
        if run in self.orders and run not in self.ended:
            self.record(ev.cancel_asked(1005.0, run, message["kill"]))
            self.end(run, "Error", "Killed" if message["kill"] else "Cancelled")

    def _release(self, _: socket.socket, message: dict[str, Any]) -> None:
        for run in message["runs"]:
            if self.orders.pop(run, None) is not None:
                self.logs.pop(run, None)
                self.record(ev.run_released(1010.0, run))

    def _follow(self, sock: socket.socket, message: dict[str, Any]) -> None:
        run = message["run"]
        if run not in self.orders:
            return self._send(sock, messages.failed(message["id"], f"run {run} is not known here"))
        files = []
        for seq, (task, step, data) in enumerate(self.logs.get(run, []), 1):
            offset = message["offsets"].get(str(seq), 0)
            if offset < len(data):
                piece = messages.log(message["id"], run, task, step, 1, seq, offset, len(data))
                self._send(sock, piece, data[offset:])
            files.append({"task": task, "step": step, "attempt": 1, "seq": seq, "size": len(data)})
        return self._send(sock, messages.followed(message["id"], run, files))

    def announce(self, task: str, name: str) -> dict[str, Any]:
        """What the end of a task says of an artifact."""
        data = self.artifacts[task][name]
        sha256 = hashlib.sha256(data).hexdigest()
        return {"name": name, "task": task, "size": len(data), "sha256": sha256, "files": 1}

    def _fetch(self, sock: socket.socket, message: dict[str, Any]) -> None:
        data = self.artifacts.get(message["task"], {}).get(message["name"])
        if data is None:
            return self._send(sock, messages.failed(message["id"], "there is no such artifact"))
        for offset in range(message["offset"], len(data), self.piece):
            piece = data[offset : offset + self.piece]
            self._send(sock, messages.artifact(message["id"], offset, len(data)), piece)
        return self._send(sock, messages.fetched(message["id"], len(data)))

    def _stow(self, sock: socket.socket, message: dict[str, Any]) -> None:
        held = self.stowed.get(message["sha256"], b"")
        if message["offset"] == len(held):
            held = self.stowed[message["sha256"]] = held + self.blob
        self._send(sock, messages.stowed(message["id"], message["sha256"], len(held)))

    def _sweep(self, sock: socket.socket, message: dict[str, Any]) -> None:
        what = [
            {"what": "runs that control never heard of", "count": 1, "bytes": 1000} for _ in message["forget"]
        ]
        what += self.leftovers
        if not message["dry"]:
            for run in message["forget"]:
                del self.orders[run]
        size = sum(each["bytes"] for each in what)
        self._send(sock, messages.swept(message["id"], size, what, sorted(self.ended & set(self.orders))))

    def _ping(self, sock: socket.socket, _: dict[str, Any]) -> None:
        self._send(sock, messages.pong())

    def _stop(self, sock: socket.socket, _: dict[str, Any]) -> None:
        self.stopped = True
        sock.shutdown(socket.SHUT_RDWR)

    # -- the journal

    def record(self, event: dict[str, Any]) -> None:
        with self._lock:
            self.events.append({"n": len(self.events) + 1, **ev.public(event)})

    def say(self, event: dict[str, Any]) -> None:
        """Record and tell."""
        with self._lock:
            self.record(event)
            self._pump()

    def _pump(self) -> None:
        for sock, wire in self._wires:
            if wire["role"] == "control" and wire["sent"] < len(self.events):
                batch = self.events[wire["sent"] :]
                wire["sent"] = len(self.events)
                self._send(sock, messages.events(batch))

    @staticmethod
    def _send(sock: socket.socket, message: dict[str, Any], blob: bytes = b"") -> None:
        try:
            sock.sendall(frames.encode(message, blob))
        except OSError:
            pass

    def types(self) -> list[str]:
        """The types of the messages heard, hellos aside."""
        return [message["type"] for message in self.heard if message["type"] != "hello"]


class Fleet(dict[str, Agent]):
    """Hosts by name; each is there as soon as it is asked for."""

    def __missing__(self, name: str) -> Agent:
        self[name] = Agent(name)
        return self[name]

    def open(self, target: Target, trusted: tuple[str, ...]) -> SocketChannel:
        return self[target.name].open()


Opener = Callable[[Target, tuple[str, ...]], SocketChannel]
