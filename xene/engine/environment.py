"""The environment, arguments and directory of one step, rendered when it is reached. Pure.

Layers, weakest first: what the agent's user has, the agent's `env`, workflow, pipeline, context, task, step, and
Xene's own names, which nothing overrides.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Optional

from xene.engine.progress import RunProgress, StepProgress, TaskProgress
from xene.engine.scope import context_of, for_conditions, layered, of_task, shared_layers
from xene.engine.texts import ExpressionError, as_text, has_template, render, value
from xene.model.records import replace
from xene.model.workflow import Container

INHERITED = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR")
INHERITED_INSIDE = ("LANG", "TZ")  # in a container; the rest is the image's own
_IMAGE = re.compile(r"[^\s-]\S*\Z")  # so that it is never an option of the engine


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
    inherited = INHERITED if context.container is None else INHERITED_INSIDE
    env = {name: user_env[name] for name in inherited if name in user_env}
    env.update(layered(scope, [*shared_layers(run, task), task.spec.env, spec.env]))
    env.update(_own(run, task, step, places))
    return Command(
        exec=[as_text(value(argument, scope)) for argument in spec.exec],
        script=spec.run,
        shell=spec.shell or context.shell,
        work_dir=render(spec.work_dir or context.work_dir or ".", scope),
        env=env,
        container=container(run, task),
    )


def container(run: RunProgress, task: TaskProgress) -> Optional[Container]:
    """The container in which the steps of a task run; None where they are bare. Raises ExpressionError.

    There is one for each context of a run, so its image may name nothing that changes from task to task.
    """
    found = context_of(run, task).container
    if found is None:
        return None
    if not has_template(found.image):
        return found
    scope = for_conditions(run, task)
    image = render(found.image, {name: scope[name] for name in ("params", "env", "run", "agent")})
    if not _IMAGE.match(image):
        raise ExpressionError(f"the container's image, {image!r}, is the name of no image", 0)
    return replace(found, image=image)


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
