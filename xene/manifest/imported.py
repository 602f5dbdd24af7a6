"""Manifests made of a crontab: one workflow, with one pipeline and one trigger for each line. Pure.

Called by `xene import crontab`. What cron does is kept: the shell, the directory, the variables, the input, the
time zone, that nothing is caught up and that runs may overlap. What cannot be kept is said in comments.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple

from xene.engine.texts import OPEN
from xene.manifest import emit, job_names
from xene.manifest.cron_times import Times, times
from xene.manifest.crontab import Crontab, Job
from xene.manifest.zones import zone_bytes

Variables = Mapping[str, str]

# What cron sets where the crontab does not.
_DEFAULTS = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
MAILTO = "MAILTO"
_MAIL = (MAILTO, "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")
_ZONE, _DELAY = "CRON_TZ", "RANDOM_DELAY"
_CRONS_OWN = frozenset({*_MAIL, _ZONE, _DELAY, "LOGNAME", "START_HOURS_RANGE"})
_ADDRESS = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,255}\Z")
_VARIABLE = re.compile(r"(?!XENE_)[A-Za-z_][A-Za-z0-9_]{0,255}\Z")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"})


class Imported(NamedTuple):
    """The manifest, how many lines became pipelines, and (line number, why) of what was not kept."""

    text: str
    pipelines: int
    dropped: tuple[tuple[int, str], ...]


class _Kept(NamedTuple):
    """A job that can be kept."""

    job: Job
    times: Times
    zone: str
    jitter: int  # minutes
    env: Variables


def imported(crontab: Crontab, name: str, origin: str, zone: str, agent: str | None = None) -> Imported:
    """A workflow called `name` with the jobs of `crontab`, pinned to `agent` where that is given.

    `origin` says in words where the crontab comes from; `zone` is the time zone of its machine.
    """
    kept: list[_Kept] = []
    dropped = [(number, f"this is no line of a crontab: {text}") for number, text in crontab.odd]
    dropped += _lost_variables(crontab)
    for job in crontab.jobs:
        try:
            kept.append(_kept(job, zone))
        except ValueError as error:
            dropped.append((job.number, f"{job.text}\n{error}"))
    dropped.sort()
    head = emit.comment(_head(crontab, origin, zone, dropped))
    if not kept:
        return Imported(head, 0, tuple(dropped))
    names = job_names.names(each.job.command for each in kept)
    body, comments = _workflow(name, origin, dict(zip(names, kept, strict=True)), agent)
    return Imported(head + emit.annotated(body, comments), len(kept), tuple(dropped))


def _lost_variables(crontab: Crontab) -> list[tuple[int, str]]:
    return [
        (number, f"a variable {name} cannot be set")
        for number, name, _ in crontab.variables
        if not _VARIABLE.match(name)
    ]


def _kept(job: Job, zone: str) -> _Kept:
    """Raises ValueError with a sentence for a job that cannot be kept."""
    if OPEN in job.command + (job.input or ""):
        raise ValueError(f"it holds {OPEN}, which a manifest takes for the beginning of a template")
    wanted = job.variables.get(_ZONE) or zone
    try:
        zone_bytes(wanted)
    except KeyError:
        raise ValueError(f"there is no time zone {wanted}") from None
    delay = job.variables.get(_DELAY, "")
    jitter = int(delay) if re.fullmatch(r"[0-9]{1,4}", delay) else 0
    return _Kept(job, times(job.when, job.text), wanted, jitter, _env(job))


def _env(job: Job) -> Variables:
    own = {
        name: value.replace(OPEN, "${{ '" + OPEN + "' }}")
        for name, value in job.variables.items()
        if _VARIABLE.match(name) and name not in _CRONS_OWN and not (name == "SHELL" and not value)
    }
    return {**_DEFAULTS, **({"LOGNAME": job.user} if job.user else {}), **own}


def _head(crontab: Crontab, origin: str, zone: str, dropped: list[tuple[int, str]]) -> list[str]:
    """What is said above the workflow."""
    form = "a system crontab" if crontab.system else "a user's crontab"
    lines = [f"Made by xene import crontab, from {origin}, {form}."]
    if any(_ZONE not in job.variables for job in crontab.jobs):
        lines.append(f"Times are those of {zone}, the time zone of the machine on which it was made.")
    if crontab.system:
        lines += [
            "Each line names a user: the agent that takes its pipeline must be of that user, else it fails."
        ]
    for number, name, value in crontab.variables:
        if name in _MAIL and value:
            lines.append(f"Line {number}, {name}={value}: {_of_mail(name, value)}")
    if dropped:
        lines += ["", "Not kept:"]
        for number, why in dropped:
            first, *rest = why.split("\n")
            lines += [f"  line {number}: {first}", *(f"    {line}" for line in rest)]
    return lines


def _of_mail(name: str, value: str) -> str:
    """What becomes of a setting of cron's mails."""
    if name != MAILTO:
        return "mails of Xene have no such setting."
    if not addresses(value):
        return "no address to which a notice could be mailed; what a job prints is in xene logs."
    return "gets a mail when a job fails or is missed; what it prints is in xene logs."


