"""Making the state match a repository of manifests, and telling the agents. Called by `apply` and `diff`.

`plan` decides what changes and whether it may; this writes it in one transaction, in which the plan is made once
more: what was shown is what is done, or nothing.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from xene.control import calendar, future, lock, revisions
from xene.control.drive import drive
from xene.control.place import Place
from xene.control.sessions import Open, open_channel
from xene.control.told import Told
from xene.errors import Conflict, InvalidManifest
from xene.manifest.repository import Entry, Repository
from xene.model import phases
from xene.model.workflow import MOVE
from xene.plan import guards, next_fires
from xene.plan.diff import CHANGED, CREATED, REMOVED, Plan, Thing, diff
from xene.plan.next_fires import NextFire
from xene.plan.overrides import Override
from xene.plan.placement import Decision
from xene.store import agents, db, events, objects, views
from xene.store.db import State

SOURCE, APPLIED = "Source", "Applied"  # kind and reason of the event that tells of an apply


@dataclass(frozen=True)
class Options:
    """The flags of `apply`. `terminal`: somebody is there to be asked. `source`: whose the objects shall be.

    `revision` is recorded with what is done; None: that of the directory, where git knows it.
    """

    prune: bool = True
    allow_empty: bool = False
    take_over: bool = False
    yes: bool = False
    terminal: bool = False
    if_unchanged: str | None = None
    source: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Preview:
    """What an apply would do. `decisions` and `was` by `WORKFLOW/PIPELINE`; `keeping` are ids of runs under way.

    `unheard` are agents that never answered: what they are, and so what goes there, is a guess. `overrides` are
    what people said on top of these objects; it stays.
    """

    source: str
    plan: Plan
    decisions: Mapping[str, Decision]
    was: Mapping[str, str | None]
    keeping: Sequence[str]
    unheard: Sequence[str] = ()
    next_fires: Sequence[NextFire] = ()  # those that change
    overrides: Sequence[Override] = ()


@dataclass(frozen=True)
class Applied:
    """What was done. `untold` are agents that could not be told, with why; `unscheduled` pipelines as JSON.

    `stopping` are pipelines of these manifests that want a lease, where nobody is at work who renews it.
    """

    plan: Plan
    untold: Mapping[str, str] = field(default_factory=dict)
    unscheduled: Sequence[Mapping[str, Any]] = ()
    stopping: Sequence[str] = ()


def known(place: Place) -> set[tuple[str, str]]:
    """(kind, name) of what references may name beside the repository: the objects of the state."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        found = set(objects.index(conn))
        return found | {("Agent", row.name) for row in agents.every(conn) if not row.leaving}


def templates(place: Place) -> dict[str, dict[str, Any]]:
    """The JSON of the state's task templates by name, for what uses one that is not in the repository."""
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        return objects.templates(conn)


def preview(place: Place, repository: Repository, options: Options) -> Preview:
    """The plan, and where each pipeline would be placed. Writes nothing. Raises InvalidManifest."""
    _refuse_problems(repository)
    with db.open_for_reading(place.state) as state, state.snapshot() as conn:
        plan = make_plan(state, repository, options)
        for change in plan.changes:
            _ = change.fields  # now, while the state is open
        after = future.After(state, repository, plan)
        old, new = calendar.before_and_after(conn, repository, plan)
        return Preview(
            source=_source(repository, options),
            plan=plan,
            decisions=future.place_all(after),
            was=after.was,
            keeping=after.keeping(),
            unheard=after.unheard,
            next_fires=next_fires.changes(old, new, calendar.zones_of([*old, *new]), time.time()),
            overrides=after.overrides(),
        )


def apply(
    place: Place,
    repository: Repository,
    options: Options,
    ask: Callable[[str], bool],
    *,
    open: Open = open_channel,
) -> Applied:
    """Write the plan and tell the agents; up to 10 s for first contact with new ones.

    `ask` is asked before objects are removed, on a terminal. Raises InvalidManifest, Conflict, Storage.
    """
    _refuse_problems(repository)
    with db.open_for_reading(place.state) as state:
        with state.snapshot():
            plan = make_plan(state, repository, options)
        agreed = _judge(plan, options, ask)
        if not plan.differs and _is_settled(state):
            return Applied(plan, {}, _unscheduled(state), _stopping(place, repository))
    stopping = _stopping(place, repository)
    with db.open_state(place.state) as state:
        if plan.differs:
            plan = _write(state, repository, options, agreed)
    wish = Told()
    drive(place, wish, open=open)
    with db.open_for_reading(place.state) as state:
        return Applied(plan, wish.untold, _unscheduled(state), stopping)


