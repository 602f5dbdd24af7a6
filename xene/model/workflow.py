"""A workflow as everybody above `manifest/` sees it: frozen, normalised, free of YAML. Pure.

Durations are seconds. Texts that may hold `${{ }}` templates are kept as written; `engine.expressions`
renders them on the agent, when they are reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Tuple, Union

from xene.model.records import dataclass, field

if TYPE_CHECKING:
    from xene.model.trigger import Trigger

Scalar = Union[str, int, float, bool]

DEFAULT_CONTEXT = "default"
DEFAULT_MAX_PARALLEL = 8
DEFAULT_GRACE_PERIOD = 10.0
FINALLY_TIMEOUT = 600.0  # of a task of `finally` that names none
MATRIX_MOST = 256  # instances of one task
SHELLS = ("sh", "bash", "python")
PARAM_TYPES = ("string", "integer", "number", "boolean")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")

# Outcomes: what connectors look at, and what `tasks.T.outcome` says. A cancelled or rejected one satisfies none.
OUTCOME_SUCCESS, OUTCOME_ERROR, OUTCOME_SKIPPED = "success", "error", "skipped"
OUTCOME_CANCELLED, OUTCOME_REJECTED = "cancelled", "rejected"
ANY = "any"
OUTCOMES = (OUTCOME_SUCCESS, OUTCOME_ERROR, OUTCOME_SKIPPED)
JOIN_ALL, JOIN_ANY = "all", "any"

WAIT, MOVE = "wait", "replace"  # onLost
DEFAULT_LOST_AFTER = 60.0
STOP_MARGIN = 5.0  # seconds that lostAfter is longer than the longest grace, at the least

ALLOW, FORBID, REPLACE, QUEUE = "Allow", "Forbid", "Replace", "Queue"
POLICIES = (ALLOW, FORBID, REPLACE, QUEUE)
ON_ERROR, ON_TIMEOUT = "error", "timeout"  # causes that a retry may name beside exit codes


@dataclass(frozen=True)
class Param:
    """An input of a pipeline. Without a default it is required. `pattern` is RE2 and covers the whole value."""

    type: str
    description: str = ""
    pattern: Optional[str] = None
    enum: Tuple[Scalar, ...] = ()
    default: Optional[Scalar] = None


@dataclass(frozen=True)
class Requirement:
    """One line of `matchExpressions`."""

    key: str
    operator: str
    values: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Placement:
    """Where a pipeline may go, how much capacity one run takes, and what becomes of it when its agent is lost.

    An agent that is silent for `lost_after` seconds is lost; with `on_lost` "replace" the pipeline then moves.
    """

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: Tuple[Requirement, ...] = ()
    agent: Optional[str] = None
    size: int = 1
    lost_after: float = DEFAULT_LOST_AFTER
    on_lost: str = WAIT


@dataclass(frozen=True)
class History:
    """How many ended runs are kept, and for how many seconds; whichever prunes first. None: no limit."""

    keep: Optional[int] = None
    max_age: Optional[float] = None


@dataclass(frozen=True)
class Container:
    """The container that a context's steps run in. `memory` is in bytes, `cpus` in processors."""

    image: str
    engine: str = "auto"
    pull: str = "missing"
    user: Optional[str] = None
    network: Optional[str] = None
    mounts: Tuple[str, ...] = ()
    memory: Optional[str] = None
    cpus: Optional[float] = None


@dataclass(frozen=True)
class Context:
    """The environment in which tasks run. `work_dir` is relative to the workspace."""

    description: str = ""
    shell: str = "sh"
    work_dir: Optional[str] = None
    env: Mapping[str, str] = field(default_factory=dict)
    container: Optional[Container] = None


@dataclass(frozen=True)
class Retry:
    """How often something is tried, the first time included, and after which failures it is tried again.

    `on` are causes (`error`, `timeout`) and exit codes. The pause before try n+1 is
    `initial * factor ** (n - 1)` seconds, at most `max_pause`.
    """

    max_attempts: int
    initial: float = 1.0
    factor: float = 2.0
    max_pause: float = 60.0
    on: Tuple[Union[str, int], ...] = (ON_ERROR, ON_TIMEOUT)


