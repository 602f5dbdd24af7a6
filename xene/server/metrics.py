"""`/metrics`, as Prometheus reads it: what the state holds, counted at each scrape, and what was measured.

Gauges come from the state, so that they are right from the first scrape on and after every restart; histograms and
counters are of this process, and begin anew with it. One scrape is read at a time: however many ask, the API keeps
its other readers.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Iterable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from xene import __version__
from xene.control import lock
from xene.control.measure import APPLY, PASS
from xene.model import phases
from xene.model.trigger import EXPIRED, MISSED, SLOT_OUTCOMES, SLOT_UNKNOWN
from xene.server.app import App
from xene.server.auth import check_scope
from xene.server.loopback import is_of_this_host
from xene.server.progress import Moves, Progress
from xene.server.queries import AGENT_PHASES
from xene.server.routes import TEXT, Answer, Route
from xene.server.service import TOKEN, Service
from xene.server.weighing import Weight
from xene.store import counts
from xene.store.counts import Agent, Counts
from xene.store.db import State
from xene.store.tokens import READ

PATH = "/metrics"
MEDIA = f"{TEXT}; version=0.0.4; charset=utf-8"  # of the format that every Prometheus reads
DAY = 86400.0
LATE = (MISSED, EXPIRED, SLOT_UNKNOWN)
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


class Measured:
    """What this process counts; a sink of `control.measure`, on any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, words: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, words, registry=registry, buckets=buckets)

        self._passes = histogram("xene_reconcile_seconds", "Seconds that passes took.", _SHORT)
        self._applies = histogram("xene_apply_seconds", "Seconds that looks at --repo took.", _SHORT)
        words = "Seconds from a run's creation until it was sent to its agent."
        self._dispatch = histogram("xene_dispatch_seconds", words, _LONG)
        words = "Seconds from a run's creation until its agent started it."
        self._queue = histogram("xene_queue_seconds", words, _LONG)
        words = "Ends of runs that this process has seen."
        self._ended = Counter("xene_runs_ended", words, ["outcome"], registry=registry)
        for phase in sorted(phases.ENDED):
            self._ended.labels(phase.lower())

    def __call__(self, name: str, seconds: float) -> None:
        """One duration."""
        known = {PASS: self._passes, APPLY: self._applies}
        if name in known:
            known[name].observe(seconds)

    def moved(self, moves: Moves) -> None:
        """What became of runs. Clocks of hosts differ: nothing is less than 0 s."""
        for run in moves.started:
            assert run.started_at is not None
            self._queue.observe(max(0.0, run.started_at - run.created_at))
            if run.sent_at is not None and not run.of_slot:  # an agent fires by itself: nothing was sent
                self._dispatch.observe(max(0.0, run.sent_at - run.created_at))
        for run in moves.ended:
            self._ended.labels(run.phase.lower()).inc()


class Metrics:
    """Those of one controller at work: a registry of their own, in which this is the collector of the state."""

    def __init__(self, service: Service) -> None:
        self._service, self._began = service, time.time()
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._measured = Measured(self._registry)
        self._progress = Progress(self._began)
        self._weight = Weight(service.place.logs(service.uuid), service.closing.is_set, service.say)
        self._families: list[Metric] = []
        self._turn = asyncio.Lock()
        service.measure.add(self._measured)

    async def text(self) -> bytes:
        """That of one scrape. Raises Storage, Busy."""
        async with self._turn:
            await self._weight.freshen()
            return await self._service.readers.read(self._look)

    def collect(self) -> Iterable[Metric]:
        """What was last read of the state: for the registry."""
        return self._families

    def _look(self, state: State) -> bytes:
        now = time.time()
        with state.snapshot() as conn:
            found = counts.counts(conn, LATE, now - DAY)
            moves = self._progress.look(conn)
        self._measured.moved(moves)
        self._families = [*of_state(found, now), *self._of_process()]
        return generate_latest(self._registry)

    def _of_process(self) -> Iterator[Metric]:
        who = lock.sign(self._service.place.state)
        mine = who is not None and who.pid == os.getpid()
        yield _one("xene_lock_held", "Whether this process has the control lock.", int(mine))
        holder = {"pid": str(who.pid), "role": who.role} if who is not None else {}
        yield InfoMetricFamily("xene_lock", "Who has signed the control lock.", holder)
        yield InfoMetricFamily(
            "xene", "What runs here.", {"version": __version__, "state": self._service.uuid}
        )
        yield _one("xene_controller_start_time_seconds", "When it was at work, since 1970.", self._began)
        if self._weight.bytes is not None:
            yield _one("xene_archived_log_bytes", "Bytes of archived logs.", self._weight.bytes)


def of_state(found: Counts, now: float) -> Iterator[Metric]:
    """The gauges of one moment. `now` is in seconds since 1970."""
    waited = 0.0 if found.waiting_since is None else max(0.0, now - found.waiting_since)
    placed = (phases.SCHEDULED, phases.NOT_SCHEDULED)
    yield _by("xene_runs", "Runs in the state.", "phase", phases.RUN_PHASES, found.runs)
    yield _one("xene_queue_oldest_seconds", "Seconds that the oldest run waits to be started.", waited)
    yield _by("xene_slots", "Slots in the ledger.", "outcome", SLOT_OUTCOMES, found.slots)
    yield _by("xene_slots_last_day", "Slots that were due within 24 h.", "outcome", LATE, found.late)
    yield _by("xene_pipelines", "Pipelines.", "phase", placed, found.pipelines)
    yield from of_agents(found.agents)
    yield _one("xene_notices_waiting", "Notices not delivered yet.", found.notices)
    yield _one("xene_epoch", "The epoch that agents obey.", found.epoch)


def of_agents(agents: list[Agent]) -> Iterator[Metric]:
    """How many there are in each phase, and each by its name."""
    by_phase: dict[str, int] = {}
    ready = GaugeMetricFamily("xene_agent_ready", "Whether it can be used.", labels=["agent"])
    words = "When it was last heard, since 1970."
    seen = GaugeMetricFamily("xene_agent_last_seen_timestamp_seconds", words, labels=["agent"])
    for agent in agents:
        by_phase[agent.phase] = by_phase.get(agent.phase, 0) + 1
        ready.add_metric([agent.name], int(agent.phase == phases.READY))
        if agent.seen_at is not None:
            seen.add_metric([agent.name], agent.seen_at)
    yield _by("xene_agents", "Agents.", "phase", AGENT_PHASES, by_phase)
    yield from (ready, seen)


def _by(
    name: str, words: str, label: str, known: Iterable[str], found: Mapping[str, int]
) -> GaugeMetricFamily:
    """A gauge for each of `known`, 0 where there is none: an alert must not miss what was never there."""
    family = GaugeMetricFamily(name, words, labels=[label])
    for each in dict.fromkeys((*known, *found)):
        family.add_metric([each], found.get(each, 0))
    return family


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value)


def add(app: App) -> None:
    """Serve them; what is measured is counted from the start of the server on."""
    made: list[Metrics] = []

    async def start(_: web.Application) -> None:
        made.append(Metrics(app.service))

    async def handle(request: web.Request) -> web.StreamResponse:
        if TOKEN in request:
            check_scope(request[TOKEN], None)  # they are of all workflows
        return web.Response(body=await made[0].text(), headers={"Content-Type": MEDIA})

    app.web.on_startup.append(start)
    answer = Answer("The metrics, in Prometheus' text format.", None, TEXT)
    summary = "Metrics; without a token from this host alone"
    app.add(Route("GET", PATH, handle, summary, {200: answer}, READ, guard=is_of_this_host))
