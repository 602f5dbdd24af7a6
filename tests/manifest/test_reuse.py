"""Task templates: put in when manifests are read, from files and from the state; what is wrong points to both."""

from __future__ import annotations

import json
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.engine import expressions
from xene.engine.tree import Literal
from xene.manifest import repository, substitution
from xene.manifest.problems import render

TEMPLATE = """\
apiVersion: xene/v1
kind: TaskTemplate
metadata: {name: greet}
spec:
  params: {who: {type: string, default: world}, times: {type: integer, default: 1}}
  outputs: [said]
  task:
    timeout: 5m
    env: {WHO: "${{ params.who }}", KEPT: "yes"}
    when: params.times > 0
    steps: [{name: say, exec: [echo, "${{ params.who }}", "${{ params.times }}"]}]
"""
WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: NAME}
spec: {pipelines: {p: {tasks: {t: {template: greet, EXTRA}}}}}
"""
PLAIN = WORKFLOW.replace("template: greet, EXTRA", "steps: [{name: a, run: make}]")


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def workflow(name="shop", extra="with: {who: Ada}"):
    return WORKFLOW.replace("NAME", name).replace("EXTRA", extra)


def write(root, **texts):
    """Files that are old enough to be known by their stat."""
    for name, text in texts.items():
        path = root / f"{name}.yaml"
        path.write_text(text)
        os.utime(path, (time.time() - 60, time.time() - 60))


def settled(root, monkeypatch):
    """Let the files be of an age at which the cache trusts their stat."""
    monkeypatch.setattr("xene.manifest.files.settled", lambda sign, now: True)


def task(found, name="shop"):
    (entry,) = [entry for entry in found.entries if (entry.kind, entry.name) == ("Workflow", name)]
    return json.loads(entry.text)["spec"]["pipelines"]["p"]["tasks"]["t"]


def filled(text, values):
    filling = substitution.Filling(values, substitution.Budget(1 << 20))
    return filling.task({"steps": [{"env": {"A": text}}]})["steps"][0]["env"]["A"]


def told(found):
    return [render(problem) for problem in found.problems]


# -- what comes of it


def test_a_template_of_another_file_is_put_in(tmp_path):
    write(tmp_path, shop=workflow(), greet=TEMPLATE)
    assert task(repository.load(str(tmp_path))) == {
        "when": "1 > 0",
        "env": {"WHO": "Ada", "KEPT": "yes"},
        "outputs": ["said"],
        "timeout": "5m",
        "steps": [{"name": "say", "exec": ["echo", "Ada", "1"]}],
    }


def test_what_the_task_says_wins_and_env_is_added(tmp_path):
    extra = 'with: {times: 3}, env: {WHO: Bob, MORE: x}, timeout: 1m, when: "true", description: d'
    write(tmp_path, shop=workflow(extra=extra), greet=TEMPLATE)
    found = task(repository.load(str(tmp_path)))
    assert found["env"] == {"WHO": "Bob", "KEPT": "yes", "MORE": "x"}
    assert (found["timeout"], found["when"], found["description"]) == ("1m", "true", "d")
    assert found["steps"] == [{"name": "say", "exec": ["echo", "world", "3"]}]


@pytest.mark.parametrize(
    ("text", "given_", "expected"),
    [
        ("a ${{ params.x }} b", "v", "a v b"),
        ("${{ params.x }}", "${{ run.id }}", "${{ run.id }}"),
        ("${{ params.x }}", "n-${{ run.id }}", "${{ format('n-{}', run.id) }}"),
        ("a ${{ params.x }}", "{${{ run.id }}}", "a ${{ format('{{{}}}', run.id) }}"),
        ("${{ params.x + '!' }}", "v", "${{ 'v' + '!' }}"),
        ("${{ params.x * 2 }}", "${{ 1 + 1 }}", "${{ (1 + 1) * 2 }}"),
        ("${{ not params.x }}", "${{ true or false }}", "${{ not (true or false) }}"),
        ("${{ params.x.a }}", "${{ fromJson(env.A) }}", "${{ fromJson(env.A).a }}"),
        ("${{ 'params.x' }}", "v", "${{ 'params.x' }}"),
        ("params.x", "v", "params.x"),
        ("$${{ params.x }}", "{{ run.id }}", "${{ '${{ run.id }}' }}"),
        ("${{ params.x }}{{ run.id }}", "$", "${{ '${{ run.id }}' }}"),
    ],
)
def test_params_are_replaced_in_trees_and_never_in_texts(text, given_, expected):
    value = substitution.given(given_) if "${{" in given_ else Literal(given_)
    found = filled(text, {"x": value})
    assert found == expected


scope = {"run": {"id": "r-1"}, "env": {"A": "x{y}", "N": "3"}}
pieces = st.sampled_from(
    [
        "a",
        "$",
        "{",
        "}",
        "{{",
        "}}",
        "'",
        "\\",
        "${{ params.x }}",
        "${{ params.y + '!' }}",
        "${{ run.id }}",
        " ",
    ]
)
given_texts = st.lists(
    st.sampled_from(
        ["b", "{", "}", "{}", "'", "\\", "$", "${{ run.id }}", "${{ env.A }}", "${{ env.A + 'z' }}"]
    ),
    max_size=4,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=6).map("".join), given_texts, given_texts)
def test_what_is_put_in_reads_as_if_the_param_had_been_given(text, x, y):
    def value(given_):
        return expressions.render(given_, scope)

    try:
        plain = expressions.render(text, {**scope, "params": {"x": value(x), "y": value(y)}})
        nodes = {
            name: substitution.given(each) if "${{" in each else Literal(each)
            for name, each in zip("xy", (x, y))
        }
    except expressions.ExpressionError:
        return  # texts that are no templates are refused before anything is put in
    out = filled(text, nodes)
    assert expressions.render(out, scope) == plain


# -- files, the state, the cache


def test_templates_of_the_state_are_asked_for_only_where_one_is_missing(tmp_path):
    write(tmp_path, greet=TEMPLATE)
    stored = json.loads(repository.load(str(tmp_path)).entries[0].text)
    asked = []

    def state():
        asked.append(1)
        return {"greet": stored}

    write(tmp_path, shop=workflow())
    repository.load(str(tmp_path), templates=state)
    assert not asked
    (tmp_path / "greet.yaml").unlink()
    assert task(repository.load(str(tmp_path), templates=state))["outputs"] == ["said"]
    assert asked


def test_one_that_is_broken_here_is_not_taken_from_the_state(tmp_path):
    write(tmp_path, greet=TEMPLATE)
    stored = json.loads(repository.load(str(tmp_path)).entries[0].text)
    write(tmp_path, greet=TEMPLATE.replace("timeout: 5m", "timeout: 5"), shop=workflow())
    found = repository.load(str(tmp_path), templates=lambda: {"greet": stored})
    assert [problem.code for problem in found.problems] == ["bad-duration"]
    assert not found.entries


def test_a_change_of_a_template_reaches_its_users_out_of_the_cache(tmp_path, monkeypatch):
    settled(tmp_path, monkeypatch)
    write(tmp_path, shop=workflow(), greet=TEMPLATE, plain=PLAIN.replace("NAME", "plain"))
    first = repository.load(str(tmp_path))
    assert repository.load(str(tmp_path)) == first
    write(tmp_path, greet=TEMPLATE.replace("5m", "6m"))
    assert task(repository.load(str(tmp_path)))["timeout"] == "6m"
    (tmp_path / "greet.yaml").unlink()
    assert "there is no TaskTemplate named 'greet'" in told(repository.load(str(tmp_path)))[0]
    write(tmp_path, greet=TEMPLATE)
    again = repository.load(str(tmp_path))
    assert again == first == repository.load(str(tmp_path), cache=False)


def test_unchanged_users_of_templates_need_no_yaml_reader(tmp_path, monkeypatch):
    settled(tmp_path, monkeypatch)
    write(tmp_path, shop=workflow(), greet=TEMPLATE)
    first = repository.load(str(tmp_path))

    def never(*_):
        raise AssertionError("read again")

    monkeypatch.setattr("xene.manifest.load.begin", never)
    assert repository.load(str(tmp_path)) == first


def test_a_user_that_came_after_its_cached_template(tmp_path, monkeypatch):
    settled(tmp_path, monkeypatch)
    write(tmp_path, greet=TEMPLATE)
    repository.load(str(tmp_path))
    write(tmp_path, a=workflow("a"), z=workflow("z"))
    found = repository.load(str(tmp_path))
    assert [entry.name for entry in found.entries] == ["a", "greet", "z"]


# -- what is wrong


def test_a_problem_inside_a_template_names_both_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = TEMPLATE.replace("timeout: 5m", "context: go\n    timeout: 5m")
    write(tmp_path, shop=workflow(), greet=broken)
    assert told(repository.load(".", cache=False)) == [
        "greet.yaml:8:14: unknown-context: the pipeline declares no context 'go'; in task shop/p/t, which uses"
        " this template at shop.yaml:4\n"
        "        context: go\n"
        "                 ^\n"
        "  hint: declare it in the pipeline's 'contexts'"
    ]


def test_a_problem_inside_a_template_of_the_state_stands_at_its_use(tmp_path):
    write(tmp_path, greet=TEMPLATE.replace("timeout: 5m", "context: go"))
    stored = json.loads(repository.load(str(tmp_path)).entries[0].text)
    (tmp_path / "greet.yaml").unlink()
    write(tmp_path, shop=workflow())
    (problem,) = repository.load(str(tmp_path), templates=lambda: {"greet": stored}).problems
    assert (problem.line, problem.col) == (4, 46)
    assert problem.message.endswith(
        "; in spec.task.context of the TaskTemplate 'greet', as the state holds it"
    )


def test_a_template_may_not_use_a_template(tmp_path):
    write(tmp_path, greet=TEMPLATE.replace("timeout: 5m", "template: greet"))
    assert "unknown-key: a template task has no key 'template'" in told(repository.load(str(tmp_path)))[0]


def test_two_of_one_name_are_told(tmp_path):
    write(tmp_path, a=TEMPLATE, b=TEMPLATE, shop=workflow())
    assert [problem.code for problem in repository.load(str(tmp_path)).problems] == ["duplicate-object"]


@pytest.mark.parametrize(
    ("template", "uses"),
    [
        (TEMPLATE.replace('WHO: "${{ params.who }}"', f'WHO: "{"${{ params.who }}" * 200}"'), 1),
        (TEMPLATE.replace("yes", "y" * 100_000), 60),
    ],
    ids=["texts", "tasks"],
)
def test_templates_do_not_blow_a_workflow_up(tmp_path, template, uses):
    tasks = ", ".join(f't{n}: {{template: greet, with: {{who: "{"x" * 50_000}"}}}}' for n in range(uses))
    head = "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: shop}\n"
    write(tmp_path, greet=template, shop=f"{head}spec: {{pipelines: {{p: {{tasks: {{{tasks}}}}}}}}}\n")
    assert [problem.code for problem in repository.load(str(tmp_path)).problems] == ["too-large"]
