"""One file: what comes out of it."""

from __future__ import annotations

import copy
import json
import textwrap
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.manifest import emit, nodes
from xene.manifest.load import load_text
from xene.model import codec

HEAD = "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: a}\n"


def workflow(body: str) -> str:
    return HEAD + textwrap.dedent(body)


def test_the_c_parser_is_in_use():
    import _ruamel_yaml

    assert nodes.CParser is _ruamel_yaml.CParser
    assert _ruamel_yaml.__file__.endswith((".so", ".pyd"))
    assert not isinstance(nodes.CParser.get_event, types.FunctionType)


def test_defaults_written_out_make_no_difference():
    short = load_text(
        workflow("spec: {pipelines: {p: {tasks: {t: {steps: [{name: a, run: make}]}}}}}"), "a"
    ).entries[0]
    long = load_text(
        workflow(
            """
            description: ""
            spec:
              env: {}
              pipelines:
                p:
                  maxParallel: 8
                  params: {}
                  needs: []
                  secrets: {}
                  concurrencyPolicy: Queue
                  gracePeriod: 10000ms
                  failFast: false
                  finally: {}
                  placement: {size: 1, agentSelector: {matchLabels: {}}}
                  tasks:
                    t:
                      needs: []
                      join: all
                      artifacts: {}
                      context: default
                      continueOnError: false
                      retry: {maxAttempts: 1, backoff: {initial: 1000ms, factor: 2, max: 60s}, on: [error, timeout]}
                      steps: [{name: a, run: make, continueOnError: false}]
            """
        ),
        "a",
    ).entries[0]
    assert (short.text, short.digest) == (long.text, long.digest)


def test_text_keeps_the_order_of_the_manifest():
    entry = load_text(
        workflow(
            """
            spec:
              pipelines:
                z: {tasks: {y: {steps: [{name: b, run: x}]}, x: {steps: [{name: a, run: x}]}}}
                a: {tasks: {b: {steps: [{name: a, run: x}]}}}
            """
        ),
        "a",
    ).entries[0]
    data = json.loads(entry.text)
    assert list(data["spec"]["pipelines"]) == ["z", "a"]
    assert list(data["spec"]["pipelines"]["z"]["tasks"]) == ["y", "x"]
    assert codec.workflow_to_json(codec.workflow_from_json(data)) == data


def test_references_to_secrets():
    entry = load_text(
        workflow(
            """\
            spec:
              pipelines:
                a: {secrets: {TOKEN: deploy-token}, tasks: {b: {steps: [{name: a, run: x}]}}}
            """
        ),
        "a",
    ).entries[0]
    assert [tuple(each) for each in entry.references] == [("Secret", "deploy-token", "a", 6, 26)]


def test_references_to_agents():
    entry = load_text(
        workflow(
            """\
            spec:
              pipelines:
                p:
                  placement:
                    agent: build-1
                  tasks: {t: {steps: [{name: a, run: make}]}}
            """
        ),
        "a.yaml",
    ).entries[0]
    assert [tuple(reference) for reference in entry.references] == [("Agent", "build-1", "a.yaml", 8, 16)]


def test_line_breaks_of_all_kinds_count_as_the_parser_counts_them():
    for newline in ("\n", "\r\n", "\r"):
        text = workflow("spec:\n  pipelines: {}\n  x: 1\n").replace("\n", newline)
        places = [(p.line, p.col, p.source_line) for p in load_text(text, "a").problems]
        assert places == [(5, 14, "  pipelines: {}"), (6, 3, "  x: 1")]


def test_columns_are_characters_also_behind_a_mark_and_wide_text():
    text = "\ufeff" + workflow("description: é日本\nspec: {pipelines: {p: {tasks: {日: 1}}}}")
    problem = load_text(text, "a").problems[0]
    assert problem.source_line[problem.col - 1] == "日"


def test_a_template_in_a_folded_text_is_found_where_it_stands():
    text = workflow(
        """
        spec:
          env:
            A: >-
              x ${{ run.id }}
              y ${{ run.x }}
          pipelines: {p: {tasks: {t: {steps: [{name: a, run: make}]}}}}
        """
    )
    (problem,) = load_text(text, "a").problems
    assert problem.source_line[problem.col - 1 :] == "run.x }}"


def test_a_file_shows_at_most_a_hundred_problems():
    text = workflow("spec:\n" + "".join(f"  k{n}: 1\n" for n in range(500)))
    problems = load_text(text, "a").problems
    assert len(problems) == 101
    assert problems[-1].code == "too-many-problems"


