"""The model's JSON against the schema: what the schema accepts comes through the codec, and then stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.manifest import schema
from xene.model import codec
from xene.model.agent import AUTOSTARTS
from xene.model.pipeline_codec import pipeline_connectors_from_json
from xene.model.trigger import CATCH_UPS, Cron
from xene.model.units import parse_duration
from xene.model.workflow import NO_RETRY, OUTCOMES, PipelineConnector

names = st.sampled_from(["a", "b", "long-name", "x1"])
texts = st.text(min_size=1, max_size=5)
durations = st.sampled_from(["0s", "1s", "60s", "1m", "10s", "10m", "600s", "1500ms", "2h30m", "1d"])
causes = st.sampled_from(["error", "timeout"]) | st.integers(1, 255)
outcomes = st.sampled_from(["success", "error", "skipped", "any"])
env = st.dictionaries(st.sampled_from(["A", "B_2", "path"]), texts, max_size=2)
globs = st.sampled_from(["src/**", "*.log", "a", "b/c"])
values = st.sampled_from(["", "a", "1.10", "true"]) | st.integers(-9, 9) | st.booleans() | st.just(1.5)
axes = st.sampled_from(["suite", "race", "os-name", "n_2"])
combinations = st.dictionaries(axes, values, min_size=1, max_size=2)


def some(required=None, **optional):
    """A mapping with the required keys and some of the others; `_` ends a name that is a word of Python."""
    return st.fixed_dictionaries(
        required or {}, optional={name.rstrip("_"): value for name, value in optional.items()}
    )


def needs(connectors):
    """Names and connectors, none of them twice, as the checks want it."""
    return st.lists(
        names | connectors,
        max_size=3,
        unique_by=lambda need: need if isinstance(need, str) else need.get("task", need.get("pipeline")),
    )


def unique(items, least=0, most=3):
    return st.lists(items, min_size=least, max_size=most, unique_by=repr)


ons = outcomes | unique(outcomes, 1)
retries = some(
    {"maxAttempts": st.integers(2, 100)},
    backoff=some(initial=durations, factor=st.sampled_from([1, 1.5, 2, 2.0, 1000]), max=durations),
    on=unique(causes, 1),
)
scripts = {"name": names, "run": texts}
programs = {"name": names, "exec": st.lists(texts, min_size=1, max_size=2)}
details = {
    "description": st.sampled_from(["", "x"]),
    "shell": st.sampled_from(["sh", "bash", "python"]),
    "env": env,
    "workDir": globs,
    "timeout": durations,
    "gracePeriod": durations,
    "retry": retries,
    "continueOnError": st.booleans(),
}
steps = st.one_of(some(scripts, **details), some(programs, **details))


@st.composite
def matrices(draw):
    axis = unique(values, 1) | st.sampled_from(["${{ x }}", "${{ fromJson(tasks.a.outputs.b) }}"])
    options = some(
        include=unique(combinations, 1),
        exclude=unique(combinations, 1),
        maxParallel=st.integers(1, 256),
        failFast=st.booleans(),
    )
    return draw(st.dictionaries(axes, axis, min_size=1, max_size=3)) | draw(options)


tasks = some(
    {"steps": st.lists(steps, min_size=1, max_size=2)},
    description=st.sampled_from(["", "x"]),
    needs=needs(some({"task": names}, on=ons, when=texts, artifacts=unique(names))),
    join=st.sampled_from(["all", "any"]),
    when=texts,
    approval=some(message=st.sampled_from(["", "Ship it?"]), timeout=durations),
    matrix=matrices(),
    context=st.sampled_from(["default", "go"]),
    env=env,
    outputs=unique(names),
    artifacts=st.dictionaries(names, globs | unique(globs, 1), max_size=2),
    timeout=durations,
    gracePeriod=durations,
    retry=retries,
    continueOnError=st.booleans(),
)
containers = some(
    {"image": st.sampled_from(["a", "b:1"])},
    engine=st.sampled_from(["auto", "podman", "docker"]),
    pull=st.sampled_from(["missing", "always", "never"]),
    user=st.just("1:1"),
    network=st.just("none"),
    mounts=unique(st.sampled_from(["/a:/b", "~/c:/d:ro"])),
    limits=some(memory=st.just("1Gi"), cpus=st.sampled_from([1, 0.5])),
)
params = st.dictionaries(st.sampled_from(["level", "n"]), texts, max_size=2)
schedules = st.sampled_from(["30 2 * * 1-5", "@daily", "*/5 * * * *"])
crons = some(
    {"schedule": schedules | unique(schedules, 1)},
    timeZone=st.sampled_from(["UTC", "Europe/Berlin"]),
    catchUp=st.sampled_from(["none", "latest", "all"]),
    startingDeadline=durations,
    jitter=durations,
    dst=some(gap=st.sampled_from(["shift", "skip"]), fold=st.sampled_from(["first", "both"])),
    params=params,
)
triggers = st.dictionaries(
    names, some({"cron": crons}, description=st.sampled_from(["", "every night"])), max_size=2
)
pipelines = some(
    {"tasks": st.dictionaries(names, tasks, min_size=1, max_size=2)},
    description=st.sampled_from(["", "x"]),
    needs=needs(some({"pipeline": names}, on=ons, artifacts=unique(names))),
    env=env,
    secrets=st.dictionaries(st.sampled_from(["A", "B"]), names, max_size=2),
    concurrencyPolicy=st.sampled_from(["Allow", "Forbid", "Replace", "Queue"]),
    maxParallel=st.sampled_from([1, 8]),
    timeout=durations,
    gracePeriod=durations,
    failFast=st.booleans(),
    triggers=unique(names),
    history=some(keep=st.integers(1, 1_000_000), maxAge=durations),
    placement=some(
        agent=names,
        size=st.sampled_from([1, 2]),
        lostAfter=durations,
        onLost=st.sampled_from(["wait", "replace"]),
    ),
    contexts=st.dictionaries(
        names, some(container=containers, env=env, shell=st.just("sh"), workDir=globs), max_size=1
    ),
    finally_=st.dictionaries(names, tasks, max_size=2),
)


def workflow(**bodies):
    head = {"apiVersion": "xene/v1", "kind": "Workflow", "metadata": {"name": "a"}}
    return {**head, "spec": {"pipelines": bodies}}


def fired(body, **spec):
    """A workflow of one pipeline with triggers and more in its `spec`."""
    data = workflow(p={"tasks": {"a": task()}} if body is None else body)
    return {**data, "spec": {**data["spec"], **spec}}


def through(data):
    return codec.workflow_to_json(codec.workflow_from_json(data))


@settings(max_examples=200, deadline=None)
@given(pipelines, triggers, st.booleans())
def test_what_the_schema_accepts_is_normal_after_one_pass(pipeline, triggers, suspend):
    data = fired(pipeline, triggers=triggers, suspend=suspend)
    assert schema.accepts("Workflow")(data)
    normal = through(data)
    assert schema.accepts("Workflow")(normal)
    assert codec.canonical(through(normal)) == codec.canonical(normal)
    assert codec.workflow_from_json(normal) == codec.workflow_from_json(data)


def task(**body):
    return {"steps": [{"name": "a", "run": "x"}], **body}


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ({"needs": [{"task": "b", "on": ["success"], "artifacts": []}]}, {"needs": ["b"]}),
        ({"needs": [{"task": "b", "on": ["skipped", "success", "error"]}]},
         {"needs": [{"task": "b", "on": "any"}]}),
        ({"needs": [{"task": "b", "on": ["error"]}]}, {"needs": [{"task": "b", "on": "error"}]}),
        ({"retry": {"maxAttempts": 1, "on": [7]}}, {}),
        ({"retry": {"maxAttempts": 2, "backoff": {"factor": 2.0, "max": "60s"}}}, {"retry": {"maxAttempts": 2}}),
        ({"artifacts": {"x": ["a"]}}, {"artifacts": {"x": "a"}}),
        ({"matrix": {"x": [1], "failFast": False}}, {"matrix": {"x": [1]}}),
        ({"approval": {"message": ""}}, {"approval": {}}),
    ],
)  # fmt: skip
def test_two_ways_to_say_one_thing(long, short):
    normal = through(workflow(p={"tasks": {"a": task(**long)}}))
    assert normal["spec"]["pipelines"]["p"]["tasks"]["a"] == task(**short)
    assert normal == through(workflow(p={"tasks": {"a": task(**short)}}))


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ({"schedule": ["@daily"], "timeZone": "UTC", "catchUp": "latest"}, {"schedule": "@daily"}),
        ({"schedule": "@daily", "jitter": "0s", "dst": {"gap": "shift", "fold": "first"}}, {"schedule": "@daily"}),
        ({"schedule": "@daily", "startingDeadline": "60m", "dst": {"fold": "both", "gap": "shift"}, "params": {}},
         {"schedule": "@daily", "startingDeadline": "1h", "dst": {"fold": "both"}}),
    ],
)  # fmt: skip
def test_two_ways_to_say_one_trigger(long, short):
    normal = through(fired(None, triggers={"t": {"cron": long, "description": ""}}, suspend=False))
    assert normal["spec"]["triggers"] == {"t": {"cron": short}}
    assert normal == through(fired(None, triggers={"t": {"cron": short}}))


def test_what_starts_a_pipeline_and_how_long_its_runs_stay_is_no_new_revision():
    bare = fired(None)
    body = {"tasks": {"a": task()}, "triggers": ["t"], "history": {"keep": 3}}
    more = fired(body, triggers={"t": {"cron": {"schedule": "@daily"}}}, suspend=True)
    assert codec.executable_spec(through(more), "p") == codec.executable_spec(through(bare), "p")
    assert codec.workflow_from_json(more).pipelines["p"].history.keep == 3


def test_an_agent_comes_back_by_cron_unless_told_otherwise():
    def agent(**spec):
        head = {"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": "a"}}
        data = {**head, "spec": {"local": {}, **spec}}
        assert schema.accepts("Agent")(data)
        return codec.agent_from_json(data)

    assert agent() == agent(autostart="cron")
    assert [agent(autostart=each).autostart for each in AUTOSTARTS] == list(AUTOSTARTS)
    assert codec.agent_to_json(agent(autostart="none"))["spec"] == {"local": {}, "autostart": "none"}


def test_a_task_of_finally_has_ten_minutes_unless_told_otherwise():
    def last(**body):
        data = workflow(p={"tasks": {"a": task()}, "finally": {"z": task(**body)}})
        return codec.workflow_from_json(data).pipelines["p"].finally_["z"], through(data)

    assert last()[0].timeout == 600
    assert last(timeout="10m") == last()
    assert last(timeout="1h")[0].timeout == 3600


def test_a_bare_name_is_a_connector_of_pipelines():
    bare = PipelineConnector("build")
    assert pipeline_connectors_from_json(["build", {"pipeline": "build"}]) == (bare, bare)
    (told,) = pipeline_connectors_from_json([{"pipeline": "build", "on": "any", "artifacts": ["a"]}])
    assert (told.on, told.artifacts) == (OUTCOMES, ("a",))
    normal = through(
        workflow(build={"tasks": {"a": task()}}, scan={"needs": ["build"], "tasks": {"a": task()}})
    )
    assert normal["spec"]["pipelines"]["scan"]["needs"] == [{"pipeline": "build"}]


def test_the_schema_knows_the_defaults_of_the_model():
    defs = schema.read("Workflow")["$defs"]
    pipeline = codec.workflow_from_json(workflow(p={"tasks": {"a": task()}})).pipelines["p"]
    properties = defs["pipeline"]["properties"]
    assert properties["maxParallel"]["default"] == pipeline.max_parallel
    assert properties["concurrencyPolicy"]["default"] == pipeline.concurrency_policy
    assert properties["gracePeriod"]["default"] == f"{pipeline.grace_period:g}s"
    assert properties["failFast"]["default"] is pipeline.fail_fast
    placement = defs["placement"]["properties"]
    assert parse_duration(placement["lostAfter"]["default"]) == pipeline.placement.lost_after
    assert placement["onLost"]["default"] == pipeline.placement.on_lost
    backoff = defs["backoff"]["properties"]
    assert (backoff["initial"]["default"], backoff["factor"]["default"]) == ("1s", NO_RETRY.factor)
    assert (NO_RETRY.initial, NO_RETRY.max_pause, backoff["max"]["default"]) == (1, 60, "1m")
    assert tuple(defs["retry"]["properties"]["on"]["default"]) == NO_RETRY.on


def test_the_schema_knows_the_words_and_defaults_of_triggers():
    cron = schema.read("Workflow")["$defs"]["cron"]["properties"]
    dst = schema.read("Workflow")["$defs"]["dst"]["properties"]
    plain = Cron(("@daily",))
    assert tuple(cron["catchUp"]["enum"]) == CATCH_UPS
    assert (cron["timeZone"]["default"], cron["catchUp"]["default"]) == (plain.time_zone, plain.catch_up)
    assert parse_duration(cron["jitter"]["default"]) == plain.jitter
    assert (dst["gap"]["default"], dst["fold"]["default"]) == (plain.gap, plain.fold)
    autostart = schema.read("Agent")["properties"]["spec"]["properties"]["autostart"]
    assert (tuple(autostart["enum"]), autostart["default"]) == (AUTOSTARTS, AUTOSTARTS[0])


of_templates = some(
    {"steps": st.lists(steps, min_size=1, max_size=2)},
    when=texts,
    approval=some(message=st.just("x"), timeout=durations),
    context=st.sampled_from(["default", "go"]),
    env=env,
    timeout=durations,
    retry=retries,
)


@settings(max_examples=50, deadline=None)
@given(of_templates, unique(names))
def test_a_template_is_normal_after_one_pass(task, outputs):
    head = {"apiVersion": "xene/v1", "kind": "TaskTemplate", "metadata": {"name": "a"}}
    params = {"x": {"type": "integer", "default": 1}}
    data = {**head, "spec": {"params": params, "outputs": outputs, "task": task}}
    assert schema.accepts("TaskTemplate")(data)
    normal = codec.task_template_to_json(codec.task_template_from_json(data))
    assert schema.accepts("TaskTemplate")(normal)
    assert codec.task_template_to_json(codec.task_template_from_json(normal)) == normal
    assert codec.task_template_from_json(normal) == codec.task_template_from_json(data)
