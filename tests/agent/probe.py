"""A control host in a few lines: it attaches to a real agent daemon on this machine and speaks frames."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

from xene.engine.folds import fold
from xene.engine.progress import RunProgress, begin
from xene.engine.view import view
from xene.model import codec, ids, phases
from xene.model.run import RunOrder
from xene.transport import bundle, local
from xene.transport.base import Target
from xene.wire import frames, messages

STATE = "00000000-0000-4000-8000-000000000001"
DEADLINE = 20.0


class Probe:
    """One connection. Events heard are kept in `events`, log bytes in `logs`."""

    def __init__(
        self,
        home: str,
        role: str = "control",
        after: int = 0,
        journal: str | None = None,
        version: str = "test",
        tethered: bool = False,
    ) -> None:
        self.home = home
        self.target = Target("probe", None, home=home, state=STATE)
        self.channel = local.start(self.target, bundle.build(), tethered=tethered).ready()
        self.channel._socket.settimeout(DEADLINE)  # a test that waits in vain fails, and does not hang
        self.events: list[dict[str, Any]] = []
        self.logs: dict[tuple[str, str], bytes] = {}
        self.others: list[dict[str, Any]] = []
        self.orders: dict[str, RunOrder] = {}
        self._decoder = frames.Decoder()
        self.epoch = 1
        self.say(messages.hello_from_control(self.epoch, role, version, journal, after))
        self.hello = self.wait(lambda: self.one("hello"))

    def say(self, message: dict[str, Any]) -> None:
        self.channel.send(frames.encode(message))

    def one(self, kind: str) -> dict[str, Any] | None:
        return next((message for message in self.others if message["type"] == kind), None)

    def wait(self, until: Any) -> Any:
        """Take frames until `until()` is true; give what it gave."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = until()
            if found:
                return found
            assert time.monotonic() < deadline, f"waited in vain; heard {self.events[-5:]} {self.others[-3:]}"
            self._take()

    def _take(self) -> None:
        data = self.channel.recv(65536)
        assert data, f"the agent left: {self.channel.complaint()}"
        for message, blob in self._decoder.feed(data):
            if message["type"] == "events":
                self.events += message["events"]
            elif message["type"] == "log":
                key = (message["task"], message["step"])
                held = self.logs.get(key, b"")
                assert message["offset"] == len(held)
                self.logs[key] = held + blob
            else:
                self.others.append(message)

    def start(self, pipeline: dict[str, Any], **more: Any) -> str:
        """Order a run of a pipeline given as manifest JSON; its id."""
        order = make_order(pipeline, **more)
        self.orders[order.id] = order
        self.say(messages.start(self.epoch, order.to_json()))
        return order.id

    def ended(self, run: str) -> RunProgress:
        """Wait for the end of a run; its state, folded from the events heard."""
        self.wait(lambda: any(e["type"] == "run.ended" and e["run"] == run for e in self.events))
        return self.progress(run)

    def progress(self, run: str) -> RunProgress:
        heard = [event for event in self.events if event.get("run") == run]
        state = begin({**heard[0], "order": self.orders[run].to_json()})
        for event in heard[1:]:
            fold(state, event)
        return state

    def tasks(self, run: str) -> dict[str, Any]:
        return view(self.ended(run))

    def read_logs(self, run: str, **more: Any) -> dict[tuple[str, str], bytes]:
        """All logs of a run, by (task, step)."""
        self.logs.clear()
        self.others = [message for message in self.others if message["type"] != "followed"]
        self.say(messages.follow(self.epoch, 7, run, live=False, **more))
        self.wait(lambda: self.one("followed"))
        return dict(self.logs)

    def daemon_pid(self) -> int:
        with open(os.path.join(self.home, STATE, "probe", "daemon.pid"), encoding="ascii") as file:
            return int(file.read().split()[0])

    def close(self) -> None:
        self.channel.close()


def make_order(pipeline: dict[str, Any], **more: Any) -> RunOrder:
    """A run of one pipeline; several at once, unless it says otherwise."""
    pipeline = {"concurrencyPolicy": "Allow", **pipeline}
    workflow = {"spec": {"env": more.pop("workflow_env", {}), "pipelines": {"main": pipeline}}}
    spec = codec.executable_spec(workflow, "main")
    fields: dict[str, Any] = {
        "id": ids.run_id(time.time(), os.urandom(8)),
        "workflow": "flow",
        "pipeline": "main",
        "revision": codec.digest(spec),
        "spec": spec,
        "params": {},
        "trigger": "manual",
        "created_at": time.time(),
        "agent": "probe",
        "agent_env": {},
        "agent_labels": {},
    }
    return RunOrder(**{**fields, **more})


def one_step(run: str | None = None, **step: Any) -> dict[str, Any]:
    """A pipeline of one task `t` with one step `s`."""
    body = {"name": "s", **({"run": run} if run is not None else {}), **step}
    return {"tasks": {"t": {"steps": [body]}}}


@contextlib.contextmanager
def probing(home: str) -> Iterator[Probe]:
    """A probe, and the end of its daemon and of every process of its runs."""
    probe = Probe(home)
    try:
        yield probe
    finally:
        probe.close()
        stop_daemon(home)


def stop_daemon(home: str) -> None:
    from xene.agent import attach
    from xene.agent.home import daemon_home

    assert attach.stop(daemon_home(home, STATE, "probe")) == 0


def ok(task: dict[str, Any]) -> bool:
    return bool(task["phase"] == phases.SUCCESS)
