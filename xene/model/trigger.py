"""Triggers: what starts a pipeline by itself. Pure.

A slot is one instant at which a cron trigger was due; its outcomes are named here, and the reasons that go with
them. Durations are seconds, instants are seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from xene.model.fields import Json, as_list, duration, kept, one_or_list, seconds, unless
from xene.model.records import dataclass, field
from xene.model.workflow import Scalar

NONE, LATEST, ALL = "none", "latest", "all"  # catchUp
CATCH_UPS = (NONE, LATEST, ALL)
SHIFT, SKIP = "shift", "skip"  # what becomes of a time of day that a day lacks
FIRST, BOTH = "first", "both"  # and of one that a day has twice
UTC = "UTC"
CATCH_UP_MOST = 100  # late slots that catchUp all starts at once
GITHUB, GITLAB, HMAC, BEARER = "github", "gitlab", "hmac-sha256", "bearer"  # how a webhook is verified
VERIFIES = (GITHUB, GITLAB, HMAC, BEARER)
WITHHELD = (
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-gitlab-token",
)  # headers that may hold a secret
PUNCTUAL = 60.0  # seconds: a slot that is found so soon after it was due is on time, and needs no catching up

# Outcomes of slots.
FIRED, SLOT_SKIPPED, MISSED, EXPIRED, SLOT_UNKNOWN = "fired", "skipped", "missed", "expired", "unknown"
SLOT_OUTCOMES = (FIRED, SLOT_SKIPPED, MISSED, EXPIRED, SLOT_UNKNOWN)

# Names of triggers that are no names of a manifest's triggers.
RESERVED = ("manual", "webhook", "pipeline", "backfill", "rerun")


@dataclass(frozen=True)
class Cron:
    """When a cron trigger is due, and what becomes of a slot that could not fire in time.

    `schedules` are cron expressions of 5 fields or `@hourly` and the like; `time_zone` is an IANA name.
    `starting_deadline` and `jitter` are seconds. `params` are given to each run.
    """

    schedules: Tuple[str, ...]
    time_zone: str = UTC
    catch_up: str = LATEST
    starting_deadline: Optional[float] = None
    jitter: float = 0.0
    gap: str = SHIFT
    fold: str = FIRST
    params: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Webhook:
    """What a webhook trigger takes, and what it makes of it.

    `secret` names the Secret object with which a delivery is verified as `verify` says. `when` is an expression
    over `event`, None where each delivery starts something; `params` are texts that may hold templates over it.
    """

    verify: str
    secret: str
    when: Optional[str] = None
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trigger:
    """One entry of a workflow's `triggers`: exactly one of `cron` and `webhook` is there."""

    name: str
    cron: Optional[Cron] = None
    description: str = ""
    webhook: Optional[Webhook] = None


def cron_to_json(cron: Cron) -> Json:
    return kept(
        schedule=one_or_list(cron.schedules),
        timeZone=unless(cron.time_zone, UTC),
        catchUp=unless(cron.catch_up, LATEST),
        startingDeadline=duration(cron.starting_deadline),
        jitter=duration(cron.jitter or None),
        dst=kept(gap=unless(cron.gap, SHIFT), fold=unless(cron.fold, FIRST)),
        params=dict(cron.params),
    )


def cron_from_json(data: Mapping[str, Any]) -> Cron:
    """The inverse of `cron_to_json`; `data` has passed the schema."""
    dst = data.get("dst", {})
    return Cron(
        schedules=tuple(as_list(data["schedule"])),
        time_zone=data.get("timeZone", UTC),
        catch_up=data.get("catchUp", LATEST),
        starting_deadline=seconds(data.get("startingDeadline")),
        jitter=seconds(data.get("jitter")) or 0.0,
        gap=dst.get("gap", SHIFT),
        fold=dst.get("fold", FIRST),
        params=data.get("params", {}),
    )


def webhook_to_json(webhook: Webhook) -> Json:
    return kept(
        verify=webhook.verify, secretRef=webhook.secret, when=webhook.when, params=dict(webhook.params)
    )


def webhook_from_json(data: Mapping[str, Any]) -> Webhook:
    """The inverse of `webhook_to_json`; `data` has passed the schema."""
    return Webhook(data["verify"], data["secretRef"], data.get("when"), data.get("params", {}))


def trigger_to_json(trigger: Trigger) -> Json:
    cron, webhook = trigger.cron, trigger.webhook
    return kept(
        description=trigger.description,
        cron=None if cron is None else cron_to_json(cron),
        webhook=None if webhook is None else webhook_to_json(webhook),
    )


def triggers_from_json(data: Mapping[str, Any]) -> Dict[str, Trigger]:
    """The triggers of a workflow, from its JSON under `triggers`."""
    return {name: _trigger(name, body) for name, body in data.items()}


def _trigger(name: str, body: Mapping[str, Any]) -> Trigger:
    cron, webhook = body.get("cron"), body.get("webhook")
    return Trigger(
        name,
        None if cron is None else cron_from_json(cron),
        body.get("description", ""),
        None if webhook is None else webhook_from_json(webhook),
    )
