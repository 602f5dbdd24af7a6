"""What control and agent say to each other. Pure; the constructors are the only places where messages are made.

Every message of control carries `epoch`; an agent refuses a lower one than it has seen (type `refused`).

| control says | fields                                                                                     |
|--------------|--------------------------------------------------------------------------------------------|
| hello        | role (control or reader), version, journal (uuid or null), after (n of the last event stored) |
| entrust      | charges {WORKFLOW/PIPELINE: [tag, Charge, secrets {VARIABLE: value}]}, zones {NAME: base64}: |
|              | kept in memory until the `assign` that names the tag; may come in several pieces            |
| assign       | all {WORKFLOW/PIPELINE: tag}: the whole set that belongs to this agent; capacity;           |
|              | unconfirmed [WORKFLOW/PIPELINE]: to be reported even where nothing changes;                 |
|              | autostart (cron, systemd, none): how the daemon is to come back after a reboot, while it    |
|              | holds a cron trigger. A tag whose charge has not come, or is bad, is not confirmed (failed) |
| granted      | boot, up: the agent's own reading when it asked; leases hold from there                     |
| start        | order (RunOrder), secrets {VARIABLE: value}            idempotent by the run's id          |
| unlock       | run, secrets                         the values again, for an agent that may have lost them |
| cancel       | run, kill, reason (Cancelled, Replaced)                idempotent                          |
| answer       | run, task, approved, message                           to an approval that is asked for    |
| retry        | run, attempt, start (a task, or null)                  idempotent by the attempt           |
| release      | runs [id], workspaces [id]      logs are archived: forget these runs / drop these workspaces |
| follow       | id, run, task, step, attempt (null: all), offsets {SEQ: bytes}, tail, live: push the logs   |
| fetch        | id, run, task, name, offset                  push an artifact that the task has collected    |
| stow         | id, run, sha256, size, offset, + blob        a piece of an artifact that `run` will need     |
| sweep        | id, dry, agents [those of the state], forget [ended runs]: free what nobody needs; for      |
|              | readers too                                                                                |
| ping         |                                                        to be answered at once              |
| stop         |                                                        end the daemon; steps go on         |

| agent says   | fields                                                                                     |
|--------------|--------------------------------------------------------------------------------------------|
| hello        | version, journal, last (n), boot, facts; forgot [n, at] where records of slots were dropped |
| events       | events [{n, type, at, ...}]                            oldest first                        |
| log          | id, run, task, step, attempt, seq, offset, size, + blob    one piece                       |
| followed     | id, run, files [{task, step, attempt, seq, size}]          all of it was sent              |
| artifact     | id, offset, size, + blob                                   one piece of what was fetched   |
| fetched      | id, size                                                   all of it was sent              |
| stowed       | id, sha256, have      bytes that are safe here; all of them only once the sha256 holds     |
| swept        | id, bytes, what [{what, count, bytes}], ended [runs that ended a day ago and are still here] |
| lease        | boot, up: its CLOCK_BOOTTIME now, at: its wall clock; it asks to go on with what may be    |
|              | replaced. Right after its hello, and every third of its shortest lease                      |
| pong         |                                                            the answer to a ping            |
| refused      | code (StaleEpoch, ...), message                                                            |
| failed       | id, message                                            a request that cannot be answered   |
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from xene.model import phases

Message = Dict[str, Any]


def hello_from_control(epoch: int, role: str, version: str, journal: Optional[str], after: int) -> Message:
    return {
        "type": "hello",
        "epoch": epoch,
        "role": role,
        "version": version,
        "journal": journal,
        "after": after,
    }


def assign(
    epoch: int,
    wanted: Mapping[str, str],
    capacity: Optional[int],
    unconfirmed: Optional[List[str]] = None,
    autostart: str = "none",
) -> Message:
    return {
        "type": "assign",
        "epoch": epoch,
        "all": dict(wanted),
        "capacity": capacity,
        "unconfirmed": list(unconfirmed or []),
        "autostart": autostart,
    }


def entrust(epoch: int, charges: Mapping[str, Any], zones: Mapping[str, str]) -> Message:
    """Charges by pipeline as `[tag, charge, secrets]`, for the `assign` that follows."""
    return {"type": "entrust", "epoch": epoch, "charges": dict(charges), "zones": dict(zones)}


def granted(epoch: int, boot: str, up: float) -> Message:
    return {"type": "granted", "epoch": epoch, "boot": boot, "up": up}


def start(epoch: int, order: Mapping[str, Any], secrets: Optional[Mapping[str, str]] = None) -> Message:
    return {"type": "start", "epoch": epoch, "order": order, "secrets": dict(secrets or {})}


def unlock(epoch: int, run: str, secrets: Mapping[str, str]) -> Message:
    return {"type": "unlock", "epoch": epoch, "run": run, "secrets": dict(secrets)}


def cancel(epoch: int, run: str, kill: bool, reason: str = phases.CANCELLED) -> Message:
    return {"type": "cancel", "epoch": epoch, "run": run, "kill": kill, "reason": reason}


def answer(epoch: int, run: str, task: str, approved: bool, message: str) -> Message:
    return {
        "type": "answer",
        "epoch": epoch,
        "run": run,
        "task": task,
        "approved": approved,
        "message": message,
    }


def retry(epoch: int, run: str, attempt: int, start: Optional[str]) -> Message:
    return {"type": "retry", "epoch": epoch, "run": run, "attempt": attempt, "start": start}


def release(epoch: int, runs: List[str], workspaces: List[str]) -> Message:
    return {"type": "release", "epoch": epoch, "runs": runs, "workspaces": workspaces}


def follow(
    epoch: int,
    request: int,
    run: str,
    *,
    live: bool,
    task: Optional[str] = None,
    step: Optional[str] = None,
    attempt: Optional[int] = None,
    offsets: Optional[Mapping[str, int]] = None,
    tail: Optional[int] = None,
) -> Message:
    """Push the logs of `run` (or of one task, step, attempt) from `offsets`, bytes by the step's `seq`.

    `tail`: only the last so many lines of each file. `live`: go on until the run has ended.
    """
    return {
        "type": "follow",
        "epoch": epoch,
        "id": request,
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "offsets": dict(offsets or {}),
        "tail": tail,
        "live": live,
    }


def fetch(epoch: int, request: int, run: str, task: str, name: str, offset: int) -> Message:
    """Push the artifact `name` of a task from byte `offset` on."""
    return {
        "type": "fetch",
        "epoch": epoch,
        "id": request,
        "run": run,
        "task": task,
        "name": name,
        "offset": offset,
    }


def stow(epoch: int, request: int, run: str, sha256: str, size: int, offset: int) -> Message:
    """Keep the piece at `offset` of an artifact of `size` bytes for `run`; without bytes it asks how far it is."""
    return {
        "type": "stow",
        "epoch": epoch,
        "id": request,
        "run": run,
        "sha256": sha256,
        "size": size,
        "offset": offset,
    }


def sweep(epoch: int, request: int, dry: bool, agents: List[str], forget: List[str]) -> Message:
    """Free what nobody needs any more; `dry`: only say what that would be."""
    return {
        "type": "sweep",
        "epoch": epoch,
        "id": request,
        "dry": dry,
        "agents": agents,
        "forget": forget,
    }


def ping(epoch: int) -> Message:
    return {"type": "ping", "epoch": epoch}


def stop(epoch: int) -> Message:
    return {"type": "stop", "epoch": epoch}


def hello_from_agent(version: str, journal: str, last: int, boot: str, facts: Mapping[str, Any]) -> Message:
    return {
        "type": "hello",
        "version": version,
        "journal": journal,
        "last": last,
        "boot": boot,
        "facts": dict(facts),
    }


def events(batch: List[Dict[str, Any]]) -> Message:
    return {"type": "events", "events": batch}


def log(
    request: int, run: str, task: str, step: str, attempt: int, seq: int, offset: int, size: int
) -> Message:
    return {
        "type": "log",
        "id": request,
        "run": run,
        "task": task,
        "step": step,
        "attempt": attempt,
        "seq": seq,
        "offset": offset,
        "size": size,
    }


def followed(request: int, run: str, files: List[Dict[str, Any]]) -> Message:
    return {"type": "followed", "id": request, "run": run, "files": files}


def artifact(request: int, offset: int, size: int) -> Message:
    return {"type": "artifact", "id": request, "offset": offset, "size": size}


def fetched(request: int, size: int) -> Message:
    return {"type": "fetched", "id": request, "size": size}


def stowed(request: int, sha256: str, have: int) -> Message:
    return {"type": "stowed", "id": request, "sha256": sha256, "have": have}


def swept(request: int, size: int, what: List[Dict[str, Any]], ended: List[str]) -> Message:
    return {"type": "swept", "id": request, "bytes": size, "what": what, "ended": ended}


def lease(boot: str, up: float, at: float) -> Message:
    return {"type": "lease", "boot": boot, "up": up, "at": at}


def pong() -> Message:
    return {"type": "pong"}


def refused(code: str, message: str) -> Message:
    return {"type": "refused", "code": code, "message": message}


def failed(request: Optional[int], message: str) -> Message:
    return {"type": "failed", "id": request, "message": message}
