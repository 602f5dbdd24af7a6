"""A step in a container as a process to start: its room is prepared, its files are laid, its entry is composed.

Called by `work`, which knows the run, and by `launching`, which has rendered the command. It makes files and starts
nothing.
"""

from __future__ import annotations

import os
from typing import List, Mapping, Optional, Set

from xene.agent import containers
from xene.agent.closing import remember
from xene.agent.containers import Room
from xene.agent.entrance import ENTER
from xene.agent.home import Home, lay
from xene.agent.process import Launch
from xene.agent.workspace import RunDirectory
from xene.engine import environment
from xene.engine.environment import Command
from xene.engine.progress import RunProgress, StepProgress, TaskProgress


class Rooms:
    """`umask` is that of the steps; `user_home` what `~` in a mount means."""

    def __init__(self, home: Home, umask: int, user_home: str) -> None:
        self._home, self._umask, self._user_home = home, umask, user_home
        self._label = ""
        self._remembered: Set[str] = set()

    def of(
        self, run: RunProgress, task: TaskProgress, step: StepProgress, home: RunDirectory
    ) -> Optional[Room]:
        """The room in which a step runs; None where it is bare. Raises ContainerTrouble and ExpressionError."""
        spec = None if step.internal else environment.container(run, task)
        if spec is None:
            return None
        return containers.room(run.order.id, task.spec.context, spec, home.path, client_env(run))

    def launch(
        self, room: Room, command: Command, seq: int, home: RunDirectory, log: str, where: str
    ) -> Launch:
        """The process that enters `room` with `command` at `where`. Raises OSError and ContainerTrouble."""
        assert command.container is not None
        self._lay_out(room, command, home)
        base = home.base(seq)
        line = containers.lay_step(room, base, seq, command)
        script, names = self._home.entrance, list(command.env)
        argv: List[str] = containers.entry(room, script, base, seq, where, self._umask, line, names)
        # the host's side of `where` may be another user's by now
        return Launch(base, log, home.workspace, argv, containers.client_environment(room.env, command.env))

    def _lay_out(self, room: Room, command: Command, home: RunDirectory) -> None:
        if room.engine not in self._remembered:
            lay(self._home.entrance, ENTER.encode())
            remember(self._home.engines, room.engine)
            self._label = containers.home_label(self._home.path)
            self._remembered.add(room.engine)
        labels = [f"{containers.RUN_LABEL}={os.path.basename(home.path)}", self._label]
        assert command.container is not None
        containers.prepare(room, command.container, labels, home.path, self._user_home)


def client_env(run: RunProgress) -> Mapping[str, str]:
    """What an engine's client is called with: the daemon's own environment, and the agent's `env` over it."""
    return {**os.environ, **run.order.agent_env}
