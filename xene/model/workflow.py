"""A workflow as everybody above `manifest/` sees it: frozen, normalised, free of YAML. Pure.

Durations are seconds. Texts that may hold `${{ }}` templates are kept as written; `engine.expressions`
renders them on the agent, when they are reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple, Union

Scalar = Union[str, int, float, bool]

DEFAULT_CONTEXT = "default"
DEFAULT_MAX_PARALLEL = 8
DEFAULT_GRACE_PERIOD = 10.0
SHELLS = ("sh", "bash", "python")
PARAM_TYPES = ("string", "integer", "number", "boolean")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


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
    """Where a pipeline may go, and how much capacity one run of it takes."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: Tuple[Requirement, ...] = ()
    agent: Optional[str] = None
    size: int = 1


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
    grace_period: float = DEFAULT_GRACE_PERIOD
    continue_on_error: bool = False


@dataclass(frozen=True)
class Task:
    """A node of the DAG. `needs` are names of tasks that must have succeeded."""

    name: str
    steps: Tuple[Step, ...]
    description: str = ""
    needs: Tuple[str, ...] = ()
    context: str = DEFAULT_CONTEXT
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: Tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Workflow:
    """The top object a user writes."""

    name: str
    pipelines: Mapping[str, Pipeline]
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
