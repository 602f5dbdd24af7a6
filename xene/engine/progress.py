"""How far a run has come: the state that `folds` makes of its events, on the agent and wherever it is shown. Pure.

`begin` makes the state of a run that was accepted; nothing but `folds.fold` changes it, so the same journal always
gives the same state. The indexes (`reached`, `ready`, `running`, ...) are kept so that `advance` need not look at
tasks that nothing happened to.
"""

from __future__ import annotations

import heapq
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from xene.engine.clock import Clock
from xene.model import phases
from xene.model.events import Event
from xene.model.pipeline_codec import pipeline_from_json
from xene.model.records import replace
from xene.model.run import RunOrder
from xene.model.workflow import (
    JOIN_ALL,
    OUTCOME_CANCELLED,
    OUTCOME_ERROR,
    OUTCOME_REJECTED,
    OUTCOME_SKIPPED,
    OUTCOME_SUCCESS,
    Connector,
    Pipeline,
    Step,
    Task,
)

LAY, COLLECT = "xene-lay", "xene-collect"  # what the agent itself does in a task, before and after its steps
ARTIFACTS = "xene-artifacts"  # the task that lays what other pipelines hand over, before all others

SHARED = 64  # revisions whose runs share one copy of their spec: an agent may have thousands of runs of each
_specs: Dict[str, Tuple[Mapping[str, Any], Pipeline]] = {}  # the one used last comes last

Order = Tuple[int, int]  # where a task stands in the manifest, and an instance in its matrix


class StepProgress:
    """One step, at its newest attempt. `tries` and `faults` count failures in this attempt of the task."""

    __slots__ = (
        "attempt", "boot", "exit_code", "faults", "finished_at", "index", "message", "outputs", "phase",
        "reason", "seq", "spec", "started_at", "tries", "up",
    )  # fmt: skip

    def __init__(self, spec: Step, index: int) -> None:
        self.spec, self.index = spec, index
        self.attempt: Optional[int] = None
        self.reset()

    def reset(self) -> None:
        """As before its first try; the attempts are counted on."""
        self.phase = phases.NOT_EXECUTED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.exit_code: Optional[int] = None
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.outputs: Dict[str, str] = {}
        self.tries = self.faults = self.seq = 0
        self.boot, self.up = "", 0.0

    @property
    def internal(self) -> bool:
        """Whether it is a step of the agent's own, which the manifest does not name."""
        return self.spec.name in (LAY, COLLECT)


class Planned(NamedTuple):
    """The next try, `after` seconds since `since`. `step` None: of the whole task."""

    step: Optional[StepProgress]
    after: float
    since: Clock


class Past(NamedTuple):
    """An attempt of a task that another one followed."""

    attempt: Optional[int]
    phase: str
    reason: Optional[str]
    message: Optional[str]
    started_at: Optional[float]
    finished_at: Optional[float]


