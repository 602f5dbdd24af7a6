"""What must hold in quiet, whatever happened: read from the state's documented views, the archived logs, the
witness file, and /proc. Each check gives sentences, one for each violation.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.hosts import processes
from tests.soak import flows
from tests.soak.flows import ERROR, NOT_EXECUTED, SUCCESS, Fate, Pipeline, Step
from tests.soak.world import World

Row = dict[str, Any]
Mark = tuple[str, str, str]  # run, task, step
ENDED = (SUCCESS, ERROR)
CODES = {0, 1, 4, 5, 7, -9}  # what a command may exit with; 4, 5 and 7 where runs and hosts come and go
HELD = 74  # another writer holds the state: where one was stopped in the middle of it


@contextlib.contextmanager
def state(world: World) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(f"file:{world.fleet.home}/state.db?mode=ro", uri=True, timeout=20)
    conn.row_factory = sqlite3.Row
    try:
        yield conn
    finally:
        conn.close()


def unended(world: World) -> list[str]:
    with state(world) as conn:
        rows = conn.execute("SELECT id FROM xene_runs WHERE phase NOT IN ('Success', 'Error') ORDER BY id")
        return [row["id"] for row in rows]


def unsettled(world: World) -> list[str]:
    """Runs that have not ended, or whose log is not there yet: until it is fetched it is `partial`."""
    with state(world) as conn:
        rows = conn.execute("SELECT id, phase, log FROM xene_runs").fetchall()
    return [row["id"] for row in rows if row["phase"] not in ENDED or row["log"] not in ("complete", "gone")]


class Runs:
    """All runs of the state as one reading transaction saw them, with their tasks and steps in order."""

    def __init__(self, world: World) -> None:
        with state(world) as conn:
            conn.execute("BEGIN")
            self.by_id: dict[str, Row] = {
                row["id"]: dict(row) | {"tasks": {}, "steps": {}}
                for row in conn.execute("SELECT * FROM xene_runs ORDER BY created_at")
            }
            for row in conn.execute("SELECT * FROM xene_tasks ORDER BY run, position"):
                self.by_id[row["run"]]["tasks"][row["name"]] = dict(row)
            for row in conn.execute("SELECT * FROM xene_steps ORDER BY run, position"):
                self.by_id[row["run"]]["steps"][row["task"], row["name"]] = dict(row)

    def ends(self) -> dict[str, Row]:
        """What may not change any more."""
        return {
            run: {key: value for key, value in row.items() if key != "log"}
            for run, row in self.by_id.items()
            if row["phase"] in ENDED
        }


def changed_ends(before: dict[str, Row], now: dict[str, Row]) -> Iterator[str]:
    for run, end in before.items():
        if run not in now:
            yield f"run {run} had ended, and now it has not, or is gone"
        elif now[run] != end:
            differ = [key for key in end if now[run][key] != end[key]]
            yield f"the end of {run} changed: {differ}: {[(end[key], now[run][key]) for key in differ]}"


def sound_state(world: World) -> Iterator[str]:
    with state(world) as conn:
        found = [row[0] for row in conn.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            yield f"integrity_check says {found}"
        broken = [tuple(row) for row in conn.execute("PRAGMA foreign_key_check")]
        if broken:
            yield f"foreign_key_check says {broken}"
        for row in conn.execute("SELECT * FROM xene_pipelines"):
            if row["phase"] != "Scheduled" or row["revision"] != row["observed_revision"]:
                yield f"pipeline not as it was applied: {dict(row)}"


class Witness:
    """The marks that the steps left, in the order in which they were written."""

    def __init__(self, world: World) -> None:
        self.starts: dict[Mark, list[int]] = defaultdict(list)
        self.ends: dict[Mark, list[int]] = defaultdict(list)
        self.wrong: list[str] = []
        self.attempts: Counter[tuple[str, ...]] = Counter()
        for place, line in enumerate(world.witness.read_text().splitlines()):
            what, run, task, step, attempt, _ = line.split()
            mark = (run, task, step)
            if what == "wrong":
                self.wrong.append(line)
            else:
                (self.starts if what == "start" else self.ends)[mark].append(place)
                self.attempts[(what, *mark, attempt)] += 1


def witnessed(runs: Runs, witness: Witness) -> Iterator[str]:
    """Nothing ran that the state does not know of, nothing twice, and no output was another one's."""
    for mark, count in witness.attempts.items():
        if count > 1:
            yield f"{count} times: {mark}"
    for run in {mark[0] for mark in witness.starts}:
        if run not in runs.by_id:
            yield f"run {run} ran, and the state does not know it"
    yield from (f"an output did not arrive as it was given: {line}" for line in witness.wrong)