def test_what_is_valid_in_a_file_stands_beside_what_is_not():
    good = workflow("spec: {pipelines: {p: {tasks: {t: {steps: [{name: a, run: make}]}}}}}\n")
    loaded = load_text(good + "---\nkind: Agent\nmetadata: {name: b}\n", "a")
    assert [entry.name for entry in loaded.entries] == ["a"]
    assert [(item.kind, item.name) for item in loaded.declared] == [("Workflow", "a"), ("Agent", "b")]


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t #:{}'\"|"),
    min_size=1,
)


@settings(deadline=None)
@given(
    script=texts,
    words=st.lists(texts, min_size=1, max_size=3),
    env=st.dictionaries(st.from_regex(r"[A-W][A-Z_0-9]{0,5}", fullmatch=True), texts, max_size=3),
)
def test_what_emit_writes_reads_back(script, words, env):
    if any("${{" in text for text in (script, *words, *env.values())):
        return
    steps = [{"name": "a", "run": script, "env": env}, {"name": "b", "exec": words}]
    data = {
        "apiVersion": "xene/v1",
        "kind": "Workflow",
        "metadata": {"name": "a"},
        "spec": {"pipelines": {"p": {"tasks": {"t": {"steps": steps}}}}},
    }
    if not env:
        del steps[0]["env"]
    loaded = load_text(emit.dump(data), "a")
    assert loaded.problems == ()
    assert json.loads(loaded.entries[0].text) == data


@pytest.mark.parametrize("name", ["language", "forms", "full"])
def test_what_emit_writes_of_a_whole_workflow_reads_back(name):
    good = Path(__file__).parent / "good" / f"{name}.yaml"
    entry = load_text(good.read_bytes(), "a").entries[0]
    loaded = load_text(emit.dump(json.loads(entry.text)), "a")
    assert loaded.problems == ()
    assert (loaded.entries[0].text, loaded.entries[0].digest) == (entry.text, entry.digest)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:-{}[],'\"|>#&*!%@`?~ \n\t${}0.")) | st.binary(max_size=60))
def test_nothing_makes_it_raise(data):
    loaded = load_text(data, "a")
    for problem in loaded.problems:
        assert problem.line >= 1 and problem.col >= 1


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_change_of_a_good_file_makes_it_raise(data):
    text = workflow(
        """
        spec:
          env: {A: "${{ run.id }}"}
          pipelines:
            p:
              params: {a: {type: string, default: x}}
              contexts: {go: {workDir: x}}
              tasks:
                t: {outputs: [v], steps: [{name: a, run: make}]}
                u: {needs: [t], context: go, steps: [{name: a, exec: [x], env: {B: "${{ tasks.t.outputs.v }}"}}]}
        """
    )
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 6))
    new = data.draw(
        st.sampled_from(["", "[]", "{}", "~", "1", "true", "- a", ": ", "\n", '"', "x", "*a", "&a "])
    )
    load_text(text[:at] + new + text[at + cut :], "a")


OTHER_VALUES = [
    None, "", "a", 5, -1, 1.5, True, [], {}, ["a"], [1], [[]], [{}], [None], {"a": "b"}, {"a": {}}, "${{ a }}",
    "${{", [{"task": "fetch"}], [{"task": []}], [{"pipeline": 1, "on": {}}], {"include": 5, "a": [1]},
]  # fmt: skip


@pytest.mark.parametrize("name", ["language", "forms", "expressions"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_other_value_at_any_place_makes_it_raise(name, data):
    """Values of every sort, one after another, at the places of a whole workflow."""
    good = yaml_of(name)
    path = data.draw(st.sampled_from(good.places))
    new = data.draw(st.sampled_from(OTHER_VALUES))
    text = emit.dump(good.changed(path, new))
    loaded = load_text(text, "a")
    assert loaded.problems or loaded.entries


class yaml_of:
    """A good file as plain data that can be changed."""

    def __init__(self, name):
        text = (Path(__file__).parent / "good" / f"{name}.yaml").read_bytes()
        self.data = json.loads(load_text(text, "a").entries[0].text)
        self.places = list(self._below(self.data, ()))

    def _below(self, value, path):
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, below in inner:
            yield (*path, key)
            yield from self._below(below, (*path, key))

    def changed(self, path, new):
        data = copy.deepcopy(self.data)
        holder = data
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = new
        return data


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# only a comment\n", "--- \n...\n"])
def test_nothing_is_nothing(text):
    assert load_text(text, "a") == ((), (), (), ())
