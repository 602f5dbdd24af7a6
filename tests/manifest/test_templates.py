"""Places and what they may name, beyond the case files: hidden texts, big graphs, nothing missed."""

from __future__ import annotations

import pytest

from xene.manifest.load import load_text

WORKFLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shop}
spec:
  env: {W: x}
  pipelines:
    build:
      params: {level: {type: string, default: quick}}
      env: {P: x}
      contexts: {go: {env: {C: x}}}
      tasks:
        first: {outputs: [v], steps: [{name: go, run: make}]}
        task:
          context: go
          needs: [first]
%s
"""


def told(task: str) -> list[str]:
    """The codes of what is wrong where this is in the body of a task."""
    text = WORKFLOW % "\n".join(" " * 10 + line for line in task.split("\n"))
    return [problem.code for problem in load_text(text, "a").problems]


STEP = "steps: [{name: go, run: make}]"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (STEP, []),
        (f"when: \"par\\x61ms.x == ''\"\n{STEP}", ["unknown-param"]),
        (f'"wh\\x65n": params.x\n{STEP}', ["unknown-param"]),
        ('steps: [{name: go, run: "echo \\x24{{ params.level }}"}]', ["pasted-into-script"]),
        ('steps: [{name: go, run: make, env: {A: "$\\\n  {{ params.x }}"}}]', ["unknown-param"]),
    ],
)
def test_nothing_is_hidden_by_escapes(text: str, codes: list[str]) -> None:
    assert told(text) == codes


@pytest.mark.parametrize("place", ["when", "env", "step", "exec"])
def test_the_environment_is_that_of_the_layers_outside(place: str) -> None:
    """A near name is told only if what it is near to is in reach there."""
    uses = "${{ env.TASKY }}"
    body = {
        "when": "env: {TASKX: x}\nwhen: env.TASKY == 'x'\n" + STEP,
        "env": f'env: {{TASKX: x, A: "{uses}"}}\n' + STEP,
        "step": f'env: {{TASKX: x}}\nsteps: [{{name: go, run: make, env: {{A: "{uses}"}}}}]',
        "exec": f'steps: [{{name: go, exec: [echo, "{uses}"], env: {{TASKX: x}}}}]',
    }[place]
    assert told(body) == ([] if place in ("when", "env") else ["unknown-reference"])


def test_a_matrix_gives_lists_only_to_those_behind_it() -> None:
    matrix = "matrix: {os: [a, b]}\noutputs: [v]\n"
    assert (
        told(
            matrix
            + "steps: [{name: one, run: make}, {name: two, exec: [echo, \"${{ steps.one.outputs.v + 'x' }}\"]}]"
        )
        == []
    )
    assert told(matrix + 'env: {X: "${{ matrix }}"}\n' + STEP) == []


def test_many_problems_of_one_text_are_all_told() -> None:
    assert told(f"when: params.a == params.b and params.c\n{STEP}") == ["unknown-param"] * 3


def test_long_chains_are_judged_without_recursion() -> None:
    tasks = [
        f"        t{n}: {{needs: [t{n - 1}], when: tasks.t{n // 2}.outputs.v != '', outputs: [v], {STEP}}}"
        for n in range(1, 2000)
    ]
    text = (
        WORKFLOW % f"          {STEP}"
        + "        t0: {outputs: [v], "
        + STEP
        + "}\n"
        + "\n".join(tasks)
        + "\n"
    )
    assert load_text(text, "a").problems == ()