def run_is_right(world: World, row: Row, witness: Witness) -> Iterator[str]:
    """One run that has ended, with its plan: what it says, what it did, in which order, and its log."""
    plan = plan_of(world, row)
    if plan is None:
        yield "it has no task"
        return
    wished = row["id"] in world.wished or row["id"] in world.shot
    if row["id"] not in world.shot:
        yield from _end(row, flows.fate(plan), wished)
    yield from _loose(row)
    for task in plan.tasks:
        for step in task.steps:
            yield from _step_did(row, task.name, step, witness)
    yield from _order(row["id"], plan, witness)
    yield from _log(world, row, plan, wished)


def plan_of(world: World, row: Row) -> Pipeline | None:
    versions = {int(name.rpartition("-v")[2]) for name in row["tasks"]}
    if len(versions) != 1:
        return None
    return world.plans.get((row["workflow"], row["pipeline"], versions.pop()))


def _end(row: Row, expected: Fate, wished: bool) -> Iterator[str]:
    phases = {name: task["phase"] for name, task in row["tasks"].items()}
    steps = {key: (step["phase"], step["exit_code"]) for key, step in row["steps"].items()}
    if phases.keys() != expected.tasks.keys() or steps.keys() != expected.steps.keys():
        yield f"its tasks or steps are not those of its plan: {phases} {steps}"
    elif wished and row["reason"] in ("Cancelled", "Killed"):
        if row["phase"] != ERROR:
            yield f"it was ended, and is {row['phase']}"
    elif (row["phase"], phases, steps) != (expected.phase, expected.tasks, expected.steps):
        yield (
            f"nobody ended it, and it is {row['phase']} ({row['reason']}: {row['message']}), {phases}, {steps};\n"
            f"    expected {expected.phase}, {expected.tasks}, {expected.steps}"
        )


def _loose(row: Row) -> Iterator[str]:
    phases = {name: task["phase"] for name, task in row["tasks"].items()}
    steps = {key: step["phase"] for key, step in row["steps"].items()}
    loose = [key for key, phase in [*phases.items(), *steps.items()] if phase not in (*ENDED, NOT_EXECUTED)]
    if loose:
        yield f"it has ended, and {loose} have not"


def _step_did(row: Row, task: str, step: Step, witness: Witness) -> Iterator[str]:
    """What the state says of the step, against its marks."""
    found = row["steps"].get((task, step.name))
    if found is None:
        return  # told already
    mark = (row["id"], task, step.name)
    marks = (len(witness.starts[mark]), len(witness.ends[mark]))
    if found["phase"] == NOT_EXECUTED:
        allowed = {(0, 0)}
    elif found["phase"] == SUCCESS or (found["exit_code"] == step.code and step.kind == "fail"):
        allowed = {(1, 1)}
    elif step.kind == "shot" and found["exit_code"] == step.code:
        allowed = {(1, 0)}
    else:  # ended from outside: maybe before its first mark, maybe after its last
        allowed = {(0, 0), (1, 0), (1, 1)}
    if marks not in allowed:
        yield f"{task}/{step.name} is {found['phase']}, exit {found['exit_code']}, and left {marks} marks"


def _order(run: str, plan: Pipeline, witness: Witness) -> Iterator[str]:
    """Every step begins after the one before it, and the first of a task after all that its task needs."""
    last = {task.name: task.steps[-1] for task in plan.tasks}
    for task in plan.tasks:
        before = [(name, last[name]) for name in task.needs]
        for step in task.steps:
            for begun in witness.starts[run, task.name, step.name]:
                for name, earlier in before:
                    marks = witness.starts if earlier.kind in flows.SILENT else witness.ends
                    if not any(place < begun for place in marks[run, name, earlier.name]):
                        yield f"{task.name}/{step.name} began before {name}/{earlier.name} had ended"
            before = [(task.name, step)]


