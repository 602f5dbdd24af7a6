"""Checks of a workflow's triggers, each for itself: name, schedules, zone, limits, what a webhook names. Pure.

Called by `checks`; what the pipelines make of them is checked by `triggered`. A workflow without triggers costs
nothing here: what reads cron expressions and zones is not even imported.
"""

from __future__ import annotations

import re
from typing import Any, Iterator

from xene.manifest import places, templates
from xene.manifest.durations import duration_findings, seconds_of
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, text
from xene.manifest.problems import closest, listed, quoted
from xene.manifest.reach import OF_WEBHOOK
from xene.model.trigger import RESERVED


def trigger_findings(spec: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with `triggers` of a workflow and of its pipelines. `path` leads to the workflow's `spec`."""
    triggers, pipelines = fields(spec, "triggers"), fields(spec, "pipelines")
    for name, trigger in triggers.items():
        place = (*path, "triggers", name)
        if name in RESERVED:
            message = f"{quoted(name)} may not be the name of a trigger: runs use it to say how they began"
            yield Finding(place, "bad-name", message, f"reserved are {listed(RESERVED)}", at_key=True)
        if fields(trigger, "cron"):
            yield from _cron(fields(trigger, "cron"), (*place, "cron"))
        if fields(trigger, "webhook"):
            found = places.of(fields(trigger, "webhook"), places.WEBHOOK, (*place, "webhook"))
            yield from templates.findings(found, lambda: OF_WEBHOOK)
    if triggers or any(
        "triggers" in pipeline for pipeline in pipelines.values() if isinstance(pipeline, dict)
    ):
        from xene.manifest.triggered import triggered_findings

        yield from triggered_findings(triggers, pipelines, path)


def _cron(cron: Any, path: Path) -> Iterator[Finding]:
    yield from duration_findings(cron, path, ("startingDeadline", "jitter"))
    yield from _schedules(cron, path)
    yield from _zone(cron, path)
    deadline, jitter = _seconds(cron, "startingDeadline"), _seconds(cron, "jitter")
    if deadline and jitter and jitter >= deadline:
        message = (
            "'jitter' must be shorter than 'startingDeadline', since it may put off the start for so long"
        )
        yield Finding((*path, "jitter"), "wrong-value", message)


def _seconds(cron: Any, key: str) -> float | None:
    written = text(cron, key)
    return seconds_of(written) if written else None


def _schedules(cron: Any, path: Path) -> Iterator[Finding]:
    """Expressions that are none, or are there twice; and `dst` where it has no meaning."""
    from xene.engine.cron import ALIASES, parse

    seen: dict[str, str] = {}
    fixed, sound = False, True
    for place, written in _written(cron, (*path, "schedule")):
        try:
            fixed |= parse(written).fixed
        except ValueError as error:
            sound = False
            yield Finding(place, "bad-schedule", str(error))
            continue
        plain = " ".join(written.lower().split())
        other = seen.setdefault(ALIASES.get(plain, plain), written)
        if other is not written and other != written:
            message = f"{quoted(written)} means the same as {quoted(other)}, which is in the list already"
            yield Finding(place, "wrong-value", message)
    if seen and sound and not fixed and fields(cron, "dst"):
        message = "'dst' is for schedules with a fixed hour, and here is none"
        hint = "the others are due in every minute that matches, whatever the clocks do; leave 'dst' out"
        yield Finding((*path, "dst"), "wrong-value", message, hint, at_key=True)


def _written(cron: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The schedules as they are written; empty ones the schema refuses."""
    found = cron.get("schedule")
    if isinstance(found, str) and found:
        yield path, found
    for index, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, str) and each:
            yield (*path, index), each


def _zone(cron: Any, path: Path) -> Iterator[Finding]:
    from xene.manifest import zones

    name = text(cron, "timeZone")
    if not name:
        return
    try:
        zones.zone_of(name)
    except KeyError:
        message = f"there is no time zone {quoted(name)}"
        yield Finding((*path, "timeZone"), "unknown-zone", message, _zone_meant(name, zones.names()))
    except ValueError as error:
        message = f"the time zone {quoted(name)} cannot be read on this host: {error}"
        yield Finding((*path, "timeZone"), "unknown-zone", message, "install the package tzdata anew")


def _zone_meant(name: str, known: list[str]) -> str:
    """The zone of a city whose continent was left out, or the nearest name."""
    if re.search(r"[+-][0-9]", name):
        return "a fixed offset is a zone too, with its sign turned round: Etc/GMT-2 is two hours ahead of UTC"
    city = name.replace(" ", "_").lower()
    found = [zone for zone in known if zone.lower() == city or zone.lower().endswith("/" + city)]
    near = found[0] if found else closest(name, known)
    if near is not None:
        return f"did you mean {quoted(near)}?"
    return "zones are named as in the IANA database, for example Europe/Berlin or UTC"
