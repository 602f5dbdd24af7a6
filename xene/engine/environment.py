"""The environment, arguments and directory of one step, rendered when it is reached. Pure.

Layers, weakest first: what the agent's user has, the agent's `env`, workflow, pipeline, context, task, step, and
Xene's own names, which nothing overrides.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional

from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.engine.scope import context_of, layered, of_task, shared_layers
from xene.engine.texts import as_text, render, value
from xene.model.workflow import Container

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
    container: Optional[Container] = None


def command(
    run: RunProgress, task: TaskProgress, step: StepProgress, places: Places, user_env: Mapping[str, str]
) -> Command:
    """Everything about a step that its manifest says. Raises ExpressionError."""
    scope, context, spec = of_task(run, task), context_of(run, task), step.spec
    env = {name: user_env[name] for name in INHERITED if name in user_env}
    env.update(layered(scope, [*shared_layers(run, task), task.spec.env, spec.env]))
    env.update(_own(run, task, step, places))
    return Command(
        exec=[as_text(value(argument, scope)) for argument in spec.exec],
        script=spec.run,
        shell=spec.shell or context.shell,
        work_dir=render(spec.work_dir or context.work_dir or ".", scope),
        env=env,
        container=context.container,
    )


def attempt_seen(task: TaskProgress, step: StepProgress) -> int:
    """`XENE_ATTEMPT`: the innermost of what is tried again, the step in this attempt of the task, or the task."""
    if step.spec.retry.max_attempts > 1:
        return step.tries + step.faults + 1
    return task.attempt or 1


def _own(run: RunProgress, task: TaskProgress, step: StepProgress, places: Places) -> Dict[str, str]:
    order = run.order
    own = {
        "XENE_WORKFLOW": order.workflow,
        "XENE_PIPELINE": order.pipeline,
        "XENE_RUN": order.id,
        "XENE_TASK": task.name,
        "XENE_STEP": step.spec.name,
        "XENE_ATTEMPT": str(attempt_seen(task, step)),
        "XENE_AGENT": order.agent,
        "XENE_TRIGGER": order.trigger,
        "XENE_SCHEDULED_AT": order.scheduled_at or "",
        "XENE_WORKSPACE": places.workspace,
        "XENE_OUTPUT": places.output,
        "XENE_ARTIFACTS": places.artifacts,
    }
    for name, given in order.params.items():
        own["XENE_PARAM_" + name.upper().replace("-", "_")] = as_text(given)
    return own
