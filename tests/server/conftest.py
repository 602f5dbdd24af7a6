"""A server over a state of its own, without a controller; and a real controller that listens on loopback."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.controlling import Controlling
from tests.fleet import Fleet, fleet
from xene.control.daemon import Context
from xene.control.place import Place
from xene.server import site
from xene.server.app import App
from xene.server.companion import Listening, Server
from xene.store import db

DEADLINE = 20.0


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Somebody who asks at one address, with one token."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self.token = url, token
        self.address = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request over a connection of its own. `body` is sent as JSON, bytes as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            asked.setdefault("Authorization", f"Bearer {self.token}")
        connection = HTTPConnection(*self.address, timeout=DEADLINE)
        try:
            connection.request(method, path, body=data, headers=asked)
            found = connection.getresponse()
            return Answer(found.status, dict(found.headers), found.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, **headers)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(self.address, DEADLINE)


class Alone:
    """A server without a controller. `nudged` is counted up by its commits, `said` are the lines of its log."""

    def __init__(
        self, place: Place, fill: Callable[[App], None], listening: Listening, took_over: bool
    ) -> None:
        self.place, self.said = place, list[str]()
        self.nudged = threading.Semaphore(0)
        self.server = Server(listening, self.said.append, fill)
        with db.open_state(place.state) as state:
            self.uuid = state.uuid
        self.server.start(Context(place, self.uuid, self.nudged.release, took_over=took_over))
        self.call = Caller(self.server.url)


@contextmanager
def alone(
    root: Path,
    fill: Callable[[App], None] = site.fill,
    listening: Listening = Listening("127.0.0.1", 0),
    took_over: bool = False,
) -> Iterator[Alone]:
    found = Alone(Place(str(root / "home" / "state.db"), str(root / "home")), fill, listening, took_over)
    try:
        yield found
    finally:
        found.server.stop()
        assert found.server.failed is None


class Serving(Controlling):
    """A controller that listens, as its callers see it."""

    @property
    def hosts(self) -> Fleet:
        """The control host and its agents."""
        return self.fleet

    def caller(self, name: str, role: str, *more: str) -> Caller:
        return Caller(self.url, self.token(name, role, *more))

    def ended(self, run: str) -> Any:
        return self.hosts.xene("wait", run, "-o", "json", code=None).json


SHOP = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {name: shop, labels: {team: web}}
    spec:
      pipelines:
        build:
          params: {level: {type: string, enum: [quick, full], default: quick}}
          tasks:
            make: {steps: [{name: one, run: "echo made; echo twice"}, {name: two, run: echo more}]}
            test: {needs: [make], steps: [{name: s, run: "echo tested; [ $XENE_PARAM_LEVEL = quick ]"}]}
        gated:
          tasks:
            ship: {approval: {message: Ship it}, steps: [{name: s, run: "true"}]}
        long:
          tasks:
            wait:
              gracePeriod: 1s
              steps: [{name: s, run: "echo begun; until [ -e GO ]; do sleep 0.05; done; echo over"}]
"""
OTHER = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {name: other}
    spec: {pipelines: {p: {tasks: {t: {steps: [{name: s, run: "true"}]}}}}}
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Workflows `shop` and `other`, one local agent, a controller at work that listens."""
    root = tmp_path_factory.mktemp("serving")
    with fleet(root, "local", count=1) as hosts:
        hosts.write("shop.yaml", SHOP.replace("GO", str(root / "go")))
        hosts.write("other.yaml", OTHER)
        hosts.apply()
        found = Serving(hosts)
        found.start()
        try:
            yield found
        finally:
            code = found.stop()
            assert code == 0, found.log.read_text()
