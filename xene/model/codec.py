"""Objects to and from plain JSON values, shaped like the manifest (camelCase, defaults left out). Pure.

Leaving defaults out keeps digests stable when a later version adds a field. `canonical` and `digest` make
texts that are equal exactly when the objects mean the same.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, Tuple

from xene.model.agent import CRON, Agent, Ssh
from xene.model.fields import Json, kept, unless
from xene.model.pipeline_codec import (
    param_to_json,
    params_from_json,
    pipeline_from_json,
    pipeline_to_json,
    placement_from_json,
    task_from_json,
    task_to_json,
)
from xene.model.secret import Secret
from xene.model.task_template import TaskTemplate
from xene.model.trigger import trigger_to_json, triggers_from_json
from xene.model.workflow import Workflow

__all__ = [
    "Json",
    "agent_from_json",
    "agent_to_json",
    "canonical",
    "digest",
    "executable_spec",
    "params_from_json",
    "pipeline_from_json",
    "placement_from_json",
    "secret_from_json",
    "secret_to_json",
    "task_template_from_json",
    "task_template_to_json",
    "workflow_from_json",
    "workflow_to_json",
]


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """The first 12 hex digits of the SHA-256 of `canonical(value)`: a revision."""
    import hashlib  # loads libcrypto, which an idle agent does not need

    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def _object_to_json(kind: str, thing: Any, spec: Json) -> Json:
    metadata = kept(name=thing.name, labels=dict(thing.labels), annotations=dict(thing.annotations))
    return kept(apiVersion="xene/v1", kind=kind, metadata=metadata, description=thing.description) | {
        "spec": spec
    }


def workflow_to_json(workflow: Workflow) -> Json:
    """The whole object, as its manifest would say it."""
    pipelines = {name: pipeline_to_json(pipeline) for name, pipeline in workflow.pipelines.items()}
    spec = kept(
        suspend=workflow.suspend or None,
        notify=[dict(each) for each in workflow.notify],
        env=dict(workflow.env),
        triggers={name: trigger_to_json(trigger) for name, trigger in workflow.triggers.items()},
    )
    return _object_to_json("Workflow", workflow, spec | {"pipelines": pipelines})


def agent_to_json(agent: Agent) -> Json:
    """The whole object, as its manifest would say it."""
    ssh = agent.ssh
    spec = kept(
        ssh=ssh
        and kept(
            host=ssh.host,
            user=ssh.user,
            port=ssh.port,
            identityFile=ssh.identity_file,
            jump=ssh.jump,
            hostKey=ssh.host_key,
        ),
        capacity=agent.capacity,
        env=dict(agent.env),
        python=unless(agent.python, "python3"),
        home=unless(agent.home, "~/.xene"),
        cordon=agent.cordon or None,
        autostart=unless(agent.autostart, CRON),
    )
    if ssh is None:
        spec["local"] = {}
    return _object_to_json("Agent", agent, spec)


# -- from JSON


def _head(data: Json) -> Tuple[str, Json]:
    metadata = data["metadata"]
    rest = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    return metadata["name"], {**rest, "description": data.get("description", "")}


def workflow_from_json(data: Json) -> Workflow:
    """The inverse of `workflow_to_json`; `data` has passed the schema."""
    name, rest = _head(data)
    spec = data["spec"]
    pipelines = {key: pipeline_from_json(key, body) for key, body in spec["pipelines"].items()}
    return Workflow(
        name=name,
        pipelines=pipelines,
        env=spec.get("env", {}),
        triggers=triggers_from_json(spec.get("triggers", {})),
        suspend=spec.get("suspend", False),
        notify=tuple(spec.get("notify", ())),
        **rest,
    )


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
        autostart=spec.get("autostart", CRON),
        **rest,
    )


_NOT_RUN = frozenset({"placement", "needs", "triggers", "history", "notify"})


def executable_spec(workflow: Mapping[str, Any], pipeline: str) -> Json:
    """What an agent needs to run `pipeline`: its JSON and the workflow's env.

    `workflow` is the JSON of `workflow_to_json`. Its `digest` is the pipeline's revision: prose, where a pipeline
    goes, what comes before it, what starts it, how long its runs are kept and who is told do not change what
    runs, so they do not change the revision.
    """
    spec = workflow["spec"]
    whole = spec["pipelines"][pipeline]
    body = {key: value for key, value in whole.items() if key not in _NOT_RUN}
    size = whole.get("placement", {}).get("size")
    return kept(workflowEnv=spec.get("env", {}), size=size) | {"pipeline": _without_prose(body)}


def _without_prose(pipeline: Json) -> Json:
    """The pipeline without `description` on it, its params, contexts, tasks and steps."""

    def bare(thing: Json) -> Json:
        return {key: value for key, value in thing.items() if key != "description"}

    out = bare(pipeline)
    for group in ("params", "contexts"):
        if group in out:
            out[group] = {name: bare(body) for name, body in out[group].items()}
    for group in ("tasks", "finally"):
        if group in out:
            tasks = {name: bare(body) for name, body in out[group].items()}
            out[group] = {
                name: {**body, "steps": [bare(step) for step in body["steps"]]}
                for name, body in tasks.items()
            }
    return out


# -- secrets: where a value comes from, never the value


def secret_to_json(secret: Secret) -> Json:
    """The whole object, as its manifest would say it."""
    spec = kept(env=secret.env, file=secret.file, command=list(secret.command), age=secret.age)
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


# -- task templates


def task_template_to_json(template: TaskTemplate) -> Json:
    """The whole object, as its manifest would say it."""
    params = {name: param_to_json(param) for name, param in template.params.items()}
    spec = kept(params=params, outputs=list(template.outputs)) | {"task": task_to_json(template.task)}
    return _object_to_json("TaskTemplate", template, spec)


def task_template_from_json(data: Json) -> TaskTemplate:
    """The inverse of `task_template_to_json`; `data` has passed the schema."""
    name, rest = _head(data)
    spec = data["spec"]
    return TaskTemplate(
        name=name,
        task=task_from_json(name, spec["task"]),
        params=params_from_json(spec.get("params", {})),
        outputs=tuple(spec.get("outputs", ())),
        **rest,
    )