NO_RETRY = Retry(1)


@dataclass(frozen=True)
class Connector:
    """An edge to a task, from one that it needs: `on` which outcomes of that one, and `when` besides.

    `artifacts` of that task are laid into the workspace anew before this one starts.
    """

    task: str
    on: Tuple[str, ...] = (OUTCOME_SUCCESS,)
    when: Optional[str] = None
    artifacts: Tuple[str, ...] = ()


@dataclass(frozen=True)
class PipelineConnector:
    """An edge to a pipeline, from one that it needs, within one fire."""

    pipeline: str
    on: Tuple[str, ...] = (OUTCOME_SUCCESS,)
    artifacts: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """Instances of a task: the product of `axes` less `exclude`, and `include`.

    An axis is a list of values, or a text with one template that gives a list when it is reached.
    """

    axes: Mapping[str, Union[Tuple[Scalar, ...], str]]
    include: Tuple[Mapping[str, Scalar], ...] = ()
    exclude: Tuple[Mapping[str, Scalar], ...] = ()
    max_parallel: Optional[int] = None
    fail_fast: bool = False


@dataclass(frozen=True)
class Approval:
    """Somebody must agree before the task starts. `timeout` in seconds, None: it waits for ever."""

    message: str = ""
    timeout: Optional[float] = None


@dataclass(frozen=True)
class Step:
    """One command: exactly one of `run` (a script) and `exec` (an argv)."""

    name: str
    description: str = ""
    run: Optional[str] = None
    exec: Tuple[str, ...] = ()
    shell: Optional[str] = None
    env: Mapping[str, str] = field(default_factory=dict)
    work_dir: Optional[str] = None
    timeout: Optional[float] = None
    grace_period: Optional[float] = None  # None: that of the task, else of the pipeline
    continue_on_error: bool = False
    retry: Retry = NO_RETRY


@dataclass(frozen=True)
class Task:
    """A node of the DAG. All connectors of `needs` must hold, or with `join` "any" one of them.

    `artifacts` are globs by name, relative to the workspace, collected when the task has succeeded.
    """

    name: str
    steps: Tuple[Step, ...]
    description: str = ""
    needs: Tuple[Connector, ...] = ()
    join: str = JOIN_ALL
    when: Optional[str] = None
    approval: Optional[Approval] = None
    matrix: Optional[Matrix] = None
    context: str = DEFAULT_CONTEXT
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: Tuple[str, ...] = ()
    artifacts: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    timeout: Optional[float] = None
    grace_period: Optional[float] = None
    retry: Retry = NO_RETRY
    continue_on_error: bool = False


@dataclass(frozen=True)
class Pipeline:
    """The unit of scheduling: placed on exactly one agent. Maps keep the order of the manifest."""

    name: str
    tasks: Mapping[str, Task]
    description: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    max_parallel: int = DEFAULT_MAX_PARALLEL
    contexts: Mapping[str, Context] = field(default_factory=dict)
    needs: Tuple[PipelineConnector, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)  # environment variable -> Secret object
    concurrency_policy: str = QUEUE
    timeout: Optional[float] = None
    grace_period: float = DEFAULT_GRACE_PERIOD
    fail_fast: bool = False
    finally_: Mapping[str, Task] = field(default_factory=dict)
    triggers: Tuple[str, ...] = ()  # those of the workflow that start it
    history: History = field(default_factory=History)
    notify: Tuple[Mapping[str, Any], ...] = ()  # as in the manifest; see `model.notice`


@dataclass(frozen=True)
class Workflow:
    """The top object a user writes."""

    name: str
    pipelines: Mapping[str, Pipeline]
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    suspend: bool = False
    notify: Tuple[Mapping[str, Any], ...] = ()  # of all its pipelines