class TaskProgress:
    """One task, or one instance of a matrix (`parent`), or the sum of instances (`children`)."""

    __slots__ = (
        "approved", "artifacts", "asked", "at_step", "attempt", "began", "by_step", "children", "cut",
        "earlier", "ended", "failed", "faults", "final", "finished_at", "holding", "message", "name",
        "open_children", "open_needs", "order", "outputs", "parent", "pending", "phase", "planned",
        "published", "reason", "rejected", "spec", "started_at", "steps", "stop", "tries", "values",
    )  # fmt: skip

    def __init__(self, spec: Task, name: str, order: Order, *, final: bool = False) -> None:
        self.spec, self.name, self.order, self.final = spec, name, order, final
        self.parent: Optional[TaskProgress] = None
        self.values: Optional[Mapping[str, Any]] = None
        self.attempt: Optional[int] = None
        self.earlier: List[Past] = []
        self.steps = [StepProgress(step, index) for index, step in enumerate(_steps(spec))]
        self.by_step = {step.spec.name: step for step in self.steps}
        self.reset()

    def reset(self) -> None:
        """As before it was reached; the attempts are counted on."""
        self.phase = phases.NOT_EXECUTED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.published: Dict[str, Any] = {}
        self.children: Optional[List[TaskProgress]] = None
        self.pending: List[TaskProgress] = []  # instances that wait for the matrix's own maxParallel
        self.open_children = self.open_needs = 0
        self.holding: List[Connector] = []  # connectors whose task has ended as they want
        self.asked: Optional[Clock] = None
        self.rejected: Optional[str] = None
        self.approved = self.ended = self.cut = False
        self.tries = self.faults = 0
        self.begin_attempt(None)

    @property
    def is_set_aside(self) -> bool:
        """Whether how its newest attempt ended is among the earlier ones already."""
        return bool(self.earlier) and self.earlier[-1].attempt == self.attempt

    def set_aside(self, reason: Optional[str], message: Optional[str], at: float) -> None:
        """Keep how the present attempt ended, for whoever looks."""
        if self.attempt is not None and self.started_at is not None and not self.is_set_aside:
            self.earlier.append(Past(self.attempt, self.phase, reason, message, self.started_at, at))

    def begin_attempt(self, began: Optional[Clock]) -> None:
        """As at the start of a try: nothing of an earlier one is left but the counts."""
        self.began = began
        self.outputs: Dict[str, str] = {}  # collected from steps, published when the task has succeeded
        self.artifacts: List[Any] = []
        self.at_step = 0
        self.failed: Optional[StepProgress] = None
        self.planned: Optional[Planned] = None
        self.stop: Optional[Tuple[str, str]] = None
        for step in self.steps:
            step.reset()

    @property
    def internal(self) -> bool:
        """Whether it is a task of the agent's own, which the manifest does not name."""
        return self.name == ARTIFACTS

    @property
    def is_sum(self) -> bool:
        """Whether it stands for the instances of a matrix."""
        return self.spec.matrix is not None and self.parent is None

    @property
    def running_step(self) -> Optional[StepProgress]:
        """The step whose process runs, or is just about to."""
        step = self.steps[min(self.at_step, len(self.steps) - 1)]
        return step if step.phase == phases.RUNNING else None

    @property
    def outcome(self) -> Optional[str]:
        """What `tasks.T.outcome` says; None while it has not ended."""
        if not self.ended:
            return None
        if self.phase == phases.SUCCESS:
            return OUTCOME_SUCCESS
        if self.reason in (phases.CANCELLED, phases.KILLED):
            return OUTCOME_CANCELLED
        if self.phase == phases.ERROR:
            return OUTCOME_ERROR
        return OUTCOME_REJECTED if self.reason == phases.REJECTED else OUTCOME_SKIPPED

    @property
    def is_failure(self) -> bool:
        """Whether it makes the run end in Error."""
        if self.outcome == OUTCOME_CANCELLED:
            return False
        return self.reason == phases.REJECTED or (
            self.phase == phases.ERROR and not self.spec.continue_on_error
        )

    def satisfies(self, on: Tuple[str, ...]) -> bool:
        """Whether it has ended as a connector wants."""
        outcome = self.outcome
        forgiven = outcome == OUTCOME_ERROR and self.spec.continue_on_error
        return outcome in on or (forgiven and OUTCOME_SUCCESS in on)


def _steps(spec: Task) -> List[Step]:
    lays = any(connector.artifacts for connector in spec.needs)
    first = [Step(LAY)] if lays else []
    return [*first, *spec.steps, *([Step(COLLECT)] if spec.artifacts else [])]


