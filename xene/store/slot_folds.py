"""What agents say of slots, folded into the ledger, and into the runs that slots have started.

Called by `store.record` alone. An agent may account for the slots of pipelines that it holds, of triggers that
there are or were, and for instants at which it had them; all else is dropped and leaves an event. A slot that has
fired and its run come in one report and are stored in one transaction, so neither is ever there without the other.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, NamedTuple

from xene.model import ids, phases
from xene.model.trigger import EXPIRED, FIRED, MISSED, SLOT_SKIPPED
from xene.store import fires, objects, reported, runs, slots, triggers
from xene.store.batch import Batch
from xene.store.slots import Slot

MOST = 500  # instants in one report
AHEAD = 300.0  # seconds by which an agent's clock may be ahead of control's
KEPT = 400 * 86400.0  # seconds: nothing older is accounted for
PARAM_BYTES = 64 * 1024  # of the params of a run, as JSON
FOREIGN = "ForeignReport"
_NOT_FIRED = (SLOT_SKIPPED, MISSED, EXPIRED)


class _Claim(NamedTuple):
    """A trigger for which an agent may account, at instants in (after, until]."""

    workflow: str
    pipeline: str
    trigger: str
    after: float
    until: float

    def covers(self, at: float) -> bool:
        return self.after < at <= self.until


def settled(batch: Batch, event: Mapping[str, Any]) -> None:
    """Slots that did not fire. Raises ValueError, KeyError, TypeError for what is no such report."""
    workflow, _, pipeline = reported.name(event["pipeline"]).partition("/")
    instants, outcome = _instants(event["slots"]), event["outcome"]
    if outcome not in _NOT_FIRED:
        raise ValueError(f"{outcome!r} is no outcome of a slot that did not fire")
    reason, message = reported.reason(event["reason"]), reported.text(event["message"])
    claim = _claim(batch, workflow, pipeline, reported.name(event["trigger"]))
    if claim is None:
        return
    covered = [at for at in instants if claim.covers(at)]
    if len(covered) < len(instants):
        _note_range(batch, claim)
    rows = [Slot(*claim[:3], at, outcome, reason, message, None, batch.agent) for at in covered]
    slots.settle(batch.conn, batch.now, rows)
    if covered:
        triggers.settled_to(batch.conn, *claim[:3], max(covered))


def fired(batch: Batch, event: Mapping[str, Any]) -> bool:
    """A slot that has fired: its run comes to be, unless it is there. Whether the report holds.

    Raises ValueError, KeyError, TypeError for what is no such report.
    """
    told = event["fired"]
    (at,) = _instants([told["slot"]])
    names = [reported.name(told[key]) for key in ("workflow", "pipeline", "trigger")]
    claim = _claim(batch, *names)
    if claim is None or not _is_covered(batch, claim, at) or not _is_its_run(batch, claim, at, event["run"]):
        return False
    if batch.run(event["run"]) is None and not _create(batch, claim, at, event):
        return False
    slot = Slot(*claim[:3], at, FIRED, None, None, event["run"], batch.agent)
    before = slots.fire(batch.conn, batch.now, slot)
    if before == SLOT_SKIPPED:
        batch.notes[event["run"], "SlotRevised"] = "its slot was said to be skipped before, and has fired"
    triggers.settled_to(batch.conn, *claim[:3], at)
    return True


def _claim(batch: Batch, workflow: str, pipeline: str, trigger: str) -> _Claim | None:
    row = batch.conn.execute(
        "SELECT t.since, h.fenced_at FROM triggers t JOIN holdings h ON h.workflow = t.workflow"
        " AND h.pipeline = t.pipeline WHERE t.workflow = ? AND t.pipeline = ? AND t.name = ? AND h.agent = ?",
        (workflow, pipeline, trigger, batch.agent),
    ).fetchone()
    if row is None:
        batch.notes[batch.agent, FOREIGN] = (
            f"a report about slots of {workflow}/{pipeline}, trigger {trigger}, was dropped: it does not have them"
        )
        return None
    latest = batch.now + AHEAD
    until = latest if row[1] is None else min(latest, row[1])
    return _Claim(workflow, pipeline, trigger, row[0] - KEPT, until)


def _is_covered(batch: Batch, claim: _Claim, at: float) -> bool:
    if not claim.covers(at):
        _note_range(batch, claim)
    return claim.covers(at)


def _note_range(batch: Batch, claim: _Claim) -> None:
    batch.notes[batch.agent, "SlotOutOfRange"] = (
        f"a report about slots of {claim.workflow}/{claim.pipeline}, trigger {claim.trigger}, was dropped: it"
        " cannot account for those instants, since its clock is wrong, or it had lost the pipeline by then"
    )


def _is_its_run(batch: Batch, claim: _Claim, at: float, run: Any) -> bool:
    if run == ids.slot_run_id(batch.uuid, *claim[:3], at):
        return True
    batch.notes[batch.agent, FOREIGN] = (
        f"a report about run {reported.name(run)}, which is none of the slot that it names, was dropped"
    )
    return False


def _create(batch: Batch, claim: _Claim, at: float, event: Mapping[str, Any]) -> bool:
    """Store the run, and the fire that it shares with others of its workflow. False where it is another's."""
    run, told = event["run"], event["fired"]
    params, created_at = _params(told["params"]), reported.at(event)
    revision, fire = reported.name(told["revision"]), ids.slot_fire_id(batch.uuid, *_fire_of(claim), at)
    other = batch.conn.execute("SELECT agent FROM runs WHERE id = ?", (run,)).fetchone()
    if other is not None:
        batch.notes[run, "SlotFiredTwice"] = (
            f"agent {batch.agent} says that it fired it, as agent {other[0]} did before; this report was dropped"
        )
        return False
    known = slots.read(batch.conn, *claim[:3], at)
    if known is not None and known.run == run:
        return False  # its history is over: what is said again does not bring it back
    _make_fire(batch, claim, at, fire, created_at)
    if not objects.is_known_revision(batch.conn, revision):
        objects.stand_in(batch.conn, batch.now, revision)
        batch.notes[run, phases.STATE_RESTORED] = (
            f"its revision {revision} is not in this state, which is a restored copy: its tasks are not known"
        )
    runs.create(
        batch.conn,
        created_at,
        run,
        fire=fire,
        workflow=claim.workflow,
        pipeline=claim.pipeline,
        revision=revision,
        spec=objects.read_revision(batch.conn, revision),
        agent=batch.agent,
        trigger=claim.trigger,
        params=params,
        slot=at,
    )
    runs.sent(batch.conn, batch.now, batch.journal, [run])
    batch.forget(run)
    return True


def _make_fire(batch: Batch, claim: _Claim, at: float, fire: str, created_at: float) -> None:
    row = triggers.read(batch.conn, *claim[:3])
    params = {} if row is None or row.cron is None else json.loads(row.cron).get("params", {})
    fires.of_slot(batch.conn, created_at, fire, claim.workflow, claim.trigger, at, params)


def _fire_of(claim: _Claim) -> tuple[str, str]:
    return claim.workflow, claim.trigger


def _instants(value: Any) -> list[int]:
    """Whole minutes: cron knows no others. Raises ValueError."""
    if not isinstance(value, list) or len(value) > MOST:
        raise ValueError(f"at most {MOST} instants are expected")
    for at in value:
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 2**32 or at % 60:
            raise ValueError(f"{at!r} is no instant of a slot")
    return value


def _params(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(each, (str, int, float)) for each in value.values()):
        raise ValueError("params are expected")
    text = json.dumps(value, allow_nan=False)
    if len(text) > PARAM_BYTES:
        raise ValueError("its params are too large")
    text.encode()
    return value