def addresses(value: str) -> list[str]:
    """Those of a MAILTO that mail can be sent to from anywhere: a bare `root` is one of a machine."""
    return list(dict.fromkeys(each.strip() for each in value.split(",") if _ADDRESS.match(each.strip())))


def _notify(job: Job) -> list[dict[str, Any]]:
    to = addresses(job.variables.get(MAILTO, ""))
    return [{"on": ["Error", "Missed"], "email": {"to": to}}] if to else []


def _workflow(
    name: str, origin: str, jobs: Mapping[str, _Kept], agent: str | None
) -> tuple[dict[str, Any], dict[emit.Path, list[str]]]:
    """The workflow, and the comments of its pipelines."""
    shared = _shared([each.env for each in jobs.values()])
    pipelines = {each: _pipeline(each, kept, shared, agent) for each, kept in jobs.items()}
    spec = {
        "env": shared,
        "triggers": {each: {"cron": _cron(kept)} for each, kept in jobs.items()},
        "pipelines": pipelines,
    }
    head = {"apiVersion": "xene/v1", "kind": "Workflow", "metadata": {"name": name}}
    comments: dict[emit.Path, list[str]] = {
        ("spec", "pipelines", each): _said(kept) for each, kept in jobs.items()
    }
    return {**head, "description": f"The jobs of {origin}"[:4096], "spec": spec}, comments


def _shared(envs: list[Variables]) -> dict[str, str]:
    """What is the same in all of them."""
    return {name: value for name, value in envs[0].items() if all(env.get(name) == value for env in envs)}


def _cron(kept: _Kept) -> dict[str, Any]:
    cron = {"schedule": kept.times.schedule, "timeZone": kept.zone, "catchUp": "none"}
    return {**cron, "jitter": f"{kept.jitter}m"} if kept.jitter else cron


def _pipeline(name: str, kept: _Kept, shared: Variables, agent: str | None) -> dict[str, Any]:
    own = {key: value for key, value in kept.env.items() if key not in shared}
    return {
        "triggers": [name],
        **({"env": own} if own else {}),
        **({"placement": {"agent": agent}} if agent else {}),
        "concurrencyPolicy": "Allow",
        **({"notify": told} if (told := _notify(kept.job)) else {}),
        "tasks": {"job": {"steps": _steps(kept.job, kept.env["SHELL"])}},
    }


def _steps(job: Job, shell: str) -> list[dict[str, Any]]:
    """The command as cron starts it: by the shell, from the home directory, with its input."""
    script = [*_check(job.user), "cd || exit", *_here(job.input)]
    if shell.rpartition("/")[2] in _SHELLS:
        arguments = [shell, "-c", "\n".join([*script, job.command])]
    else:
        arguments = ["/bin/sh", "-c", "\n".join([*script, 'exec "$0" -c "$1"']), shell, job.command]
    return [{"name": "run", "exec": arguments}]


def _check(user: str | None) -> list[str]:
    """A line of a script that lets nobody else run what was this user's, be it with more rights or with fewer."""
    told = f'echo "cron ran this as {user}, and this agent is $(id -un)" >&2'
    return [f'[ "$(id -un)" = {user} ] || {{ {told}; exit 77; }}'] if user else []


def _here(given: str | None) -> list[str]:
    """Lines of a script that have what follows read `given`."""
    if not given:
        return []
    mark = "INPUT"
    while mark in given.split("\n"):
        mark += "_"
    return [f"exec <<'{mark}'", given.removesuffix("\n"), mark]


def _said(kept: _Kept) -> list[str]:
    """The comments of one pipeline."""
    return [*kept.job.comments, f"Line {kept.job.number}: {kept.job.text}", *filter(None, [kept.times.note])]
