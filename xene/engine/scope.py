"""What expressions may name while a run goes on: params, env, tasks, steps, matrix, run, agent. Pure.

Values are looked up when they are asked for: a run may have thousands of tasks. `manifest/templates` has found
beforehand whatever can be known to be out of reach.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional

from xene.engine.progress import RunProgress, TaskProgress
from xene.engine.texts import has_template, render
from xene.model import phases
from xene.model.workflow import Context

Scope = Dict[str, Any]
PLAIN = Context()


def of_run(run: RunProgress) -> Scope:
    """What is in reach everywhere in a run, `env` apart."""
    order = run.order
    return {
        "params": order.params,
        "tasks": _Tasks(run),
        "run": {"id": order.id, "outcome": run.outcome},
        "agent": {"name": order.agent, "labels": order.agent_labels},
    }


def of_task(run: RunProgress, task: TaskProgress) -> Scope:
    """What is in reach of a task's own conditions, and of the first layers of its environment."""
    scope = of_run(run)
    if task.values is not None:
        scope["matrix"] = task.values
    scope["steps"] = _Steps(task)
    scope["env"] = {}
    return scope


def context_of(run: RunProgress, task: TaskProgress) -> Context:
    """The context that the task names; the default one need not be declared."""
    return run.pipeline.contexts.get(task.spec.context, PLAIN)


def shared_layers(run: RunProgress, task: TaskProgress) -> List[Mapping[str, str]]:
    """The environment outside the task, weakest first: agent, workflow, pipeline, context."""
    order = run.order
    return [
        order.agent_env,
        order.spec.get("workflowEnv", {}),
        run.pipeline.env,
        context_of(run, task).env,
    ]


def layered(scope: Scope, layers: List[Mapping[str, str]]) -> Dict[str, str]:
    """The layers rendered one over the other; `env` in a layer is what the layers before it made.

    `scope["env"]` is that of the last layer afterwards. Raises ExpressionError.
    """
    env: Dict[str, str] = dict(scope.get("env", ()))
    for layer in layers:
        if layer:
            scope["env"] = dict(env)
            for name, value in layer.items():
                env[name] = render(value, scope) if has_template(value) else value
    scope["env"] = env
    return env


def for_conditions(run: RunProgress, task: TaskProgress) -> Scope:
    """The scope of `when`, of an approval's message and of a matrix: the environment as it is outside the task.

    Raises ExpressionError.
    """
    scope = of_task(run, task)
    layered(scope, shared_layers(run, task))
    return scope


class _Tasks(Mapping[str, Any]):
    """`tasks.T`: `outputs` of a task that has succeeded, and `outcome` of one that has ended."""

    def __init__(self, run: RunProgress) -> None:
        self._run = run

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        task = self._run.tasks[name]
        found: Dict[str, Any] = {"outcome": task.outcome}
        if task.phase == phases.SUCCESS:
            found["outputs"] = task.published
        else:
            found["outputs"] = {}
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.tasks)

    def __len__(self) -> int:
        return len(self._run.tasks)


class _Steps(Mapping[str, Any]):
    """`steps.S.outputs` of the steps of this task that have succeeded in this attempt."""

    def __init__(self, task: TaskProgress) -> None:
        self._task = task

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return {"outputs": self._task.by_step[name].outputs}

    def __iter__(self) -> Iterator[str]:
        return iter(self._task.by_step)

    def __len__(self) -> int:
        return len(self._task.by_step)


def optional(values: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A mapping that may not be there."""
    return values or {}
