"""Reading the state for `get`, `describe` and `why`: rows of a kind, or one row by its name.

The only place in `commands` that knows how `store.views` is asked for a kind. It only reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping

from xene.commands import kinds
from xene.commands.kinds import Kind
from xene.commands.tables import Row
from xene.commands.text import did_you_mean
from xene.errors import NotFound, Usage
from xene.model import phases
from xene.model.trigger import SLOT_OUTCOMES
from xene.model.units import rfc3339
from xene.store import views
from xene.store.db import State

PHASES: Mapping[str, tuple[str, ...]] = {
    "pipelines": (phases.SCHEDULED, phases.NOT_SCHEDULED),
    "runs": phases.RUN_PHASES,
    "agents": (phases.READY, phases.NOT_READY, phases.UNTRUSTED, phases.UNREACHABLE),
}
OUTCOMES: Mapping[str, tuple[str, ...]] = {"runs": ("success", "error"), "slots": SLOT_OUTCOMES}
# Which filters a kind has; the others are refused rather than passed over.
FILTERS: Mapping[str, tuple[str, ...]] = {
    "workflows": ("selector",),
    "pipelines": ("selector", "phase"),
    "runs": ("selector", "phase", "outcome", "since"),
    "agents": ("selector", "phase"),
    "secrets": ("selector",),
    "templates": ("selector",),
    "slots": ("selector", "outcome", "since"),
    "events": ("since",),
    "tokens": (),
}


@dataclass(frozen=True)
class Filter:
    """What `get` was asked for. `since` is in seconds since 1970."""

    selector: str | None = None
    phase: str | None = None
    outcome: str | None = None
    since: float | None = None
    limit: int | None = None

    def checked(self, kind: Kind) -> dict[str, Any]:
        """The arguments of the view of `kind`. Raises Usage for a filter or a word that it does not have."""
        for name in ("selector", "phase", "outcome", "since"):
            if getattr(self, name) is not None and name not in FILTERS[kind.name]:
                raise Usage(f"{kind.name} cannot be listed by {name}")
        given: dict[str, Any] = {"limit": self.limit}
        if self.phase is not None:
            given["phase"] = _word(self.phase, PHASES[kind.name], "phase")
        if self.outcome is not None:
            given["outcome"] = _word(self.outcome, OUTCOMES[kind.name], "outcome")
        if self.since is not None:
            given["since"] = self.since
        if self.selector is not None:
            given["labels"] = _labels(self.selector)
        return given


def _word(text: str, known: tuple[str, ...], what: str) -> str:
    for word in known:
        if word.lower() == text.lower():
            return word
    hint = did_you_mean(text, known) or f"there are {', '.join(known)}"
    raise Usage(f"no such {what}: {text}", hint=hint)


def _labels(selector: str) -> Callable[[Mapping[str, str]], bool]:
    from xene.plan import selectors

    requirements = selectors.parse(selector)
    return lambda labels: selectors.matches(requirements, labels)


def rows(state: State, kind: Kind, wanted: Filter) -> list[Row]:
    """The rows of `kind` that `wanted` lets through, as the JSON of SPEC 4."""
    read: Callable[..., list[Row]] = getattr(views, kind.name)
    return read(state, **wanted.checked(kind))


def one(state: State, kind: Kind, name: str) -> Row:
    """The row of `kind` that `name` names. Raises NotFound with a did-you-mean."""
    if kind is kinds.RUNS:
        return views.run(state, views.resolve_run(state, name))
    if kind is kinds.PIPELINES:
        workflow, pipeline = views.resolve_pipeline(state, name)
        return views.pipelines(state, workflow=workflow, name=pipeline)[0]
    if kind is kinds.SLOTS:
        return _slot(state, name)
    if kind is kinds.EVENTS:
        raise Usage("an event has no name", hint=f"'xene get events {name}' lists those of one object")
    read: Callable[..., list[Row]] = getattr(views, kind.name)
    found = read(state, name=name)
    if not found:
        known = [kind.key(row) for row in read(state)]
        raise NotFound(
            f"there is no {kind.one} {name}", hint=did_you_mean(name, known) or f"xene get {kind.name}"
        )
    return found[0]


def slots_of(state: State, name: str, wanted: Filter) -> list[Row]:
    """Slots of `WORKFLOW[/PIPELINE[/TRIGGER]][@TIME]`, newest first. Raises NotFound where there is no trigger."""
    found = views.resolve_slots(state, name)
    at = found.pop("at", None)
    asked = wanted.checked(kinds.SLOTS)
    if at is None:
        return views.slots(state, **found, **asked)
    rows = views.slots(state, **found, **{**asked, "since": at, "limit": None})
    return [row for row in rows if row["at"] == rfc3339(at)][: wanted.limit]


def _slot(state: State, name: str) -> Row:
    """The slot that is named, or the newest of those. Raises NotFound."""
    found = slots_of(state, name, Filter(limit=1))
    if not found:
        raise NotFound(
            f"there is no slot {name} yet", hint="xene get slots; xene schedule shows what is ahead"
        )
    return found[0]


def events_of(state: State, name: str, wanted: Filter) -> list[Row]:
    """Events of the object that `name` or `kind/name` names. None where nothing ever happened to it."""
    kind, _, rest = name.partition("/")
    if rest and kind.lower() in ("r", "run", "runs") and "/" in rest:
        rest = views.resolve_run(state, rest)  # WORKFLOW/PIPELINE is its newest run here too
    found = [k for k in kinds.ALL if rest and kind.lower() in (k.name, k.one, *k.short)]
    asked: dict[str, Any] = {"kind": found[0].object, "name": rest} if found else {"name": name}
    return views.events(state, **asked, **wanted.checked(kinds.EVENTS))
