"""A run comes in: ordered by control, or started by a slot. What it needs is checked before it enters the journal.

Used by `requests` and `triggers`.
"""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from xene.agent.incoming import Incoming
from xene.agent.ledger import Ledger
from xene.agent.work import Work
from xene.engine.progress import begin
from xene.model import events, phases
from xene.model.events import Event
from xene.model.ids import pipeline_key
from xene.model.workflow import REPLACE


class Accepting:
    """`record` puts an event into the ledger; the daemon makes it durable and then acts."""

    def __init__(
        self, ledger: Ledger, work: Work, record: Callable[[Event], None], incoming: Incoming
    ) -> None:
        self._ledger, self._work, self._record, self._incoming = ledger, work, record, incoming

    def accept(self, accepted: Event, secrets: Optional[Mapping[str, str]]) -> None:
        """Record a `run.accepted`; with the policy Replace every other run of its pipeline is cancelled.

        Raises KeyError, TypeError, ValueError, AttributeError, with nothing recorded, for an order that makes no
        sense. A run that is known is not accepted again.
        """
        name = accepted["run"]
        if name in self._ledger.runs:
            return
        readable(accepted)
        self._replace_others(accepted)
        self._record(accepted)
        self._incoming.taken(name)
        run = self._ledger.runs[name]
        if secrets:
            self._work.unlock(run, secrets)
        self._work.hold(run)
        self._work.touch(name)

    def _replace_others(self, accepted: Event) -> None:
        order = accepted["order"]
        if order["spec"]["pipeline"].get("concurrencyPolicy") != REPLACE:
            return
        for name in list(self._ledger.open.get(pipeline_key(order["workflow"], order["pipeline"]), ())):
            if self._ledger.runs[name].cancel_asked is None:
                self._record(events.cancel_asked(accepted["at"], name, False, phases.REPLACED))
                self._work.cancel(name)


def readable(accepted: Event) -> None:
    """Raises KeyError, TypeError, ValueError, AttributeError for a run that this code could not read back."""
    begin(accepted)
    size = accepted["order"]["spec"].get("size", 1)
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{size!r} is no size")