def _stopping(place: Place, repository: Repository) -> list[str]:
    """Asked before this process is itself at work: an apply is over long before the lease is."""
    found = [
        f"{entry.name}/{pipeline}"
        for entry in repository.entries
        if entry.kind == objects.WORKFLOW and '"replace"' in entry.text
        for pipeline, body in json.loads(entry.text)["spec"]["pipelines"].items()
        if body.get("placement", {}).get("onLost") == MOVE
    ]
    return found if found and lock.holder(place.state) is None else []


def commit(state: State, repository: Repository, options: Options) -> Plan:
    """Write the plan and tell nobody: the controller's next pass does. Asks nobody.

    Raises InvalidManifest, Conflict (what `apply` would ask about without --yes, and what its guards refuse).
    """
    _refuse_problems(repository)
    with state.snapshot():
        plan = make_plan(state, repository, options)
    _judge(plan, options, lambda _: False)
    return _write(state, repository, options, None) if plan.differs else plan


def _refuse_problems(repository: Repository) -> None:
    if repository.problems:
        raise InvalidManifest(f"{len(repository.problems)} problems in the manifests", hint="xene validate")


def _source(repository: Repository, options: Options) -> str:
    return options.source or repository.source


def make_plan(state: State, repository: Repository, options: Options) -> Plan:
    """Wanted minus stored, at the moment of the open snapshot or transaction."""
    source = _source(repository, options)
    stored = [
        Thing(each.kind, each.name, each.source, each.revision, _stored_data(state, each), each.generation)
        for each in objects.index(state.conn).values()
    ]
    new = [
        Thing(entry.kind, entry.name, source, entry.digest, _entry_data(entry))
        for entry in repository.entries
    ]
    return diff(new, stored, source, repository.complete, take_over=options.take_over, prune=options.prune)


def _stored_data(state: State, stored: objects.Stored) -> Callable[[], Mapping[str, Any]]:
    return lambda: objects.read(state.conn, stored.kind, stored.name) or {}


def _entry_data(entry: Entry) -> Callable[[], Mapping[str, Any]]:
    def data() -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(entry.text)
        return found

    return data


def _judge(plan: Plan, options: Options, ask: Callable[[str], bool]) -> str | None:
    """Whether the plan may be carried out. Gives the digest of a plan that was agreed to by answering."""
    verdict = guards.judge(
        plan,
        yes=options.yes,
        terminal=options.terminal,
        allow_empty=options.allow_empty,
        if_unchanged=options.if_unchanged,
    )
    verdict.check()
    if verdict.answer != guards.ASK:
        return None
    if not ask(verdict.message):
        raise Conflict("nothing was changed: the removal was not agreed to", hint="--no-prune keeps them")
    return plan.digest


def _write(state: State, repository: Repository, options: Options, agreed: str | None) -> Plan:
    """Everything in one transaction, after another look at the plan: the state may have moved."""

    def refuse(_: str) -> bool:
        raise Conflict(
            "the state moved since the plan was shown", hint="look at `xene diff`, and apply again"
        )

    now, at = time.time(), revisions.shown(_revision(repository, options))
    with state.transaction() as conn:
        plan = make_plan(state, repository, options)
        if agreed is None or plan.digest != agreed:
            _judge(plan, options, refuse)
        entries = {(entry.kind, entry.name): entry for entry in repository.entries}
        source = _source(repository, options)
        notes = []
        for change in plan.changes:
            if change.action == REMOVED:
                objects.remove(conn, now, change.kind, change.name)
            elif change.action in (CREATED, CHANGED):
                _put(conn, now, entries[change.kind, change.name], source)
            else:
                continue
            notes.append((now, change.kind, change.name, change.action.capitalize(), f"by {source}{at}"))
        if notes:
            changed = ", ".join(
                f"{count} {what}" for what, count in Counter(note[3].lower() for note in notes).items()
            )
            notes.append((now, SOURCE, source, APPLIED, f"from {repository.root}{at}: {changed}"))
        events.note_all(conn, notes)
    return plan


def _revision(repository: Repository, options: Options) -> str:
    """Asked before the transaction: git takes a few milliseconds."""
    return revisions.of(repository.root) if options.revision is None else options.revision


def _put(conn: Any, now: float, entry: Entry, source: str) -> None:
    """Store an object; one that only changes its owner keeps its generation."""
    if objects.revision_of(conn, entry.kind, entry.name) == entry.digest:
        objects.own(conn, entry.kind, entry.name, source)
        return
    objects.put(
        conn,
        now,
        entry.kind,
        entry.name,
        source=source,
        labels=entry.labels,
        revision=entry.digest,
        text=entry.text,
    )


def _is_settled(state: State) -> bool:
    """Whether a pass could find nothing to do: an apply that changes nothing contacts nobody."""
    if not state.exists:
        return True
    wish = Told()
    return wish.met(state) and not wish.untold and not _unscheduled(state)


def _unscheduled(state: State) -> list[dict[str, Any]]:
    return views.pipelines(state, phase=phases.NOT_SCHEDULED)
