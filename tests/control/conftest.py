"""A control host in a temporary directory; scripted agents, or the real local one."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any, Callable, Iterator

import pytest

from tests.control.scripted import Fleet
from xene.control import apply, fire, follow
from xene.control.apply import Applied, Options
from xene.control.fire import Fired
from xene.control.place import Place
from xene.manifest.repository import Entry, Repository
from xene.model import codec
from xene.store import db, views

DEADLINE = 20.0


def eventually(ask: Callable[[], Any], what: str = "") -> Any:
    """Ask until the answer is true; give it."""
    deadline = time.monotonic() + DEADLINE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited in vain for {what or ask}"
        time.sleep(0.01)
    return answer


def workflow(name: str, pipelines: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "xene/v1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels} if labels else {"name": name},
        "spec": {"pipelines": pipelines or {"build": pipeline("true")}},
    }


def pipeline(*scripts: str, **more: Any) -> dict[str, Any]:
    steps = [{"name": f"s{number}", "run": script} for number, script in enumerate(scripts, 1)]
    return {"tasks": {"one": {"steps": steps}}, **more}


def agent(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "labels": labels} if labels else {"name": name}
    spec = spec if "ssh" in spec or "local" in spec else {"local": {}, **spec}
    return {"apiVersion": "xene/v1", "kind": "Agent", "metadata": meta, "spec": spec}


def repository(*things: dict[str, Any], source: str = "test", complete: bool = True) -> Repository:
    """What manifests with these objects would be read as."""
    entries = tuple(
        Entry(
            thing["kind"],
            thing["metadata"]["name"],
            thing["metadata"].get("labels", {}),
            codec.digest(thing),
            json.dumps(thing),
            "x.yaml",
            1,
        )
        for thing in things
    )
    return Repository("/x", source, complete, entries, ())


class Host:
    """What tests do on a control host."""

    def __init__(self, place: Place, fleet: Fleet) -> None:
        self.place, self.fleet = place, fleet
        self.open = fleet.open

    def apply(
        self, *things: dict[str, Any], source: str = "test", complete: bool = True, **flags: Any
    ) -> Applied:
        asked = flags.pop("ask", lambda question: True)
        found = repository(*things, source=source, complete=complete)
        return apply.apply(self.place, found, Options(**{"yes": True, **flags}), asked, open=self.open)

    def fire(self, target: str, **params: str) -> Fired:
        return fire.fire(self.place, target, params, open=self.open)

    def ended(self, *ids: str, **more: Any) -> list[dict[str, Any]]:
        return follow.until_ended(self.place, ids, timeout=DEADLINE, open=self.open, **more)

    def state(self) -> db.State:
        return db.open_state(self.place.state)

    def pipelines(self) -> dict[str, dict[str, Any]]:
        with db.open_for_reading(self.place.state) as state:
            return {f"{row['workflow']}/{row['name']}": row for row in views.pipelines(state)}

    def agents(self) -> dict[str, dict[str, Any]]:
        with db.open_for_reading(self.place.state) as state:
            return {row["name"]: row for row in views.agents(state)}

    def run(self, run: str) -> dict[str, Any]:
        with db.open_for_reading(self.place.state) as state:
            return views.run(state, run)

    def reasons(self, kind: str) -> list[str]:
        with db.open_for_reading(self.place.state) as state:
            return [row["reason"] for row in views.events(state, kind=kind)]


@pytest.fixture
def host(tmp_path: Any) -> Iterator[Host]:
    """Scripted agents: they answer at once."""
    fleet = Fleet()
    yield Host(Place(str(tmp_path / "home" / "state.db"), str(tmp_path / "home")), fleet)
    for each in fleet.values():
        each.released.set()
        each.cut()


class RealHost(Host):
    """The real agent of the control host, its processes and all."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, Fleet())
        from xene.control.sessions import open_channel

        self.open = open_channel  # type: ignore[assignment]

    def stop_daemons(self) -> None:
        for folder, _, names in os.walk(self.place.home):
            if "daemon.pid" in names:
                with open(os.path.join(folder, "daemon.pid")) as file:
                    pid = int(file.read().split()[0])
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    continue
                eventually(lambda pid=pid: not alive(pid), "the daemon's end")  # type: ignore[misc]


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def real(tmp_path: Any) -> Iterator[RealHost]:
    found = RealHost(Place(str(tmp_path / "home" / "state.db"), str(tmp_path / "home")))
    yield found
    found.stop_daemons()
