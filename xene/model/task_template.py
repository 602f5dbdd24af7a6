"""A task template: steps that tasks of workflows take over, as a manifest describes it. Pure."""

from __future__ import annotations

from typing import Mapping, Tuple

from xene.model.records import dataclass, field
from xene.model.workflow import Param, Task


@dataclass(frozen=True)
class TaskTemplate:
    """`task` bears the template's name; its texts name `params` of the template, not those of a pipeline."""

    name: str
    task: Task
    params: Mapping[str, Param] = field(default_factory=dict)
    outputs: Tuple[str, ...] = ()
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