class RunProgress:
    """One run. `ready` is a heap of (order, name) of tasks that may start as soon as there is room."""

    def __init__(self, order: RunOrder, pipeline: Pipeline, accepted_at: float) -> None:
        self.order, self.pipeline, self.accepted_at = order, pipeline, accepted_at
        self.attempt = 1
        self.released = False
        self.held: Optional[Tuple[str, str]] = None
        self.steps_started = 0
        self.by_seq: Dict[int, Tuple[TaskProgress, StepProgress, int]] = {}  # with the attempt of the step
        self.former: Dict[str, TaskProgress] = {}  # instances of an expansion that a retry has dropped
        self.tasks: Dict[str, TaskProgress] = {}
        for name, spec in {**_main(order, pipeline), **pipeline.finally_}.items():
            final = name in pipeline.finally_
            self.tasks[name] = TaskProgress(spec, name, (len(self.tasks), 0), final=final)
        self.needed_by: Dict[str, List[Tuple[str, Connector]]] = {name: [] for name in self.tasks}
        for name, task in self.tasks.items():
            for connector in task.spec.needs:
                self.needed_by[connector.task].append((name, connector))
        self.restart()

    def restart(self) -> None:
        """As before it was started: nothing of it is stopping, paused or cancelled."""
        self.phase = phases.QUEUED
        self.reason: Optional[str] = None
        self.message: Optional[str] = None
        self.started_at: Optional[float] = None
        self.finished_at: Optional[float] = None
        self.cancel_asked: Optional[str] = None  # the reason
        self.kill_asked = False
        self.stopping = False
        self.stop: Optional[Tuple[str, str]] = None  # why it stops before its tasks are done
        self.running_since: Optional[Clock] = None
        self.ran = 0.0  # seconds on the pipeline's clock before `running_since`
        self.paused = False
        self.answered = False  # whether something can go on in a paused run, once it has capacity
        self.index()

    def index(self) -> None:
        """Work out all indexes from what the tasks are."""
        self.reached: Dict[str, None] = {}  # tasks whose gates are to be looked at
        self.ready: List[Tuple[Order, str]] = []
        self.queued: Dict[str, None] = {}  # all that ever came into `ready`
        self.to_omit: Dict[str, None] = {}  # tasks that can no longer run, not yet recorded as ended
        self.running: Dict[str, TaskProgress] = {}
        self.asked: Dict[str, TaskProgress] = {}
        self.to_sum: Dict[str, None] = {}  # sums whose instances have all ended
        self.to_cut: Dict[str, None] = {}  # sums with failFast of which an instance has failed
        tops = [task for task in self.tasks.values() if task.parent is None]
        self.failures = [task for task in tops if task.ended and task.is_failure]
        self.open_main = sum(not task.ended and not task.final for task in tops)
        self.open_final = sum(not task.ended and task.final for task in tops)
        self.final_opened = False
        for task in tops:
            if not task.ended:
                self._look_upstream(task)
                if not task.final:
                    self.consider(task)

    def _look_upstream(self, task: TaskProgress) -> None:
        needed = [(connector, self.tasks[connector.task]) for connector in task.spec.needs]
        task.open_needs = sum(not other.ended for _, other in needed)
        task.holding = [connector for connector, other in needed if other.satisfies(connector.on)]

    def consider(self, task: TaskProgress) -> None:
        """Something that the task needs has ended, or nothing had to: it is reached, or cannot be any more."""
        wanted, holding = len(task.spec.needs), len(task.holding)
        if task.spec.join == JOIN_ALL:
            if holding + task.open_needs < wanted:
                self.to_omit[task.name] = None
            elif not task.open_needs:
                self.reach(task)
        elif holding or not wanted:
            self.reach(task)
        elif not task.open_needs:
            self.to_omit[task.name] = None

    def reach(self, task: TaskProgress) -> None:
        """Its connectors hold as far as outcomes go: it may start at once, or its gates are to be looked at."""
        if task.children is not None:
            return self.expand(task)
        spec = task.spec
        if task.name in self.queued or task.name in self.asked:
            return None
        if spec.when or spec.approval or task.is_sum or any(connector.when for connector in spec.needs):
            self.reached[task.name] = None
        else:
            self.enqueue(task)

    def enqueue(self, task: TaskProgress) -> None:
        """It starts as soon as there is room."""
        self.reached.pop(task.name, None)
        self.queued[task.name] = None
        heapq.heappush(self.ready, (task.order, task.name))

    def expand(self, task: TaskProgress) -> None:
        """Its instances are there: as many as its matrix lets run at once are enqueued, the others wait."""
        matrix, children = task.spec.matrix, [c for c in task.children or () if not c.ended]
        task.open_children = len(children)
        room = (matrix.max_parallel if matrix else None) or len(children)
        for child in children[:room]:
            self.enqueue(child)
        task.pending = children[room:][::-1]

    def open_finals(self) -> None:
        """The tasks of `finally` may start, once nothing else will."""
        if self.final_opened or not self.stopping or self.open_main:
            return
        self.final_opened = True
        for task in list(self.tasks.values()):
            if task.final and not task.ended and task.parent is None:
                self.consider(task)

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in phases.ENDED

    @property
    def key(self) -> str:
        """`WORKFLOW/PIPELINE`."""
        return f"{self.order.workflow}/{self.order.pipeline}"

    @property
    def size(self) -> int:
        """How much of the agent's capacity it takes."""
        return int(self.order.spec.get("size", 1))

    def ordered(self) -> List[TaskProgress]:
        """All tasks as the manifest has them, instances behind their sum."""
        return sorted(self.tasks.values(), key=lambda task: task.order)

    @property
    def outcome(self) -> str:
        """What `run.outcome` says in `finally`: success, error or cancelled."""
        cut_short = (phases.CANCELLED, phases.REPLACED, phases.KILLED, phases.LEASE_ENDED)
        if self.stop is not None and self.stop[0] in cut_short:
            return OUTCOME_CANCELLED
        return OUTCOME_ERROR if self.stop is not None or self.failures else OUTCOME_SUCCESS


def _main(order: RunOrder, pipeline: Pipeline) -> Mapping[str, Task]:
    """The pipeline's tasks; where artifacts come from elsewhere, behind a task that lays them."""
    if not order.artifacts:
        return pipeline.tasks
    first = Task(ARTIFACTS, (Step(LAY),))
    behind = {
        name: task if task.needs else replace(task, needs=(Connector(ARTIFACTS),))
        for name, task in pipeline.tasks.items()
    }
    return {ARTIFACTS: first, **behind}


def begin(accepted: Event) -> RunProgress:
    """The state of a run right after its `run.accepted` event."""
    order = RunOrder.from_json(accepted["order"])
    known = _specs.pop(order.revision, None)
    if known is None or known[0] != order.spec or known[1].name != order.pipeline:
        known = (order.spec, pipeline_from_json(order.pipeline, order.spec["pipeline"]))
    _specs[order.revision] = known
    if len(_specs) > SHARED:
        del _specs[next(iter(_specs))]
    return RunProgress(replace(order, spec=known[0]), known[1], accepted["at"])
