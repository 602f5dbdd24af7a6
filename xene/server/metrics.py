"""`/metrics`, as Prometheus reads it: what the state holds, counted at each scrape, and what was measured.

Gauges come from the state, so that they are right from the first scrape on and after every restart; histograms are
of this process, and begin anew with it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Iterable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from xene import __version__
from xene.control.lock import holder
from xene.control.measure import APPLY, PASS
from xene.model import phases
from xene.model.trigger import SLOT_OUTCOMES
from xene.server.app import App
from xene.server.routes import Answer, Route
from xene.server.service import Service, client, service
from xene.store import counts
from xene.store.counts import Counts, Started
from xene.store.db import State
from xene.store.tokens import READ

MEDIA = "text/plain"
AGENT_PHASES = (phases.READY, phases.NOT_READY, phases.UNTRUSTED, phases.UNREACHABLE)
MOST = 10_000  # started runs that one scrape looks at
WEIGHED = 60.0  # seconds for which the size of the archive is taken from memory
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Metrics:
    """Those of one controller at work."""

    def __init__(self, found: Service) -> None:
        self._service = found
        self._registry = CollectorRegistry()
        self._passes = self._histogram(
            "xene_reconcile_seconds", "Seconds of the passes of reconciling.", _SHORT
        )
        self._applies = self._histogram(
            "xene_apply_seconds", "Seconds of looks at the followed directory.", _SHORT
        )
        self._dispatch = self._histogram(
            "xene_dispatch_seconds", "Seconds from a run's creation until it was sent to its agent.", _LONG
        )
        self._queue = self._histogram(
            "xene_queue_seconds", "Seconds from a run's creation until its agent started it.", _LONG
        )
        self._turn = threading.Lock()
        self._after: int | None = None
        self._weighed_at, self._bytes = -WEIGHED, 0
        found.measure.add(self._measured)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, words, registry=self._registry, buckets=buckets)

    def _measured(self, name: str, seconds: float) -> None:
        sinks = {PASS: self._passes, APPLY: self._applies}
        if name in sinks:
            sinks[name].observe(seconds)

    def look(self, state: State) -> bytes:
        """The text of one scrape; one at a time, so that no run is counted twice."""
        with self._turn:
            return self._look(state)

    def _look(self, state: State) -> bytes:
        with state.snapshot() as conn:
            found = counts.counts(conn)
            if self._after is None:
                self._after = counts.newest(conn)
            started = counts.started(conn, self._after, MOST)
        self._waited(started)
        gauges = CollectorRegistry()
        gauges.register(_Now(self._families(found)))
        return generate_latest(gauges) + generate_latest(self._registry)

    def _waited(self, started: Iterable[Started]) -> None:
        for run in started:
            self._after = run.seq
            self._queue.observe(max(0.0, run.started_at - run.created_at))
            if run.sent_at is not None:
                self._dispatch.observe(max(0.0, run.sent_at - run.created_at))

    def _families(self, found: Counts) -> Iterator[Metric]:
        yield _by("xene_runs", "Runs in the state.", "phase", phases.RUN_PHASES, found.runs)
        yield _by("xene_slots", "Slots in the ledger.", "outcome", SLOT_OUTCOMES, found.slots)
        yield _by("xene_agents", "Agents.", "phase", AGENT_PHASES, found.agents)
        known = (phases.SCHEDULED, phases.NOT_SCHEDULED)
        yield _by("xene_pipelines", "Pipelines.", "phase", known, found.pipelines)
        yield GaugeMetricFamily("xene_notices_waiting", "Notices not delivered yet.", found.notices)
        yield GaugeMetricFamily("xene_archived_log_bytes", "Bytes of archived logs.", self._log_bytes())
        yield GaugeMetricFamily("xene_epoch", "The epoch that agents obey.", found.epoch)
        mine = 1 if holder(self._service.place.state) == os.getpid() else 0
        yield GaugeMetricFamily("xene_lock_held", "Whether this process holds the control lock.", mine)
        yield InfoMetricFamily(
            "xene", "What runs here.", {"version": __version__, "state": self._service.uuid}
        )

    def _log_bytes(self) -> int:
        if time.monotonic() - self._weighed_at >= WEIGHED:
            self._bytes = _size(self._service.place.logs(self._service.uuid))
            self._weighed_at = time.monotonic()
        return self._bytes


class _Now:
    """Families that are collected once."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _by(name: str, words: str, label: str, known: Iterable[str], found: dict[str, int]) -> GaugeMetricFamily:
    """A gauge for each of `known`, 0 where there is none: an alert must not miss what was never there."""
    family = GaugeMetricFamily(name, words, labels=[label])
    for each in dict.fromkeys((*known, *found)):
        family.add_metric([each], found.get(each, 0))
    return family


def _size(directory: str) -> int:
    """Bytes of the files below a directory."""
    total = 0
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                pass  # it was pruned just now
    return total


def is_of_this_host(request: web.Request) -> bool:
    """Whether who asks is on this host, and not on the other side of a proxy."""
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not proxied and (client(request).startswith("127.") or client(request) == "::1")


def add(app: App) -> None:
    """Serve them."""
    made: list[Metrics] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        if not made:
            made.append(Metrics(service(request)))
        text = await service(request).readers.read(made[0].look)
        return web.Response(body=text, content_type=MEDIA, charset="utf-8")

    answer = Answer("The metrics, in Prometheus' text format.", None, MEDIA)
    summary = "Metrics; without a token from this host alone"
    app.add(Route("GET", "/metrics", handle, summary, {200: answer}, READ, guard=is_of_this_host))
