"""What happens in a round: what users do, and what goes wrong. Every act is drawn, done at once, and noted.

An act that lasts leaves in `world.undo` what ends it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.hosts import _command, _descendants
from tests.soak import invariants
from tests.soak.world import FLOWS, GO, KILL, STOP, TERM, World, attached, send

Act = Callable[[World], str]  # gives what was done, "" where there was nothing to do it to


def fire(world: World) -> str:
    flow = world.draw.choice(list(world.current.values()))
    target = world.draw.choice([flow.name, *(f"{flow.name}/{one.name}" for one in flow.pipelines)])
    more = world.draw.choice(([], ["--wait"], ["--follow"], ["--wait", "-o", "json"]))
    return str(world.start("run", target, *more))


def look(world: World) -> str:
    """Readers, and those who wait."""
    runs = invariants.unended(world)
    words = ["get", "runs"]
    if runs:
        run = world.draw.choice(runs)
        words = world.draw.choice((["logs", "-f", run], ["wait", run], ["logs", run], ["why", f"run/{run}"]))
    return str(world.start(*words))


def reconcile(world: World) -> str:
    return str(world.start("reconcile"))


def end_run(world: World) -> str:
    runs = invariants.unended(world)
    if not runs:
        return ""
    run = world.draw.choice(runs)
    world.wished.add(run)
    return str(world.start(world.draw.choice(("cancel", "kill")), run))


def change(world: World) -> str:
    """Another version of a workflow, or one goes, or comes back; and it is applied."""
    name = f"flow-{world.draw.randrange(FLOWS)}"
    if name in world.current and len(world.current) == FLOWS and world.draw.random() < 0.25:
        world.remove(name)
    else:
        world.write(name)
    return f"{name} changes; {world.start('apply', str(world.fleet.repository), '--yes')}"


def kill_daemon(world: World) -> str:
    agent = world.draw.choice(list(world.homes))
    pid = world.daemon(agent)
    send(pid, KILL)
    return f"daemon of {agent} killed" if pid else ""


def end_daemon(world: World) -> str:
    """As an administrator does, or a host that goes down in order."""
    agent = world.draw.choice(list(world.homes))
    pid = world.daemon(agent)
    send(pid, TERM)
    return f"daemon of {agent} ended" if pid else ""


def kill_step(world: World) -> str:
    """The process of a step, as the kernel does when memory is short."""
    marks = [mark for mark, pid in world.under_way().items() if pid]
    if not marks:
        return ""
    mark = world.draw.choice(marks)
    world.shot.add(mark[0])
    send(world.under_way().get(mark, 0), KILL)
    return f"step {mark} killed"


def blackout(world: World) -> str:
    """One agent's daemon, its connections and whatever command is at work, all in one moment."""
    agent = world.draw.choice(list(world.homes))
    pids = [world.daemon(agent), *attached(world.homes[agent])]
    for command in world.live():
        command.shot = True
        pids.append(command.process.pid)
    for pid in pids:
        send(pid, KILL)
    return f"{len(pids)} processes around {agent} killed"


def freeze_daemon(world: World) -> str:
    agent = world.draw.choice(list(world.homes))
    pid = world.daemon(agent)
    send(pid, STOP)
    world.undo.append((f"daemon of {agent} goes on", lambda: send(pid, GO)))
    return f"daemon of {agent} stopped" if pid else ""


def stop_sshd(world: World) -> str:
    hosts = [host for host in world.hosts if host.process is not None and host.name not in _troubled(world)]
    if not hosts:
        return ""
    host = world.draw.choice(hosts)
    host.stop()
    world.undo.append((f"sshd of {host.name} starts", host.start))
    return f"sshd of {host.name} and its sessions killed"


def freeze_sshd(world: World) -> str:
    hosts = [host for host in world.hosts if host.process is not None and host.name not in _troubled(world)]
    if not hosts:
        return ""
    host = world.draw.choice(hosts)
    host.freeze()
    world.undo.append((f"sshd of {host.name} goes on", lambda: host._signal_all(GO)))
    return f"sshd of {host.name} and its sessions stopped"


def _troubled(world: World) -> str:
    return " ".join(what for what, _ in world.undo if "sshd" in what)


def cut(world: World) -> str:
    """The connections to one agent, and nothing else."""
    agent = world.draw.choice(list(world.homes))
    pids = attached(world.homes[agent])
    for host in world.hosts:
        if host.name == agent and host.process is not None and world.draw.random() < 0.7:
            pids = [pid for pid in _descendants(host.process.pid) if _command(pid).startswith("sshd")]
    for pid in pids:
        send(pid, KILL)
    return f"{len(pids)} processes of the connections to {agent} killed" if pids else ""


def kill_command(world: World) -> str:
    live = world.live()
    if not live:
        return ""
    command = world.draw.choice(live)
    command.shot = True
    send(command.process.pid, KILL)
    return f"killed: {command}"


def freeze_command(world: World) -> str:
    live = world.live()
    if not live:
        return ""
    command = world.draw.choice(live)
    world.held = True
    send(command.process.pid, STOP)
    world.undo.append((f"goes on: {command}", lambda: send(command.process.pid, GO)))
    return f"stopped: {command}"


def upgrade(world: World) -> str:
    """Newer code, or older again; whatever command comes next brings it to the agents."""
    number = world.draw.randrange(3)
    world.turn_to(number)
    return f"code {number}; {world.start('reconcile')}"


ACTS: dict[Act, int] = {  # how often each is drawn
    fire: 10, look: 3, reconcile: 3, end_run: 4, change: 3, kill_daemon: 5, end_daemon: 1, kill_step: 2,
    blackout: 2, freeze_daemon: 3, stop_sshd: 3, freeze_sshd: 1, cut: 3, kill_command: 6, freeze_command: 1,
    upgrade: 2,
}  # fmt: skip
FAULTS = {
    kill_daemon: "agent daemon killed -9",
    end_daemon: "agent daemon ended (SIGTERM)",
    kill_step: "process of a step killed -9",
    blackout: "daemon, its connections and every command killed -9 at once",
    freeze_daemon: "agent daemon stopped for a while (SIGSTOP)",
    stop_sshd: "sshd and its sessions killed -9, started again later",
    freeze_sshd: "sshd and its sessions stopped for a while (SIGSTOP)",
    cut: "connections to one agent killed -9",
    kill_command: "`xene` command killed -9",
    freeze_command: "`xene` command stopped for a while (SIGSTOP)",
    end_run: "run cancelled or killed by a user",
    change: "apply of a changed, removed or new workflow",
    upgrade: "agent code of another digest, newer or older",
}


def act(world: World) -> None:
    """One of them, by chance."""
    chosen = world.draw.choices(list(ACTS), list(ACTS.values()))[0]
    what = chosen(world)
    if what:
        world.done.append(what)
        world.faults[chosen.__name__] += 1
