"""Checks of triggers: sound on whatever may stand there, and free where there are none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.manifest.test_schema import WORKFLOW, spoilt
from xene.engine.cron import ALIASES, parse
from xene.manifest import repository
from xene.manifest.checks import workflow_findings
from xene.manifest.load import load_text

HEAD = "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: a}\nspec:\n"
TASKS = "tasks: {t: {steps: [{name: a, run: make}]}}"


def told(text):
    """Path-free: the codes and messages of a manifest whose `spec` is `text`."""
    return [(problem.code, problem.message) for problem in load_text(HEAD + text, "a.yaml").problems]


def cron(body, pipeline="triggers: [t]"):
    return told(f"  triggers: {{t: {{cron: {{{body}}}}}}}\n  pipelines: {{p: {{{pipeline}, {TASKS}}}}}\n")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_stands_there_is_told_and_never_raises(data):
    spoiled = data.draw(spoilt(WORKFLOW))
    for finding in workflow_findings(spoiled, True):
        assert finding.message and finding.code


@pytest.mark.parametrize(
    "word", [*ALIASES, "@Daily", "0 0 * * *", "0\t0 * *  *", "*/5 8-18 * JAN,feb MON-fri"]
)
def test_schedules_that_are_read(word):
    assert cron(f'schedule: "{word}"'.replace("\t", "\\t")) == []
    parse(word)


@pytest.mark.parametrize(
    ("schedule", "fixed"),
    [
        ("0 2 * * *", True),
        ("0,30 */2 * * *", False),
        ("* 2 * * *", False),
        ("@hourly", False),
        ("@daily", True),
    ],
)
def test_dst_is_for_what_has_a_fixed_hour(schedule, fixed):
    found = cron(f'schedule: "{schedule}", dst: {{gap: skip}}')
    assert [code for code, _ in found] == ([] if fixed else ["wrong-value"])
    assert parse(schedule).fixed is fixed


def test_of_a_bad_schedule_nothing_is_said_about_dst():
    found = cron('schedule: ["*/5 * * * *", "61 2 * * *"], dst: {gap: skip}')
    assert [code for code, _ in found] == ["bad-schedule"]


@pytest.mark.parametrize(
    ("jitter", "sound"), [("59999ms", True), ("60s", False), ("1m", False), ("0s", True)]
)
def test_jitter_is_shorter_than_the_deadline(jitter, sound):
    assert bool(cron(f'schedule: "@daily", startingDeadline: 1m, jitter: {jitter}')) is not sound


@pytest.mark.parametrize(
    ("grace", "placement", "sound"),
    [
        ("10s", "onLost: replace", True),
        ("55s", "onLost: replace", True),
        ("56s", "onLost: replace", False),
        ("0s", "onLost: replace, lostAfter: 5s", True),
        ("0s", "onLost: replace, lostAfter: 4999ms", False),
        ("2m", "onLost: wait, lostAfter: 1s", True),
        ("2m", "lostAfter: 1s", True),
    ],
)
def test_an_agent_has_the_time_to_stop_what_is_replaced(grace, placement, sound):
    found = told(f"  pipelines: {{p: {{gracePeriod: {grace}, placement: {{{placement}}}, {TASKS}}}}}\n")
    assert [code for code, _ in found] == ([] if sound else ["wrong-value"])


def test_a_template_brings_its_grace_along(tmp_path):
    head = "apiVersion: xene/v1\nkind: TaskTemplate\nmetadata: {name: slow}\n"
    (tmp_path / "t.yaml").write_text(
        head + "spec: {task: {gracePeriod: 3m, steps: [{name: a, run: make}]}}\n"
    )
    use = "  pipelines: {p: {placement: {onLost: replace}, tasks: {t: {template: slow}}}}\n"
    (tmp_path / "w.yaml").write_text(HEAD + use)
    (problem,) = repository.load(str(tmp_path), cache=False).problems
    assert "the task 't' has a gracePeriod of 3m" in problem.message


def test_a_trigger_gives_params_to_those_that_follow_too():
    def fire(needs):
        return told(
            f"  triggers: {{t: {{cron: {{schedule: '@daily', params: {{x: 1}}}}}}}}\n  pipelines:\n"
            f"    a: {{triggers: [t], {TASKS}}}\n    b: {{{TASKS}}}\n"
            f"    c: {{needs: [{needs}], params: {{x: {{type: integer}}, y: {{type: string}}}}, {TASKS}}}\n"
        )

    missing = "the trigger 't' gives no value for the param 'y' of the pipeline 'c', which has no default"
    assert fire("a") == [("missing-key", missing)]
    assert fire("a, {pipeline: b, on: [skipped]}") == [("missing-key", missing)]
    nobody = ("unknown-param", "no pipeline that this trigger starts has a param 'x'")
    assert fire("a, b") == [nobody]  # `b` does not run, so `c` cannot
    assert fire("b") == [nobody]


def test_where_there_are_no_triggers_nothing_of_them_is_loaded():
    code = (
        "import sys; from xene.manifest.load import load_text;"
        f"assert not load_text({HEAD + '  pipelines: {p: {' + TASKS + '}}'!r}, 'a').problems;"
        "assert not {'cronsim', 'zoneinfo', 'xene.engine.cron'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
