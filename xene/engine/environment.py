"""The environment, arguments and directory of one step, rendered when it is reached. Pure.

Layers, weakest first: what the agent's user has, the agent's `env`, workflow, pipeline, context, task, step, and
Xene's own names, which nothing overrides.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from xene.engine.expressions import as_text, render
from xene.engine.progress import RunProgress, TaskProgress
from xene.model.workflow import Context, Step

INHERITED = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR")


class Places(NamedTuple):
    """Absolute paths that a step is told of."""

    workspace: str
    output: str
    artifacts: str


class Command(NamedTuple):
    """A step ready to be started. `script` is the text of a `run` step; `work_dir` is relative to the workspace."""

    exec: List[str]
    script: Optional[str]
    shell: str
    work_dir: str
    env: Dict[str, str]


def command(
    run: RunProgress,
    task: TaskProgress,
    step: Step,
    attempt: int,
    places: Places,
    user_env: Mapping[str, str],
) -> Command:
    """Everything about a step that its manifest says. Raises ExpressionError."""
    scope = _scope(run)
    context = run.pipeline.contexts.get(run.pipeline.tasks[task.name].context, _PLAIN)
    env = {name: user_env[name] for name in INHERITED if name in user_env}
    for layer in _layers(run, task, context, step):
        for name, value in layer.items():
            env[name] = render(value, scope)
    env.update(_own(run, task, step, attempt, places))
    return Command(
        exec=[render(argument, scope) for argument in step.exec],
        script=step.run,
        shell=step.shell or context.shell,
        work_dir=render(step.work_dir or context.work_dir or ".", scope),
        env=env,
    )


_PLAIN = Context()


def _layers(run: RunProgress, task: TaskProgress, context: Context, step: Step) -> List[Mapping[str, str]]:
    return [
        run.order.agent_env,
        run.order.spec.get("workflowEnv", {}),
        run.pipeline.env,
        context.env,
        run.pipeline.tasks[task.name].env,
        step.env,
    ]


def _scope(run: RunProgress) -> Dict[str, Any]:
    return {
        "params": run.order.params,
        "tasks": _Outputs(run),
        "run": {"id": run.order.id},
        "agent": {"name": run.order.agent, "labels": run.order.agent_labels},
    }


class _Outputs(Mapping[str, Any]):
    """`tasks.T.outputs.K`, looked up when asked for: a run may have thousands of tasks."""

    def __init__(self, run: RunProgress) -> None:
        self._run = run

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return {"outputs": self._run.tasks[name].published}

    def __iter__(self) -> Any:
        return iter(self._run.tasks)

    def __len__(self) -> int:
        return len(self._run.tasks)


def _own(run: RunProgress, task: TaskProgress, step: Step, attempt: int, places: Places) -> Dict[str, str]:
    order = run.order
    own = {
        "XENE_WORKFLOW": order.workflow,
        "XENE_PIPELINE": order.pipeline,
        "XENE_RUN": order.id,
        "XENE_TASK": task.name,
        "XENE_STEP": step.name,
        "XENE_ATTEMPT": str(attempt),
        "XENE_AGENT": order.agent,
        "XENE_TRIGGER": order.trigger,
        "XENE_SCHEDULED_AT": order.scheduled_at or "",
        "XENE_WORKSPACE": places.workspace,
        "XENE_OUTPUT": places.output,
        "XENE_ARTIFACTS": places.artifacts,
    }
    for name, value in order.params.items():
        own["XENE_PARAM_" + name.upper().replace("-", "_")] = as_text(value)
    return own
