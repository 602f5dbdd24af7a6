"""Random workflows and what must become of them: what each step writes, and how every task ends. Pure.

A step leaves its marks in a witness file outside of every workspace; a task's name bears the version of its
workflow, so that a run says by itself which version it is a run of.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

KINDS = {  # kind: how often it is taken
    "plain": 6, "count": 4, "slow": 4, "nap": 4, "gate": 5, "stubborn": 2, "forks": 2, "fail": 2, "shot": 1,
    "timeout": 1, "closes": 1, "binary": 1, "wide": 1,
}  # fmt: skip
SUCCESS, ERROR, NOT_EXECUTED = "Success", "Error", "NotExecuted"
ENDLESS = ("gate", "stubborn")  # go on until the gate is opened
SILENT = ("shot", "timeout")  # leave no mark at their end


@dataclass(frozen=True)
class Step:
    name: str
    kind: str
    lines: int
    code: int  # what it exits with
    goes_on: bool  # continueOnError
    form: str  # sh, bash or exec

    def log(self) -> bytes:
        """Everything that it writes, run to its end."""
        counted = b"".join(b"line %d\n" % number for number in range(1, self.lines + 1))
        return counted + {"binary": b"\377\000\001 end", "wide": b"x" * 150_000}.get(self.kind, b"")


@dataclass(frozen=True)
class Task:
    name: str
    needs: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Pipeline:
    name: str
    agent: str  # "" leaves it to placement
    parallel: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Flow:
    name: str
    version: int
    pipelines: tuple[Pipeline, ...]


@dataclass
class Fate:
    """How a run of a pipeline ends when nobody ends it: phases by task, (phase, exit code) by (task, step)."""

    phase: str = SUCCESS
    tasks: dict[str, str] = field(default_factory=dict)
    steps: dict[tuple[str, str], tuple[str, int | None]] = field(default_factory=dict)


def make_flow(draw: random.Random, name: str, version: int, agents: list[str]) -> Flow:
    pipelines = tuple(
        _make_pipeline(draw, f"p{number}", version, agents) for number in range(draw.randint(1, 3))
    )
    return Flow(name, version, pipelines)


def _make_pipeline(draw: random.Random, name: str, version: int, agents: list[str]) -> Pipeline:
    tasks: list[Task] = []
    for number in range(draw.choice((1, 1, 2, 3, 4, 6))):
        before = [task.name for task in tasks]
        needs = draw.sample(before, min(len(before), draw.choice((0, 1, 1, 2, 3))))
        steps = tuple(_make_step(draw, f"s{each}") for each in range(draw.choice((1, 1, 2, 3))))
        tasks.append(Task(f"t{number}-v{version}", tuple(needs), steps))
    agent = draw.choice(["", *agents, *agents])
    return Pipeline(name, agent, draw.choice((1, 2, 8)), tuple(tasks))


def _make_step(draw: random.Random, name: str) -> Step:
    kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
    lines = draw.randint(200, 2000) if kind == "count" else draw.randint(0, 12)
    code = {"fail": draw.randint(1, 99), "shot": 137, "timeout": 124}.get(kind, 0)
    goes_on = code != 0 and draw.random() < 0.4
    return Step(name, kind, lines, code, goes_on, draw.choice(("sh", "sh", "bash", "exec")))


def fate(pipeline: Pipeline) -> Fate:
    """By the rules of the manual: a step that fails ends its task, and a task wants all that it needs."""
    found = Fate()
    for task in pipeline.tasks:
        goes = all(found.tasks[name] == SUCCESS for name in task.needs)
        found.tasks[task.name] = SUCCESS if goes else NOT_EXECUTED
        for step in task.steps:
            found.steps[task.name, step.name] = (
                (NOT_EXECUTED, None) if not goes else (ERROR if step.code else SUCCESS, step.code)
            )
            if goes and step.code and not step.goes_on:
                goes, found.tasks[task.name], found.phase = False, ERROR, ERROR
    return found


def manifest(flow: Flow, witness: str, gate: str) -> dict[str, Any]:
    """The Workflow object."""
    return {
        "apiVersion": "xene/v1",
        "kind": "Workflow",
        "metadata": {"name": flow.name},
        "spec": {
            "env": {"WITNESS": witness, "GATE": gate},
            "pipelines": {one.name: _pipeline(one) for one in flow.pipelines},
        },
    }


def _pipeline(pipeline: Pipeline) -> dict[str, Any]:
    made: dict[str, Any] = {"maxParallel": pipeline.parallel}
    if pipeline.agent:
        made["placement"] = {"agent": pipeline.agent}
    givers = {task.name for task in pipeline.tasks if task.steps[0].code == 0}
    return made | {"tasks": {task.name: _task(task, givers) for task in pipeline.tasks}}


def _task(task: Task, givers: set[str]) -> dict[str, Any]:
    """Its first step gives an output, where it can; and looks at those of the tasks before it."""
    made: dict[str, Any] = {"needs": list(task.needs)} if task.needs else {}
    given = [name for name in task.needs if name in givers]
    made["env"] = {
        f"FROM_{number}": f"${{{{ tasks.{name}.outputs.word }}}}" for number, name in enumerate(given)
    }
    looks = "".join(
        f'[ "$FROM_{number}" = "$XENE_RUN.{name}" ] || say wrong\n' for number, name in enumerate(given)
    )
    gives = 'echo "word=$XENE_RUN.$XENE_TASK" >> "$XENE_OUTPUT"\n' if task.name in givers else ""
    if gives:
        made["outputs"] = ["word"]
    made["steps"] = [
        _step(step, looks + gives if number == 0 else "") for number, step in enumerate(task.steps)
    ]
    return made


def _step(step: Step, first: str) -> dict[str, Any]:
    script = _MARK + "say start\n" + first + _body(step)
    how = {"exec": ["/bin/sh", "-c", script]} if step.form == "exec" else {"run": script, "shell": step.form}
    made: dict[str, Any] = {"name": step.name, "gracePeriod": "300ms", **how}
    if step.kind == "timeout":
        made["timeout"] = "400ms"
    return made | ({"continueOnError": True} if step.goes_on else {})


_MARK = 'say() { echo "$1 $XENE_RUN $XENE_TASK $XENE_STEP $XENE_ATTEMPT $$" >> "$WITNESS"; }\n'
_WAIT = 'while [ ! -e "$GATE" ]; do sleep 0.05; done\n'
_SPECIAL = {
    "nap": "sleep 0.{}\n",
    "gate": _WAIT,
    "stubborn": "trap '' TERM\n" + _WAIT,
    "forks": "sleep 600 & \nsetsid sleep 600 > /dev/null 2>&1 &\n(setsid sleep 600 &)\n",
    "shot": "kill -9 $$\n",
    "timeout": "sleep 600\n",
    "closes": "exec >&- 2>&-\n",
    "binary": "printf '\\377\\000\\001 end'\n",
    "wide": "head -c 150000 /dev/zero | tr '\\000' x\n",
}


def _body(step: Step) -> str:
    pause = "; sleep 0.04" if step.kind == "slow" else ""
    counts = f"i=0; while [ $i -lt {step.lines} ]; do i=$((i + 1)); echo line $i{pause}; done\n"
    special = _SPECIAL.get(step.kind, "").replace("{}", str(step.lines % 8 + 1))
    return counts + special + f"say end\nexit {step.code}\n"
