"""Pipelines, tasks and steps to and from plain JSON, shaped like the manifest with defaults left out. Pure.

Called by `model.codec` for whole objects, and by the agent for the pipeline of an order. What it reads has
passed the schema.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from xene.model.fields import Json, as_list, duration, kept, one_or_list, seconds, unless
from xene.model.workflow import (
    ANY,
    DEFAULT_CONTEXT,
    DEFAULT_GRACE_PERIOD,
    DEFAULT_LOST_AFTER,
    DEFAULT_MAX_PARALLEL,
    FINALLY_TIMEOUT,
    JOIN_ALL,
    NO_RETRY,
    OUTCOME_SUCCESS,
    OUTCOMES,
    QUEUE,
    WAIT,
    Approval,
    Connector,
    Container,
    Context,
    History,
    Matrix,
    Param,
    Pipeline,
    PipelineConnector,
    Placement,
    Requirement,
    Retry,
    Step,
    Task,
)

MATRIX_OPTIONS = ("include", "exclude", "maxParallel", "failFast")  # keys of a matrix that are no axes


# -- to JSON


def param_to_json(param: Param) -> Json:
    out = kept(
        type=param.type, description=param.description, pattern=param.pattern, enum=list(param.enum) or None
    )
    if param.default is not None:
        out["default"] = param.default  # an empty text is a default too
    return out


def placement_to_json(placement: Placement) -> Json:
    selector = kept(
        matchLabels=dict(placement.match_labels),
        matchExpressions=[
            kept(key=r.key, operator=r.operator, values=list(r.values)) for r in placement.match_expressions
        ],
    )
    return kept(
        agentSelector=selector,
        agent=placement.agent,
        size=unless(placement.size, 1),
        lostAfter=duration(unless(placement.lost_after, DEFAULT_LOST_AFTER)),
        onLost=unless(placement.on_lost, WAIT),
    )


def history_to_json(history: History) -> Json:
    return kept(keep=history.keep, maxAge=duration(history.max_age))


def container_to_json(container: Container) -> Json:
    return kept(
        image=container.image,
        engine=unless(container.engine, "auto"),
        pull=unless(container.pull, "missing"),
        user=container.user,
        network=container.network,
        mounts=list(container.mounts),
        limits=kept(memory=container.memory, cpus=container.cpus),
    )


def context_to_json(context: Context) -> Json:
    return kept(
        description=context.description,
        shell=unless(context.shell, "sh"),
        workDir=context.work_dir,
        env=dict(context.env),
        container=context.container and container_to_json(context.container),
    )


def retry_to_json(retry: Retry) -> Optional[Json]:
    """None for what is tried once: a retry of one try says nothing."""
    if retry.max_attempts == 1:
        return None
    backoff = kept(
        initial=duration(unless(retry.initial, NO_RETRY.initial)),
        factor=unless(retry.factor, NO_RETRY.factor),
        max=duration(unless(retry.max_pause, NO_RETRY.max_pause)),
    )
    on = None if retry.on == NO_RETRY.on else list(retry.on)
    return kept(maxAttempts=retry.max_attempts, backoff=backoff, on=on)


def step_to_json(step: Step) -> Json:
    out = kept(
        name=step.name,
        description=step.description,
        exec=list(step.exec),
        shell=step.shell,
        env=dict(step.env),
        workDir=step.work_dir,
        timeout=duration(step.timeout),
        gracePeriod=duration(step.grace_period),
        retry=retry_to_json(step.retry),
        continueOnError=step.continue_on_error or None,
    )
    if step.run is not None:
        out["run"] = step.run
    return out


def _on_to_json(on: Tuple[str, ...]) -> Any:
    if on == (OUTCOME_SUCCESS,):
        return None
    return ANY if on == OUTCOMES else one_or_list(on)


def connector_to_json(connector: Connector) -> Any:
    """A bare name where that says it all."""
    rest = kept(on=_on_to_json(connector.on), when=connector.when, artifacts=list(connector.artifacts))
    return {"task": connector.task, **rest} if rest else connector.task


def pipeline_connector_to_json(connector: PipelineConnector) -> Json:
    return kept(
        pipeline=connector.pipeline, on=_on_to_json(connector.on), artifacts=list(connector.artifacts)
    )


def matrix_to_json(matrix: Matrix) -> Json:
    axes = {name: axis if isinstance(axis, str) else list(axis) for name, axis in matrix.axes.items()}
    return axes | kept(
        include=[dict(each) for each in matrix.include],
        exclude=[dict(each) for each in matrix.exclude],
        maxParallel=matrix.max_parallel,
        failFast=matrix.fail_fast or None,
    )


def task_to_json(task: Task, default_timeout: Optional[float] = None) -> Json:
    approval, matrix = task.approval, task.matrix
    out = kept(
        description=task.description,
        needs=[connector_to_json(connector) for connector in task.needs],
        join=unless(task.join, JOIN_ALL),
        when=task.when,
        matrix=matrix and matrix_to_json(matrix),
        context=unless(task.context, DEFAULT_CONTEXT),
        env=dict(task.env),
        outputs=list(task.outputs),
        artifacts={name: one_or_list(globs) for name, globs in task.artifacts.items()},
        timeout=duration(unless(task.timeout, default_timeout)),
        gracePeriod=duration(task.grace_period),
        retry=retry_to_json(task.retry),
        continueOnError=task.continue_on_error or None,
        steps=[step_to_json(step) for step in task.steps],
    )
    if approval is not None:  # one without a message says something too
        out["approval"] = kept(message=approval.message, timeout=duration(approval.timeout))
    return out


def pipeline_to_json(pipeline: Pipeline) -> Json:
    return kept(
        description=pipeline.description,
        triggers=list(pipeline.triggers),
        needs=[pipeline_connector_to_json(connector) for connector in pipeline.needs],
        params={name: param_to_json(param) for name, param in pipeline.params.items()},
        env=dict(pipeline.env),
        secrets=dict(pipeline.secrets),
        placement=placement_to_json(pipeline.placement),
        concurrencyPolicy=unless(pipeline.concurrency_policy, QUEUE),
        maxParallel=unless(pipeline.max_parallel, DEFAULT_MAX_PARALLEL),
        timeout=duration(pipeline.timeout),
        gracePeriod=duration(unless(pipeline.grace_period, DEFAULT_GRACE_PERIOD)),
        failFast=pipeline.fail_fast or None,
        history=history_to_json(pipeline.history),
        notify=[dict(each) for each in pipeline.notify],
        contexts={name: context_to_json(context) for name, context in pipeline.contexts.items()},
        tasks={name: task_to_json(task) for name, task in pipeline.tasks.items()},
    ) | kept(**{"finally": {n: task_to_json(t, FINALLY_TIMEOUT) for n, t in pipeline.finally_.items()}})


# -- from JSON


def _param(data: Json) -> Param:
    return Param(
        type=data["type"],
        description=data.get("description", ""),
        pattern=data.get("pattern"),
        enum=tuple(data.get("enum", ())),
        default=data.get("default"),
    )


def params_from_json(data: Json) -> Dict[str, Param]:
    """The declared params of a pipeline, from its JSON under `params`."""
    return {name: _param(body) for name, body in data.items()}


def placement_from_json(data: Json) -> Placement:
    """The inverse of `placement_to_json`."""
    selector = data.get("agentSelector", {})
    lost_after = seconds(data.get("lostAfter"))
    return Placement(
        match_labels=selector.get("matchLabels", {}),
        match_expressions=tuple(
            Requirement(r["key"], r["operator"], tuple(r.get("values", ())))
            for r in selector.get("matchExpressions", ())
        ),
        agent=data.get("agent"),
        size=data.get("size", 1),
        lost_after=DEFAULT_LOST_AFTER if lost_after is None else lost_after,
        on_lost=data.get("onLost", WAIT),
    )


def history_from_json(data: Json) -> History:
    """The inverse of `history_to_json`."""
    return History(data.get("keep"), seconds(data.get("maxAge")))


def container_from_json(data: Json) -> Container:
    """The inverse of `container_to_json`."""
    limits = data.get("limits", {})
    return Container(
        image=data["image"],
        engine=data.get("engine", "auto"),
        pull=data.get("pull", "missing"),
        user=data.get("user"),
        network=data.get("network"),
        mounts=tuple(data.get("mounts", ())),
        memory=limits.get("memory"),
        cpus=limits.get("cpus"),
    )


def _context(data: Json) -> Context:
    container = data.get("container")
    return Context(
        description=data.get("description", ""),
        shell=data.get("shell", "sh"),
        work_dir=data.get("workDir"),
        env=data.get("env", {}),
        container=None if container is None else container_from_json(container),
    )


def retry_from_json(data: Optional[Json]) -> Retry:
    """The inverse of `retry_to_json`."""
    if data is None:
        return NO_RETRY
    backoff: Mapping[str, Any] = data.get("backoff", {})
    initial, longest = seconds(backoff.get("initial")), seconds(backoff.get("max"))
    return Retry(
        max_attempts=data["maxAttempts"],
        initial=NO_RETRY.initial if initial is None else initial,
        factor=backoff.get("factor", NO_RETRY.factor),
        max_pause=NO_RETRY.max_pause if longest is None else longest,
        on=tuple(data.get("on", NO_RETRY.on)),
    )


def _step(data: Json) -> Step:
    return Step(
        name=data["name"],
        description=data.get("description", ""),
        run=data.get("run"),
        exec=tuple(data.get("exec", ())),
        shell=data.get("shell"),
        env=data.get("env", {}),
        work_dir=data.get("workDir"),
        timeout=seconds(data.get("timeout")),
        grace_period=seconds(data.get("gracePeriod")),
        continue_on_error=data.get("continueOnError", False),
        retry=retry_from_json(data.get("retry")),
    )


def _on(value: Any) -> Tuple[str, ...]:
    if value is None:
        return (OUTCOME_SUCCESS,)
    wanted = as_list(value)
    return OUTCOMES if ANY in wanted else tuple(outcome for outcome in OUTCOMES if outcome in wanted)


def _connector(data: Any) -> Connector:
    if isinstance(data, str):
        return Connector(data)
    return Connector(
        task=data["task"],
        on=_on(data.get("on")),
        when=data.get("when"),
        artifacts=tuple(data.get("artifacts", ())),
    )


def pipeline_connectors_from_json(data: Any) -> Tuple[PipelineConnector, ...]:
    """The connectors of a pipeline, from its JSON under `needs`."""
    return tuple(
        PipelineConnector(each)
        if isinstance(each, str)
        else PipelineConnector(each["pipeline"], _on(each.get("on")), tuple(each.get("artifacts", ())))
        for each in data
    )


def matrix_from_json(data: Json) -> Matrix:
    """The inverse of `matrix_to_json`."""
    axes = {
        name: axis if isinstance(axis, str) else tuple(axis)
        for name, axis in data.items()
        if name not in MATRIX_OPTIONS
    }
    return Matrix(
        axes=axes,
        include=tuple(data.get("include", ())),
        exclude=tuple(data.get("exclude", ())),
        max_parallel=data.get("maxParallel"),
        fail_fast=data.get("failFast", False),
    )


def _approval(data: Optional[Json]) -> Optional[Approval]:
    return None if data is None else Approval(data.get("message", ""), seconds(data.get("timeout")))


def task_from_json(name: str, data: Json, default_timeout: Optional[float] = None) -> Task:
    """The inverse of `task_to_json`."""
    matrix = data.get("matrix")
    timeout = seconds(data.get("timeout"))
    return Task(
        name=name,
        steps=tuple(_step(step) for step in data["steps"]),
        description=data.get("description", ""),
        needs=tuple(_connector(each) for each in data.get("needs", ())),
        join=data.get("join", JOIN_ALL),
        when=data.get("when"),
        approval=_approval(data.get("approval")),
        matrix=None if matrix is None else matrix_from_json(matrix),
        context=data.get("context", DEFAULT_CONTEXT),
        env=data.get("env", {}),
        outputs=tuple(data.get("outputs", ())),
        artifacts={key: tuple(as_list(globs)) for key, globs in data.get("artifacts", {}).items()},
        timeout=default_timeout if timeout is None else timeout,
        grace_period=seconds(data.get("gracePeriod")),
        retry=retry_from_json(data.get("retry")),
        continue_on_error=data.get("continueOnError", False),
    )


def pipeline_from_json(name: str, data: Json) -> Pipeline:
    """The inverse of `pipeline_to_json`; `data` has passed the schema."""
    grace = seconds(data.get("gracePeriod"))
    return Pipeline(
        name=name,
        tasks={task: task_from_json(task, body) for task, body in data["tasks"].items()},
        description=data.get("description", ""),
        params=params_from_json(data.get("params", {})),
        env=data.get("env", {}),
        placement=placement_from_json(data.get("placement", {})),
        max_parallel=data.get("maxParallel", DEFAULT_MAX_PARALLEL),
        contexts={context: _context(body) for context, body in data.get("contexts", {}).items()},
        needs=pipeline_connectors_from_json(data.get("needs", ())),
        secrets=data.get("secrets", {}),
        concurrency_policy=data.get("concurrencyPolicy", QUEUE),
        timeout=seconds(data.get("timeout")),
        grace_period=DEFAULT_GRACE_PERIOD if grace is None else grace,
        fail_fast=data.get("failFast", False),
        finally_={
            task: task_from_json(task, body, FINALLY_TIMEOUT)
            for task, body in data.get("finally", {}).items()
        },
        triggers=tuple(data.get("triggers", ())),
        history=history_from_json(data.get("history", {})),
        notify=tuple(data.get("notify", ())),
    )
