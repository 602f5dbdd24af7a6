"""`xene run FILE`: the pipelines of a file, run here and now by an agent of their own, with no state at all.

`begin` starts the agent and imports next to nothing, so that it comes up while the rest of Xene is imported. The
agent is tethered: when this process ends, however it ends, the agent cancels what runs and removes its directory.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Sequence

from xene.errors import Storage, Unreachable, Usage
from xene.transport import bundle as bundles
from xene.transport import local
from xene.transport.base import Target

if TYPE_CHECKING:
    from xene.engine.progress import RunProgress
    from xene.manifest.entries import Entry
    from xene.model.run import RunOrder
    from xene.model.workflow import Pipeline, PipelineConnector
    from xene.wire.frames import Message

EPOCH = 1
NOBODY = "nobody can approve the run of a file: it waits for its timeout; Ctrl-C cancels it"
LOOK_SECONDS = 0.05  # how often, at the most, a moving run is shown anew
RECEIVE_BYTES = 256 * 1024


class Spot(NamedTuple):
    """A tethered agent on its way up."""

    channel: local.LocalChannel
    version: str


class Waiting(NamedTuple):
    """A pipeline of the file that starts when others have ended."""

    order: RunOrder
    needs: tuple[PipelineConnector, ...]


class Batch(NamedTuple):
    """What a file asks for: runs to start at once, and those that follow; values of secrets by run."""

    now: list[RunOrder]
    later: list[Waiting]
    secrets: Mapping[str, Mapping[str, str]]

    @property
    def pipelines(self) -> dict[str, str]:
        """The pipeline of each run, by id."""
        return {order.id: order.pipeline for order in [*self.now, *(each.order for each in self.later)]}


class Watcher(NamedTuple):
    """Who looks on: `moved` gets a run's JSON, `said` gets (run, task, step, attempt) and a piece of its log.

    `told` gets what is to be said to the user about Ctrl-C.
    """

    moved: Callable[[dict[str, Any]], None]
    said: Callable[[tuple[str, str, str, int], bytes], None]
    told: Callable[[str], None] | None = None


def begin() -> Spot:
    """The agent, started now. Raises Unreachable where not even its process can be started."""
    bundle = bundles.build()
    home = _home()
    name = f"spot-{os.getpid()}-{os.urandom(4).hex()}"
    target = Target("local", None, home=home, state=name)
    return Spot(local.start(target, bundle, tethered=True), bundle.sha)


def _home() -> str:
    """A directory of this user below the temporary one. It stays, empty but for the agent's unpacked code."""
    base = os.environ.get("TMPDIR") or "/tmp"
    home = os.path.join(base, f"xene-{os.geteuid()}")
    try:
        os.mkdir(home, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise Storage(
            f"{home} cannot be made: {error.strerror}", hint="set TMPDIR to a directory that you may write to"
        ) from None
    found = os.lstat(home)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Unreachable(
            f"{home} is not a private directory of yours",
            hint="remove it, or set TMPDIR to another directory",
        )
    return home


def orders(
    entries: Sequence[Entry], pipeline: str | None, given: Mapping[str, object], now: float, home: str
) -> Batch:
    """The runs that a file asks for. Raises Usage where it holds no workflow, or more than one; SecretMissing.

    `home` is $XENE_HOME, where the values of the file's Secrets may come from.
    """
    import json

    from xene.model import codec, ids
    from xene.model.pipeline_codec import pipeline_connectors_from_json
    from xene.model.run import RunOrder
    from xene.plan import fires

    found = [entry for entry in entries if entry.kind == "Workflow"]
    if len(found) != 1:
        raise Usage(
            f"the file holds {len(found) or 'no'} workflows, and 'run FILE' wants one",
            hint="apply it, then run each by its name: xene apply FILE; xene run WORKFLOW",
        )
    data = json.loads(found[0].text)
    workflow = codec.workflow_from_json(data)
    declared = {name: one.params for name, one in workflow.pipelines.items()}
    needing = {name for name, one in workflow.pipelines.items() if one.needs}
    made: list[RunOrder] = []
    later: list[Waiting] = []
    for start in fires.starts(workflow.name, declared, pipeline, given, needing):
        spec = codec.executable_spec(data, start.pipeline)
        order = RunOrder(
            id=ids.run_id(now, os.urandom(8)),
            workflow=workflow.name,
            pipeline=start.pipeline,
            revision=codec.digest(spec),
            spec=spec,
            params=start.params,
            trigger="pipeline" if start.follows else "manual",
            created_at=now,
            agent="local",
            agent_env={},
            agent_labels={},
        )
        if start.follows:
            needs = data["spec"]["pipelines"][start.pipeline]["needs"]
            later.append(Waiting(order, pipeline_connectors_from_json(needs)))
        else:
            _refuse_without_artifacts(workflow.pipelines[start.pipeline])
            made.append(order)
    return Batch(made, later, _secrets(entries, [*made, *(each.order for each in later)], home))


def _refuse_without_artifacts(pipeline: Pipeline) -> None:
    """A pipeline that is run alone has nobody to take artifacts from. Raises Usage."""
    wanted = [connector.pipeline for connector in pipeline.needs if connector.artifacts]
    if wanted:
        raise Usage(
            f"pipeline {pipeline.name} takes artifacts of {', '.join(wanted)}",
            hint="run the whole file; or apply it, and name a run with --artifacts-from",
        )


def _secrets(entries: Sequence[Entry], wanted: Sequence[RunOrder], home: str) -> dict[str, Mapping[str, str]]:
    """The values that these runs need, from the Secrets of the file. Raises SecretMissing, NotTrusted."""
    names = {order.id: order.spec["pipeline"].get("secrets", {}) for order in wanted}
    if not any(names.values()):
        return {}
    import json

    from xene.control.safe import values_of
    from xene.control.settings import sources
    from xene.model.codec import secret_from_json

    known = {each.name: secret_from_json(json.loads(each.text)) for each in entries if each.kind == "Secret"}
    source = sources(home)
    return {run: values_of(source, variables, known) for run, variables in names.items() if variables}


def carry_out(spot: Spot, wanted: Batch, watcher: Watcher | None) -> list[dict[str, Any]]:
    """Run them to their end; the JSON of each. The first Ctrl-C cancels, a second one kills."""
    from xene.control import presses

    with presses.taken() as pressed:
        driving = _Driving(spot, wanted, watcher)
        while not driving.finished:
            if driving.waits and pressed.wait(driving.fileno()):
                driving.cancel(kill=pressed.count > 1)
            else:
                driving.take()
        return driving.leave()


class _Driving:
    """One conversation with the tethered agent."""

    def __init__(self, spot: Spot, wanted: Batch, watcher: Watcher | None) -> None:
        from xene.wire import frames, messages

        self._channel = spot.channel.ready()
        self._decoder = frames.Decoder()
        self._watcher = watcher
        self._orders: dict[str, RunOrder] = {}
        self._later = list(wanted.later)
        self._secrets = wanted.secrets
        self._skipped: set[str] = set()
        self._cancelled = False
        self._runs: dict[str, RunProgress] = {}
        self._moved: dict[str, None] = {}
        self._followed: set[str] = set()
        self._shown_at = 0.0
        self._fire = (wanted.now or [each.order for each in wanted.later])[0].id
        self._say(messages.hello_from_control(EPOCH, "control", spot.version, None, 0))
        for order in wanted.now:
            self._start(order)

    def _start(self, order: RunOrder) -> None:
        from xene.wire import messages

        number = len(self._orders)
        self._orders[order.id] = order
        self._say(messages.start(EPOCH, order.to_json(), self._secrets.get(order.id)))
        if self._watcher is not None:
            self._say(messages.follow(EPOCH, number, order.id, live=True))

    def _follow_up(self) -> None:
        """Start the pipelines whose needs have ended as they want; give up those that never will."""
        from xene.model.records import replace
        from xene.plan.following import judge, outcome_of

        outcomes: dict[str, str | None] = dict.fromkeys(self._skipped, "skipped")
        for run in self._runs.values():
            outcomes[run.order.pipeline] = outcome_of(run.phase, run.reason, run.ended)
        for each in list(self._later):
            verdict = judge(each.needs, outcomes)
            lacks = self._lacks(each) if verdict.starts else ""
            if verdict.skip or lacks or self._cancelled:
                self._later.remove(each)
                self._skipped.add(each.order.pipeline)
                why = verdict.skip or lacks or "the run was cancelled"
                self._tell(f"{each.order.workflow}/{each.order.pipeline} gets no run: {why}")
                return self._follow_up()
            if verdict.starts:
                self._later.remove(each)
                self._start(replace(each.order, artifacts=tuple(self._supplies(each))))

    def _supplies(self, waiting: Waiting) -> list[dict[str, Any]]:
        """The artifacts that it takes from runs that have ended; they are where those runs are."""
        runs = {run.order.pipeline: run for run in self._runs.values()}
        return [
            {**artifact, "run": runs[connector.pipeline].order.id}
            for connector in waiting.needs
            if connector.artifacts and connector.pipeline in runs
            for task in runs[connector.pipeline].tasks.values()
            if not task.is_sum and task.outcome == "success"
            for artifact in task.artifacts
            if artifact["name"] in connector.artifacts
        ]

    def _lacks(self, waiting: Waiting) -> str:
        """Which artifact it wants and cannot have; "" where there is none."""
        have = {artifact["name"] for artifact in self._supplies(waiting)}
        for connector in waiting.needs:
            for name in connector.artifacts:
                if name not in have:
                    return f"{connector.pipeline} has left no artifact {name}"
        return ""

    @property
    def finished(self) -> bool:
        """Whether every run has ended and every log was seen."""
        if self._later:
            return False
        ended = len(self._runs) == len(self._orders) and all(run.ended for run in self._runs.values())
        return ended and (self._watcher is None or len(self._followed) == len(self._orders))

    @property
    def waits(self) -> bool:
        """Whether nothing of what the agent has said is still to be taken."""
        return not self._channel.holds_back

    def fileno(self) -> int:
        """What is readable when the agent says something."""
        return self._channel.fileno()

    def take(self) -> None:
        """Wait for what the agent says next. Raises Unreachable where it is gone."""
        data = self._channel.recv(RECEIVE_BYTES)
        if not data:
            raise Unreachable(
                "the local agent has ended before the run had", hint=self._channel.complaint().strip()[-300:]
            )
        for message, blob in self._decoder.feed(data):
            self._hear(message, blob)
        if self._later:
            self._follow_up()
        self._show(time.monotonic())

    def _hear(self, message: Message, blob: bytes) -> None:
        from xene.engine.folds import fold
        from xene.engine.progress import begin

        kind = message["type"]
        if kind == "events":
            for event in message["events"]:
                run = event.get("run")
                if event["type"] == "run.accepted":
                    self._runs[run] = begin({**event, "order": self._orders[run].to_json()})
                elif run in self._runs:
                    fold(self._runs[run], event)
                    if event["type"] == "approval.asked":
                        self._tell(f"task {event['task']} waits for approval: {event['message']}\n{NOBODY}")
                    self._moved[run] = None
        elif kind == "log" and self._watcher is not None:
            source = (message["run"], message["task"], message["step"], message["attempt"])
            self._watcher.said(source, blob)
        elif kind == "followed":
            self._followed.add(message["run"])
        elif kind in ("refused", "failed"):
            raise Unreachable(f"the local agent refuses: {message['message']}")

    def _show(self, now: float) -> None:
        if self._watcher is None or not self._moved:
            return
        if now - self._shown_at >= LOOK_SECONDS or any(self._runs[run].ended for run in self._moved):
            for run in self._moved:
                self._watcher.moved(self._json(run))
            self._moved.clear()
            self._shown_at = now

    def _tell(self, text: str) -> None:
        if self._watcher is not None and self._watcher.told is not None:
            self._watcher.told(text)
        else:
            print(f"\n{text}", file=sys.stderr, flush=True)

    def cancel(self, kill: bool) -> None:
        """Tell the agent; it goes on to say how the runs end."""
        from xene.wire import messages

        self._cancelled = True
        word = "killing it" if kill else "cancelling; Ctrl-C again kills"
        self._tell(word)
        for run in self._orders:
            self._say(messages.cancel(EPOCH, run, kill))

    def leave(self) -> list[dict[str, Any]]:
        """End the agent, and wait until it is gone with all that it had; the runs as JSON."""
        from xene.wire import messages

        self._say(messages.stop(EPOCH))
        try:
            while self._channel.recv(RECEIVE_BYTES):
                pass
        except Unreachable:
            pass  # gone: that is what was waited for
        self._channel.close()
        return [self._json(run) for run in self._orders]

    def _say(self, message: Message) -> None:
        from xene.wire import frames

        self._channel.send(frames.encode(message))

    def _json(self, run: str) -> dict[str, Any]:
        return run_json(self._runs[run], self._fire)


def run_json(run: RunProgress, fire: str) -> dict[str, Any]:
    """A run in the JSON of SPEC 4, from its progress alone."""
    from xene.engine.view import view
    from xene.model.units import rfc3339

    def instant(at: float | None) -> str | None:
        return None if at is None else rfc3339(at)

    order = run.order
    return {
        "id": order.id,
        "workflow": order.workflow,
        "pipeline": order.pipeline,
        "phase": run.phase,
        "lastKnownPhase": None,  # as in the state: only what is Unknown has one
        "phaseSince": instant(run.finished_at or run.started_at or run.accepted_at),
        "reason": run.reason,
        "message": run.message,
        "agent": order.agent,
        "trigger": order.trigger,
        "fire": fire,
        "slot": None,
        "params": dict(order.params),
        "revision": order.revision,
        "attempt": run.attempt,
        "log": "gone" if run.ended else None,
        "createdAt": instant(order.created_at),
        "startedAt": instant(run.started_at),
        "finishedAt": instant(run.finished_at),
        "tasks": view(run),
    }
