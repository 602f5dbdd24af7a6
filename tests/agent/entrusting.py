"""What control does for triggers, in a few lines: charges made, entrusted and assigned over a probe."""

from __future__ import annotations

import base64
import functools
import time
import zoneinfo
from importlib import resources
from pathlib import Path
from typing import Any

from tests.agent.probe import Probe, one_step
from xene.model import codec
from xene.model.charge import Charge, Duty, tag
from xene.model.trigger import Cron
from xene.wire import messages

MINUTELY = "* * * * *"
NIGHTLY = "30 2 * * *"


@functools.cache
def zone_bytes(name: str) -> bytes:
    for root in zoneinfo.TZPATH:
        path = Path(root) / name
        if path.is_file():
            return path.read_bytes()
    package, _, file = f"tzdata.zoneinfo/{name}".rpartition("/")
    return resources.files(package.replace("/", ".")).joinpath(file).read_bytes()


def zones(*names: str) -> dict[str, str]:
    return {name: base64.b64encode(zone_bytes(name)).decode() for name in names or ("UTC",)}


def charge(
    pipeline: dict[str, Any] | None = None,
    name: str = "main",
    *,
    since: float,
    trigger: str = "tick",
    params: dict[str, Any] | None = None,
    **more: Any,
) -> Charge:
    """A charge with one trigger; words of `Cron` and of `Charge` are told apart by their names."""
    body = {"concurrencyPolicy": "Allow", **(one_step("true") if pipeline is None else pipeline)}
    spec = codec.executable_spec({"spec": {"pipelines": {name: body}}}, name)
    of_cron = {word: more.pop(word) for word in list(more) if word in Cron.__dataclass_fields__}
    cron = Cron(**{"schedules": (MINUTELY,), **of_cron})
    duties = more.pop("duties", {trigger: Duty(cron, cron.time_zone, since, params or {})})
    return Charge("flow", name, codec.digest(spec), spec, "probe", {}, {}, duties, **more)


def tag_of(charge: Charge) -> str:
    return tag(charge.revision, codec.digest(charge.to_json()))


def key_of(charge: Charge) -> str:
    return f"{charge.workflow}/{charge.pipeline}"


def entrust(probe: Probe, *charges: Charge, secrets: dict[str, str] | None = None) -> None:
    wanted = {key_of(each): [tag_of(each), each.to_json(), secrets or {}] for each in charges}
    names = {duty.zone for each in charges for duty in each.duties.values()}
    probe.say(messages.entrust(probe.epoch, wanted, zones(*names)))


def assign(probe: Probe, *charges: Charge, autostart: str = "none", **plain: str) -> None:
    wanted = {key_of(each): tag_of(each) for each in charges} | plain
    probe.say(messages.assign(probe.epoch, wanted, 4, autostart=autostart))


def hold(probe: Probe, *charges: Charge, secrets: dict[str, str] | None = None, **more: Any) -> None:
    """Entrust and assign, and wait until it is confirmed."""
    entrust(probe, *charges, secrets=secrets)
    assign(probe, *charges, **more)
    probe.wait(lambda: all(confirmed(probe, each) for each in charges))


def confirmed(probe: Probe, charge: Charge) -> bool:
    said = [e["set"] for e in probe.events if e["type"] == "assigned" and key_of(charge) in e["set"]]
    return bool(said) and said[-1][key_of(charge)] == tag_of(charge)


def fired(probe: Probe) -> list[dict[str, Any]]:
    return [event for event in probe.events if event["type"] == "run.accepted" and "fired" in event]


def settled(probe: Probe) -> list[tuple[str, str, int]]:
    return [
        (event["outcome"], event["reason"], at)
        for event in probe.events
        if event["type"] == "slots.settled"
        for at in event["slots"]
    ]


def minute(ago: float = 0.0) -> int:
    """The last whole minute, so many seconds ago."""
    return int((time.time() - ago) // 60 * 60)
