"""The fast judge and the one that words errors agree; `explain` finds everything."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.errors import NotFound
from xene.manifest import schema, wording

WORKFLOW = {
    "apiVersion": "xene/v1",
    "kind": "Workflow",
    "metadata": {"name": "shop", "labels": {"team": "web"}, "annotations": {"a/b": "c"}},
    "description": "x",
    "spec": {
        "suspend": False,
        "env": {"A": "b"},
        "notify": [
            {"on": ["Error", "Missed"], "webhook": {"url": "https://chat.example.com/hook", "template": "x"}},
            {"on": ["Recovered"], "email": {"to": ["ops@example.com"]}},
        ],
        "triggers": {
            "push": {
                "webhook": {
                    "verify": "github",
                    "secretRef": "hook",
                    "when": "event.body.x == 1",
                    "params": {"sha": "1"},
                }
            },
            "nightly": {
                "description": "x",
                "cron": {
                    "schedule": "30 2 * * 1-5",
                    "timeZone": "Europe/Berlin",
                    "catchUp": "latest",
                    "startingDeadline": "1h",
                    "jitter": "2m",
                    "dst": {"gap": "shift", "fold": "first"},
                    "params": {"sha": "a"},
                },
            },
            "often": {"cron": {"schedule": ["@hourly", "5 * * * *"]}},
        },
        "pipelines": {
            "build": {
                "triggers": ["nightly", "often"],
                "history": {"keep": 50, "maxAge": "30d"},
                "params": {
                    "sha": {"type": "string", "pattern": "[a-z]+", "default": "a", "enum": ["a", "b"]}
                },
                "placement": {
                    "agent": "a",
                    "size": 2,
                    "lostAfter": "60s",
                    "onLost": "replace",
                    "agentSelector": {
                        "matchLabels": {"os": "linux"},
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["x"]}],
                    },
                },
                "maxParallel": 3,
                "secrets": {"TOKEN": "token"},
                "concurrencyPolicy": "Forbid",
                "timeout": "1h",
                "gracePeriod": "5s",
                "failFast": True,
                "contexts": {
                    "default": {
                        "shell": "sh",
                        "workDir": "a",
                        "env": {"X": "y"},
                        "container": {
                            "image": "a",
                            "engine": "podman",
                            "pull": "never",
                            "user": "1",
                            "network": "none",
                            "mounts": ["/a:/b"],
                            "limits": {"memory": "1Gi", "cpus": 1.5},
                        },
                    }
                },
                "tasks": {
                    "a": {
                        "outputs": ["v"],
                        "artifacts": {"one": "a/**", "two": ["a", "b"]},
                        "steps": [{"name": "a", "run": "x", "timeout": "5m", "continueOnError": True}],
                    },
                    "b": {
                        "needs": ["a", {"task": "a", "on": "any", "when": "x", "artifacts": ["one"]}],
                        "join": "any",
                        "when": "true",
                        "approval": {"message": "x", "timeout": "1d"},
                        "matrix": {
                            "suite": ["a", 1, True],
                            "shard": "${{ x }}",
                            "include": [{"suite": "b"}],
                            "exclude": [{"suite": 1}],
                            "maxParallel": 2,
                            "failFast": True,
                        },
                        "context": "default",
                        "timeout": "1m",
                        "gracePeriod": "1s",
                        "continueOnError": True,
                        "retry": {
                            "maxAttempts": 3,
                            "backoff": {"initial": "1s", "factor": 1.5, "max": "1m"},
                            "on": ["error", 75],
                        },
                        "steps": [{"name": "b", "exec": ["x", "y"], "retry": {"maxAttempts": 2}}],
                    },
                },
                "finally": {
                    "c": {"steps": [{"name": "c", "run": "x"}]},
                    "d": {"template": "go-test", "with": {"suite": "unit"}},
                },
            },
            "scan": {
                "needs": ["build", {"pipeline": "build", "on": ["error", "skipped"], "artifacts": ["one"]}],
                "tasks": {"a": {"steps": [{"name": "a", "run": "x"}]}},
            },
        },
    },
}
TEMPLATE = {
    "apiVersion": "xene/v1",
    "kind": "TaskTemplate",
    "metadata": {"name": "go-test", "labels": {"team": "web"}, "annotations": {"a/b": "c"}},
    "description": "x",
    "spec": {
        "params": {"suite": {"type": "string", "enum": ["unit"], "default": "unit"}},
        "outputs": ["v"],
        "task": {
            "when": "true",
            "approval": {"message": "x", "timeout": "1d"},
            "context": "go",
            "env": {"A": "${{ params.suite }}"},
            "artifacts": {"one": "a/**"},
            "retry": {"maxAttempts": 3, "on": ["error", 75]},
            "timeout": "1m",
            "steps": [{"name": "a", "exec": ["x"], "retry": {"maxAttempts": 2}}],
        },
    },
}
AGENT = {
    "apiVersion": "xene/v1",
    "kind": "Agent",
    "metadata": {"name": "a"},
    "spec": {
        "ssh": {
            "host": "a",
            "user": "b",
            "port": 22,
            "identityFile": "~/x",
            "jump": "j",
            "hostKey": "ssh-rsa AA==",
        },
        "capacity": 4,
        "env": {"A": "b"},
        "python": "python3",
        "home": "~/.xene",
        "cordon": False,
        "autostart": "systemd",
    },
}
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            "",
            "a",
            "A b",
            "a\n",
            "XENE_X",
            "1h30m",
            "10",
            "sh",
            "In",
            "-x",
            "~",
            "${{ run.id }}",
            "é",
            "a" * 300,
        ]
    )
    | st.text(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from places(below, (*path, key))


@st.composite
def spoilt(draw, whole):
    """A valid object with a few things in it replaced, removed or added."""
    data = copy.deepcopy(whole)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from([place for place in places(data) if place] or [()]))
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        act = draw(st.sampled_from(["replace", "remove", "add"]))
        if not path:
            break
        if act == "replace":
            holder[path[-1]] = draw(values)
        elif act == "remove":
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[
                draw(
                    st.sampled_from(
                        ["x", "when", "run", "exec", "env", "local", "XENE_A", "a b", "on", "task"]
                    )
                )
            ] = draw(values)
        else:
            holder.append(draw(values))
    return data


@pytest.mark.parametrize("whole", [WORKFLOW, TEMPLATE, AGENT], ids=["workflow", "template", "agent"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_both_judges_agree_and_every_refusal_has_words(whole, data):
    kind = whole["kind"]
    spoiled = data.draw(spoilt(whole))
    accepted = schema.accepts(kind)(spoiled)
    assert wording._validator(kind).is_valid(spoiled) == accepted
    found = wording.findings(kind, spoiled)
    assert bool(found) == (not accepted)
    assert all(finding.message for finding in found)


def test_every_property_has_a_description_and_nothing_else_is_allowed():
    def check(place, path):
        if isinstance(place, dict):
            if "properties" in place:
                axes = place.get("title") == "Matrix"  # keys of a matrix are options or axes
                assert place["additionalProperties"] is False or axes, path
                for name, value in place["properties"].items():
                    assert value.get("description") or "$ref" in value, (path, name)
            for key, value in place.items():
                check(value, (*path, key))

    for kind in (*schema.KINDS, schema.SOURCE):
        check(schema.read(kind), (kind,))


def test_forms_of_one_value_are_of_different_types():
    """What `values` and `words` rely on: the type of what is written tells which form is meant."""

    def types(form, kind):
        whole = schema.follow(kind, form)
        return {"string"} if "enum" in whole else {whole["type"]}

    for kind in schema.KINDS:
        for place in _objects(schema.read(kind)):
            seen = [types(form, kind) for form in place.get("anyOf", ())]
            assert len(set().union(*seen)) == len(seen)


def test_schemas_are_draft_2020_12():
    import jsonschema

    for kind in (*schema.KINDS, schema.SOURCE):
        jsonschema.Draft202012Validator.check_schema(schema.read(kind))


def test_what_workflows_and_templates_share_is_the_same():
    """The schemas stand alone, for editors; where both have a thing, it is one: scripts/share_schemas.py."""
    workflow, template = schema.read("Workflow")["$defs"], schema.read("TaskTemplate")["$defs"]
    own = {"task", "param"}
    assert {name: workflow[name] for name in template if name not in own} == {
        name: place for name, place in template.items() if name not in own
    }
    param = {**template["param"], "description": workflow["param"]["description"]}
    assert param == workflow["param"]
    keys, of_users = (
        workflow["task"]["properties"],
        {"needs", "join", "matrix", "outputs", "template", "with"},
    )
    assert template["task"]["properties"].keys() == keys.keys() - of_users
    assert all(keys[key] == place for key, place in template["task"]["properties"].items() if key != "steps")
    assert keys["steps"]["items"] == template["task"]["properties"]["steps"]["items"]


def _objects(place):
    if isinstance(place, dict):
        yield place
        for value in place.values():
            yield from _objects(value)


# -- explain


def test_explain_a_leaf():
    found = schema.explain("workflow.spec.pipelines.tasks.steps.timeout")
    assert (found.type, found.default, found.children) == ("duration", None, ())
    assert "stopped" in found.description


@pytest.mark.parametrize(
    "path",
    [
        "workflow.spec.pipelines.tasks.steps",
        "workflow.spec.pipelines.build.tasks.test.steps",
        "Workflow.spec.pipelines.build.tasks.test.steps.0",
    ],
)
def test_names_and_numbers_may_be_left_out_or_written(path):
    names = [child.name for child in schema.explain(path).children]
    assert names[:3] == ["name", "description", "run"]


def test_explain_defaults_values_and_required():
    shell = schema.explain("workflow.spec.pipelines.contexts.shell")
    assert (shell.default, shell.values) == ("sh", ("sh", "bash", "python"))
    host = next(child for child in schema.explain("agent.spec.ssh").children if child.name == "host")
    assert host.required
    assert schema.explain("agent.spec.cordon").default is False


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("tasks.needs", "list of name or connector"),
        (
            "tasks.needs.on",
            "one of success, error, skipped, any or list of one of success, error, skipped, any",
        ),
        ("tasks.artifacts", "map of name to pattern or list of pattern"),
        ("tasks.matrix", "matrix"),
        ("tasks.matrix.suite", "list of value or text"),
        ("tasks.matrix.include", "list of map of name to value"),
        ("tasks.when", "expression"),
        ("tasks.retry.on", "list of one of error, timeout or integer"),
        ("finally.steps.retry.backoff.factor", "number"),
        ("needs", "list of name or pipeline connector"),
        ("contexts.container.limits.memory", "size"),
        ("secrets", "map of name to name"),
        ("triggers", "list of name"),
        ("history", "history"),
        ("placement.onLost", "one of wait, replace"),
    ],
)
def test_explain_says_which_forms_there_are(path, type_):
    assert schema.explain("workflow.spec.pipelines." + path).type == type_


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("", "map of name to trigger"),
        (".nightly", "trigger"),
        (".cron", "cron"),
        (".cron.schedule", "text or list of text"),
        (".nightly.cron.dst.fold", "one of first, both"),
        (".cron.startingDeadline", "duration"),
        (".cron.params", "map of name to text"),
    ],
)
def test_explain_triggers(path, type_):
    assert schema.explain("workflow.spec.triggers" + path).type == type_


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("workflw", "workflow"),
        ("workflow.spce", "spec"),
        ("agent.spec.ssh.hots", "host"),
        ("agent.spec.cordon.x", ""),
    ],
)
def test_explain_knows_typos(path, hint):
    with pytest.raises(NotFound) as caught:
        schema.explain(path)
    assert hint in caught.value.hint


def test_everything_can_be_explained():
    for kind in schema.KINDS:
        pending = [kind.lower()]
        while pending:
            path = pending.pop()
            found = schema.explain(path)
            assert found.description, path
            assert len(path) < 200
            pending += [f"{path}.{child.name}" for child in found.children]
