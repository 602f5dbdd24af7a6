"""Objects to and from plain JSON values, shaped like the manifest (camelCase, defaults left out). Pure.

Leaving defaults out keeps digests stable when a later version adds a field. `canonical` and `digest` make
texts that are equal exactly when the objects mean the same.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Tuple

from xene.model.agent import Agent, Ssh
from xene.model.secret import Secret
from xene.model.units import format_duration, parse_duration
from xene.model.workflow import (
    DEFAULT_CONTEXT,
    DEFAULT_GRACE_PERIOD,
    DEFAULT_MAX_PARALLEL,
    Context,
    Param,
    Pipeline,
    Placement,
    Requirement,
    Step,
    Task,
    Workflow,
)

Json = Dict[str, Any]


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """The first 12 hex digits of the SHA-256 of `canonical(value)`: a revision."""
    import hashlib  # loads libcrypto, which an idle agent does not need

    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def _kept(**fields: Any) -> Json:
    """The fields that say something: None, empty texts and empty collections are left out; 0 and False stay."""
    return {
        key: value for key, value in fields.items() if value is not None and value not in ("", (), [], {})
    }


def _unless(value: Any, default: Any) -> Any:
    return None if value == default else value


# -- to JSON


def param_to_json(param: Param) -> Json:
    out = _kept(
        type=param.type, description=param.description, pattern=param.pattern, enum=list(param.enum) or None
    )
    if param.default is not None:
        out["default"] = param.default  # an empty text is a default too
    return out


def placement_to_json(placement: Placement) -> Json:
    selector = _kept(
        matchLabels=dict(placement.match_labels),
        matchExpressions=[
            _kept(key=r.key, operator=r.operator, values=list(r.values)) for r in placement.match_expressions
        ],
    )
    return _kept(agentSelector=selector, agent=placement.agent, size=_unless(placement.size, 1))


def context_to_json(context: Context) -> Json:
    return _kept(
        description=context.description,
        shell=_unless(context.shell, "sh"),
        workDir=context.work_dir,
        env=dict(context.env),
    )


def step_to_json(step: Step) -> Json:
    out = _kept(
        name=step.name,
        description=step.description,
        exec=list(step.exec),
        shell=step.shell,
        env=dict(step.env),
        workDir=step.work_dir,
        timeout=None if step.timeout is None else format_duration(step.timeout),
        gracePeriod=None if step.grace_period == DEFAULT_GRACE_PERIOD else format_duration(step.grace_period),
        continueOnError=step.continue_on_error or None,
    )
    if step.run is not None:
        out["run"] = step.run
    return out


def task_to_json(task: Task) -> Json:
    return _kept(
        description=task.description,
        needs=list(task.needs),
        context=_unless(task.context, DEFAULT_CONTEXT),
        env=dict(task.env),
        outputs=list(task.outputs),
        steps=[step_to_json(step) for step in task.steps],
    )


def pipeline_to_json(pipeline: Pipeline) -> Json:
    return _kept(
        description=pipeline.description,
        params={name: param_to_json(param) for name, param in pipeline.params.items()},
        env=dict(pipeline.env),
        placement=placement_to_json(pipeline.placement),
        maxParallel=_unless(pipeline.max_parallel, DEFAULT_MAX_PARALLEL),
        contexts={name: context_to_json(context) for name, context in pipeline.contexts.items()},
        tasks={name: task_to_json(task) for name, task in pipeline.tasks.items()},
    )


def _object_to_json(kind: str, thing: Any, spec: Json) -> Json:
    metadata = _kept(name=thing.name, labels=dict(thing.labels), annotations=dict(thing.annotations))
    return _kept(apiVersion="xene/v1", kind=kind, metadata=metadata, description=thing.description) | {
        "spec": spec
    }


def workflow_to_json(workflow: Workflow) -> Json:
    """The whole object, as its manifest would say it."""
    pipelines = {name: pipeline_to_json(pipeline) for name, pipeline in workflow.pipelines.items()}
    return _object_to_json("Workflow", workflow, _kept(env=dict(workflow.env)) | {"pipelines": pipelines})


def agent_to_json(agent: Agent) -> Json:
    """The whole object, as its manifest would say it."""
    ssh = agent.ssh
    spec = _kept(
        ssh=ssh
        and _kept(
            host=ssh.host,
            user=ssh.user,
            port=ssh.port,
            identityFile=ssh.identity_file,
            jump=ssh.jump,
            hostKey=ssh.host_key,
        ),
        capacity=agent.capacity,
        env=dict(agent.env),
        python=_unless(agent.python, "python3"),
        home=_unless(agent.home, "~/.xene"),
        cordon=agent.cordon or None,
    )
    if ssh is None:
        spec["local"] = {}
    return _object_to_json("Agent", agent, spec)


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
    return Placement(
        match_labels=selector.get("matchLabels", {}),
        match_expressions=tuple(
            Requirement(r["key"], r["operator"], tuple(r.get("values", ())))
            for r in selector.get("matchExpressions", ())
        ),
        agent=data.get("agent"),
        size=data.get("size", 1),
    )


def _context(data: Json) -> Context:
    return Context(
        description=data.get("description", ""),
        shell=data.get("shell", "sh"),
        work_dir=data.get("workDir"),
        env=data.get("env", {}),
    )


def _step(data: Json) -> Step:
    timeout, grace = data.get("timeout"), data.get("gracePeriod")
    return Step(
        name=data["name"],
        description=data.get("description", ""),
        run=data.get("run"),
        exec=tuple(data.get("exec", ())),
        shell=data.get("shell"),
        env=data.get("env", {}),
        work_dir=data.get("workDir"),
        timeout=None if timeout is None else parse_duration(timeout),
        grace_period=DEFAULT_GRACE_PERIOD if grace is None else parse_duration(grace),
        continue_on_error=data.get("continueOnError", False),
    )


def _task(name: str, data: Json) -> Task:
    return Task(
        name=name,
        steps=tuple(_step(step) for step in data["steps"]),
        description=data.get("description", ""),
        needs=tuple(data.get("needs", ())),
        context=data.get("context", DEFAULT_CONTEXT),
        env=data.get("env", {}),
        outputs=tuple(data.get("outputs", ())),
    )


def pipeline_from_json(name: str, data: Json) -> Pipeline:
    """The inverse of `pipeline_to_json`; `data` has passed the schema."""
    return Pipeline(
        name=name,
        tasks={task: _task(task, body) for task, body in data["tasks"].items()},
        description=data.get("description", ""),
        params=params_from_json(data.get("params", {})),
        env=data.get("env", {}),
        placement=placement_from_json(data.get("placement", {})),
        max_parallel=data.get("maxParallel", DEFAULT_MAX_PARALLEL),
        contexts={context: _context(body) for context, body in data.get("contexts", {}).items()},
    )


def _head(data: Json) -> Tuple[str, Json]:
    metadata = data["metadata"]
    rest = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    return metadata["name"], {**rest, "description": data.get("description", "")}


def workflow_from_json(data: Json) -> Workflow:
    """The inverse of `workflow_to_json`; `data` has passed the schema."""
    name, rest = _head(data)
    spec = data["spec"]
    pipelines = {key: pipeline_from_json(key, body) for key, body in spec["pipelines"].items()}
    return Workflow(name=name, pipelines=pipelines, env=spec.get("env", {}), **rest)


def agent_from_json(data: Json) -> Agent:
    """The inverse of `agent_to_json`; `data` has passed the schema."""
    name, rest = _head(data)
    spec = data["spec"]
    ssh = spec.get("ssh")
    return Agent(
        name=name,
        ssh=None
        if ssh is None
        else Ssh(
            host=ssh["host"],
            user=ssh.get("user"),
            port=ssh.get("port"),
            identity_file=ssh.get("identityFile"),
            jump=ssh.get("jump"),
            host_key=ssh.get("hostKey"),
        ),
        capacity=spec.get("capacity"),
        env=spec.get("env", {}),
        python=spec.get("python", "python3"),
        home=spec.get("home", "~/.xene"),
        cordon=spec.get("cordon", False),
        **rest,
    )


def executable_spec(workflow: Mapping[str, Any], pipeline: str) -> Json:
    """What an agent needs to run `pipeline`: its JSON and the workflow's env, descriptions and placement away.

    `workflow` is the JSON of `workflow_to_json`. Its `digest` is the pipeline's revision: prose and placement
    do not change what runs, so they do not change the revision.
    """
    spec = workflow["spec"]
    body = {key: value for key, value in spec["pipelines"][pipeline].items() if key != "placement"}
    size = spec["pipelines"][pipeline].get("placement", {}).get("size")
    return _kept(workflowEnv=spec.get("env", {}), size=size) | {"pipeline": _without_prose(body)}


def _without_prose(pipeline: Json) -> Json:
    """The pipeline without `description` on it, its params, contexts, tasks and steps."""

    def bare(thing: Json) -> Json:
        return {key: value for key, value in thing.items() if key != "description"}

    out = bare(pipeline)
    for group in ("params", "contexts"):
        if group in out:
            out[group] = {name: bare(body) for name, body in out[group].items()}
    tasks = {name: bare(body) for name, body in out["tasks"].items()}
    out["tasks"] = {
        name: {**body, "steps": [bare(step) for step in body["steps"]]} for name, body in tasks.items()
    }
    return out


# -- secrets: where a value comes from, never the value


def secret_to_json(secret: Secret) -> Json:
    """The whole object, as its manifest would say it."""
    spec = _kept(env=secret.env, file=secret.file, command=list(secret.command), age=secret.age)
    return _object_to_json("Secret", secret, spec)


def secret_from_json(data: Json) -> Secret:
    """The inverse of `secret_to_json`; `data` has passed the schema."""
    name, rest = _head(data)
    spec = data["spec"]
    return Secret(
        name=name,
        env=spec.get("env"),
        file=spec.get("file"),
        command=tuple(spec.get("command", ())),
        age=spec.get("age"),
        **rest,
    )
