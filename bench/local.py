"""The local rows of the budget: a chain, a fan-out, a one-step file, and the start of the command line."""

from __future__ import annotations

import os
import statistics
import tempfile

from bench import peers
from bench.timing import XENE, Contender, race, table

SIZES = (100, 500, 2000)
HEAD = "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: bench}\nspec:\n  pipelines:\n    main:\n"


def chain_file(count: int) -> str:
    """`count` tasks, each of which needs the one before."""
    tasks = [
        f"        t{index}: {{{f'needs: [t{index - 1}], ' if index else ''}steps: [{{name: s, exec: ['true']}}]}}"
        for index in range(count)
    ]
    return HEAD + "      tasks:\n" + "\n".join(tasks) + "\n"


def steps_file(count: int) -> str:
    """One task of `count` steps."""
    steps = [f"            - {{name: s{index}, exec: ['true']}}" for index in range(count)]
    return HEAD + "      tasks:\n        t:\n          steps:\n" + "\n".join(steps) + "\n"


def fan_file(count: int, jobs: int) -> str:
    """`count` tasks that need nothing, `jobs` at a time."""
    tasks = [f"        t{index}: {{steps: [{{name: s, exec: ['true']}}]}}" for index in range(count)]
    return HEAD + f"      maxParallel: {jobs}\n      tasks:\n" + "\n".join(tasks) + "\n"


def rich_chain_file(count: int) -> str:
    """The same with the language at work: each task has a connector with a condition, a `when` and an output."""
    return HEAD + "      tasks:\n" + "\n".join(_rich(index, index - 1) for index in range(count)) + "\n"


def rich_fan_file(count: int, jobs: int) -> str:
    """`count` tasks behind one, `jobs` at a time, with connectors, a `when` and an output each."""
    tasks = [_rich(index, 0 if index else -1) for index in range(count)]
    return HEAD + f"      maxParallel: {jobs}\n      tasks:\n" + "\n".join(tasks) + "\n"


def _rich(index: int, before: int) -> str:
    step = "{name: s, exec: [sh, -c, 'echo v=1 > \"$XENE_OUTPUT\"']}"
    if before < 0:
        return f"        t{index}: {{outputs: [v], steps: [{step}]}}"
    want = f"tasks.t{before}.outputs.v == '1'"
    needs = f"[{{task: t{before}, on: success, when: {want}}}]"
    return f"        t{index}: {{needs: {needs}, when: {want}, outputs: [v], steps: [{step}]}}"


def _dagu_file(count: int, kind: str, jobs: int) -> str:
    steps = "\n".join(f"  - name: t{index}\n    command: 'true'" for index in range(count))
    return f"type: {kind}\nmaxActiveSteps: {jobs}\nsteps:\n{steps}\n"


def _xene(name: str, text: str, home: str) -> Contender:
    path = os.path.join(home, "".join(c if c.isalnum() else "-" for c in name) + ".yaml")
    with open(path, "w") as file:
        file.write(text)
    return Contender(name, [*XENE, "run", "-q", path], {"XENE_HOME": os.path.join(home, "xene")})


def _per_task(contenders: list[Contender]) -> str:
    """Milliseconds a task, at each size."""
    shown = [
        f"{statistics.median(one.seconds) * 1000 / count:.2f} ms at {count:,}"
        for count, one in zip(SIZES, contenders, strict=True)
    ]
    return f"A task: {', '.join(shown)}.\n"


def report() -> str:
    """All rows as Markdown."""
    with tempfile.TemporaryDirectory() as home:
        chain = [
            _xene("xene run chain.yaml", chain_file(200), home),
            _xene("xene run steps.yaml (one task)", steps_file(200), home),
            _xene("xene run rich-chain.yaml (connectors, outputs, when)", rich_chain_file(200), home),
            peers.spawn_loop(200),
            *peers.dagu(_dagu_file(200, "chain", 1)),
        ]
        race(chain)
        fan = [
            _xene("xene run fan.yaml", fan_file(200, 8), home),
            _xene("xene run rich-fan.yaml (connectors, outputs, when)", rich_fan_file(200, 8), home),
            *peers.parallel(200, 8),
            *peers.dagu(_dagu_file(200, "graph", 8)),
        ]
        race(fan)
        one = [
            _xene("xene run one.yaml", steps_file(1), home),
            Contender("xene version", [*XENE, "version"]),
            Contender("xene get runs", [*XENE, "get", "runs"], {"XENE_HOME": os.path.join(home, "empty")}),
            *peers.dagu(_dagu_file(1, "chain", 1)),
        ]
        race(one)
        sizes = [_xene(f"a DAG of {count:,} tasks", rich_fan_file(count, 8), home) for count in SIZES]
        race(sizes, runs=3)
    return "\n".join(
        [
            table("A chain of 200 trivial exec steps, local, whole process", "0.6 s", chain),
            table("200 independent tasks, 8 at a time", "0.55 s", fan),
            table("One step from a file; the start of the command line", "0.3 s / 0.1 s / 0.2 s", one),
            table("Growth with the number of tasks, connectors, outputs and when on each", "linear", sizes),
            _per_task(sizes),
        ]
    )