def _log(world: World, row: Row, plan: Pipeline, wished: bool) -> Iterator[str]:
    began = any(step["phase"] != NOT_EXECUTED for step in row["steps"].values())
    if row["log"] == "gone" and wished and not began:
        return  # ended before it was sent: its steps left no mark, so there was no log
    if row["log"] != "complete":
        yield f"its log is {row['log']!r}, and no home was wiped"
        return
    logs = _archived(world, row["id"])
    for task in plan.tasks:
        for step in task.steps:
            phase = row["steps"][task.name, step.name]["phase"]
            found, whole = logs.get((task.name, step.name), b""), step.log()
            if phase == SUCCESS or (phase == ERROR and not wished and step.code):
                right = _same(found, whole, step)
            elif phase == NOT_EXECUTED:
                right = found == b""
            else:
                right = _begins(found, whole)
            if not right:
                yield f"the log of {task.name}/{step.name} ({phase}): {found[-200:]!r}, not {whole[-200:]!r}"


def _same(found: bytes, whole: bytes, step: Step) -> bool:
    """Shells tell of children that were killed: after the whole, and only where somebody is."""
    return found == whole or (step.kind in ("timeout", "shot", "forks") and found.startswith(whole))


def _begins(found: bytes, whole: bytes) -> bool:
    """Cut short anywhere; then lines in which shells tell of what was ended."""
    common = next((n for n, (one, other) in enumerate(zip(found, whole)) if one != other), None)
    rest = found[min(len(found), len(whole)) if common is None else common :]
    return all(b"Terminated" in line or b"Killed" in line for line in rest.splitlines())


def _archived(world: World, run: str) -> dict[tuple[str, str], bytes]:
    found: dict[tuple[str, str], bytes] = defaultdict(bytes)
    for path in (world.fleet.home / "logs").glob(f"*/{run}.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in (name for name in archive.namelist() if not name.startswith("ends/")):
                _, task, step, *_ = name.split(".")
                found[task, step] += archive.read(name)
    return found


def commands(world: World) -> Iterator[str]:
    """Each ended as the manual says, without a traceback; an end that was proven is one."""
    allowed = CODES | ({HELD} if world.held else set())
    for command in world.commands:
        code, said = command.process.returncode, command.said.read_text(errors="replace")
        if code not in allowed or (code == -9 and not command.shot) or "Traceback" in said:
            yield f"{command}: {said[-1500:]}"
    with state(world) as conn:
        for command in world.commands:
            if command.words[0] in ("cancel", "kill") and command.process.returncode == 0:
                row = conn.execute(
                    "SELECT phase, reason FROM xene_runs WHERE id = ?", command.words[1:]
                ).fetchone()
                if row["reason"] not in ("Cancelled", "Killed"):
                    yield f"{command}, and the run is {tuple(row)}"


def followers(world: World) -> Iterator[str]:
    """Whoever followed one run saw every line of a step from the first on, none twice and none left out."""
    for command in world.commands:
        one_run = command.words[0] == "run" and "/" in command.words[1] and "--follow" in command.words
        if not one_run and command.words[:2] != ("logs", "-f"):
            continue
        seen: dict[str, list[int]] = defaultdict(list)
        text = (command.said if one_run else command.answer).read_text(errors="replace")
        for whose, number in re.findall(r"^(\S+) \| line (\d+)$", text, re.MULTILINE):
            seen[whose].append(int(number))
        for whose, numbers in seen.items():
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"{command} saw of {whose} the lines {numbers}"


def left_behind(world: World) -> dict[int, str]:
    """Processes of this world that nobody wants in quiet: all but one daemon an agent, and sshd."""
    wanted = {world.daemon(agent) for agent in world.homes}
    wanted |= {host.process.pid for host in world.hosts if host.process}
    return {pid: about for pid, about in processes(world.root).items() if pid not in wanted}


def run_directories(world: World) -> list[str]:
    """What agents still keep of runs, but for the workspace of a pipeline's newest run, where that is an Error."""
    with state(world) as conn:
        rows = conn.execute("SELECT id, workflow, pipeline, phase FROM xene_runs ORDER BY created_at")
        newest = {(row["workflow"], row["pipeline"]): row for row in rows}
    kept = {row["id"] for row in newest.values() if row["phase"] == ERROR}
    found = [path for home in world.homes.values() for path in home.glob("*/*/runs/*")]
    return [str(path) for path in found if path.name not in kept]
