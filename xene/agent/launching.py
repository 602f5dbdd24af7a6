"""How an attempt of a step becomes a process to start: its files, its command, its environment.

Called by `work`. It makes the run's directories and the step's script; it starts nothing and records nothing.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, Mapping, Optional

from xene.agent.containers import Room
from xene.agent.process import Launch
from xene.agent.rooms import Rooms
from xene.agent.secrecy import Secrecy
from xene.agent.spares import Spares
from xene.agent.workspace import RunDirectory, argv, working_directory, write_script
from xene.engine.environment import INHERITED, command
from xene.engine.progress import ARTIFACTS, LAY, RunProgress, StepProgress, TaskProgress
from xene.model.ids import file_safe, is_run_id


class Launching:
    """`code` is the directory of the agent's own code; `incoming` that of artifacts from other pipelines."""

    def __init__(
        self,
        code: str,
        incoming: str,
        user_env: Mapping[str, str],
        spares: Spares,
        secrecy: Secrecy,
        rooms: Rooms,
    ) -> None:
        self._code, self._incoming, self._user_env, self._spares = code, incoming, user_env, spares
        self._secrecy, self._rooms = secrecy, rooms

    def launch(
        self,
        run: RunProgress,
        task: TaskProgress,
        step: StepProgress,
        home: RunDirectory,
        room: Optional[Room] = None,
    ) -> Launch:
        """The process of the step's newest attempt, which runs in `room` unless it is bare.

        Raises OSError, ExpressionError, ContainerTrouble, ValueError.
        """
        home.make()
        log = home.log(step.seq, task.name, step.spec.name, step.attempt or 1)
        self._spares.give(log)
        if step.internal:
            return self._internal(run, task, step, home, log)
        places, base = home.places(step.seq, room is not None), home.base(step.seq)
        ready = command(run, task, step, places, self._user_env)
        where = working_directory(ready, places)
        ready = ready._replace(env={**ready.env, **self._secrecy.environment(run)})
        if room is None:
            launch = Launch(base, log, where, argv(ready, base, where), ready.env)
        else:
            launch = self._rooms.launch(room, ready, step.seq, home, log, where)
        return launch._replace(output=self._secrecy.output(run, log))

    def _internal(
        self, run: RunProgress, task: TaskProgress, step: StepProgress, home: RunDirectory, log: str
    ) -> Launch:
        """The agent's own code, told by a file what to lay into the workspace or to collect from it."""
        base = home.base(step.seq)
        job = _lay(run, task, home, self._incoming) if step.spec.name == LAY else _collect(task, home)
        path = write_script(base, json.dumps({**job, "result": base + ".result"}))
        env = {name: self._user_env[name] for name in INHERITED if name in self._user_env}
        env["XENE_RUN"] = run.order.id
        arguments = [sys.executable, "-I", "-S", self._code, "artifacts", path]
        launch = Launch(base, log, home.workspace, arguments, env)
        return launch._replace(output=self._secrecy.output(run, log))  # names of files are the steps'


def _lay(run: RunProgress, task: TaskProgress, home: RunDirectory, incoming: str) -> Dict[str, object]:
    if task.name == ARTIFACTS:
        files = [{**each, "path": _found(each, home, incoming)} for each in run.order.artifacts]
        return {"lay": files, "workspace": home.workspace}
    wanted = [(run.tasks[each.task], each.artifacts) for each in task.spec.needs if each.artifacts]
    files = [
        {**each, "path": home.artifact(each["task"], each["name"])}
        for other, names in wanted
        for each in other.artifacts
        if each["name"] in names
    ]
    return {"lay": files, "workspace": home.workspace}


def _found(artifact: Mapping[str, Any], home: RunDirectory, incoming: str) -> str:
    """Where an artifact of another run is: sent by control; or, in `run FILE`, with the run beside this one."""
    path = os.path.join(incoming, str(artifact["sha256"]))
    other = str(artifact.get("run"))
    if os.path.exists(path) or not is_run_id(other):
        return path
    name = f"{file_safe(str(artifact['task']))}.{file_safe(str(artifact['name']))}.tar"
    return os.path.join(os.path.dirname(home.path), other, "artifacts", name)


def _collect(task: TaskProgress, home: RunDirectory) -> Dict[str, object]:
    wanted = [
        {"name": name, "task": task.name, "globs": list(globs), "path": home.artifact(task.name, name)}
        for name, globs in task.spec.artifacts.items()
    ]
    return {"collect": wanted, "workspace": home.workspace}


def grace_of(run: RunProgress, task: TaskProgress, step: StepProgress) -> float:
    """Seconds between SIGTERM and SIGKILL: the step's, else the task's, else the pipeline's."""
    for grace in (step.spec.grace_period, task.spec.grace_period):
        if grace is not None:
            return grace
    return run.pipeline.grace_period
