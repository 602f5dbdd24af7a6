"""The first word of a connection: who it is, how far it has heard, and whether other code is to take over.

Called by the daemon for every `hello`. It answers; to leave is the daemon's part.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Set

from xene.agent.client import Client
from xene.agent.complaints import complain
from xene.agent.facts import facts
from xene.agent.home import Home
from xene.agent.journal import Journal, set_aside
from xene.agent.ledger import Ledger
from xene.agent.succession import fit
from xene.wire import messages

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class Successor(NamedTuple):
    """Newer code that takes over this process, with the connection whose hello asked for it."""

    code: str
    client: Client
    hello: Dict[str, Any]


class Greeting:
    """`epoch_holds(client, message)` refuses an older controller."""

    def __init__(
        self,
        home: Home,
        version: str,
        boot: str,
        journal: Journal,
        epoch_holds: Callable[[Client, Mapping[str, Any]], bool],
        ledger: Ledger,
    ) -> None:
        self.successor: Optional[Successor] = None
        self._home, self._version, self._boot, self._journal = home, version, boot, journal
        self._epoch_holds, self._ledger = epoch_holds, ledger
        self._unfit: Set[str] = set()  # code that does not start

    def answer(self, client: Client, message: Dict[str, Any], clients: List[Client], full: bool) -> bool:
        """Answer a hello. True where the daemon must leave. Raises KeyError, TypeError, ValueError for nonsense.

        `full`: the journal cannot be written, so that control cannot be served.
        """
        if not self._epoch_holds(client, message):
            return False
        journal, after = self._journal, int(message["after"])
        if message["role"] == "control":
            if message["journal"] == journal.uuid and after > journal.last:
                self._restored(client, after)
                return True
            if self._gives_way(client, message):
                return True
            if full:
                client.send(no_room(None))
                return False
            for other in [other for other in clients if other.role == "control"]:
                other.close()  # one at a time: a half-dead connection must not speak up late
        client.role = message["role"]
        client.sent = after if message["journal"] == journal.uuid else 0
        if client.role == "control" and message["journal"] == journal.uuid:
            self._ledger.heard = max(self._ledger.heard, after)
        told = {**facts(self._home.path), "autostart": self._ledger.charges.comes_back}
        hello = messages.hello_from_agent(self._version, journal.uuid, journal.last, self._boot, told)
        client.send({**hello, "forgot": self._ledger.forgot} if self._ledger.forgot else hello)
        return False

    def _restored(self, client: Client, after: int) -> None:
        """Control has heard more than this journal holds: it is an older copy of itself, put back.

        Its numbers would be used twice, and what it says of its runs may be long past. With its journal gone the
        daemon ends, and the next one begins another.
        """
        text = f"this journal ends at {self._journal.last}, control has heard up to {after}"
        complain(f"the home was restored from an older copy: {text}")
        set_aside(self._home.journal, "restored")
        text = f"{text}: the home is an older copy; a new journal begins"
        client.send(messages.refused("HomeRestored", text))

    def _gives_way(self, client: Client, message: Dict[str, Any]) -> bool:
        """Whether code of another version is there, starts, and takes this process over."""
        version = str(message["version"])
        code = os.path.join(self._home.code, version)
        if version in (self._version, *self._unfit) or not _DIGEST.match(version) or not os.path.isdir(code):
            return False
        if not fit(code):
            self._unfit.add(version)
            return False
        self.successor = Successor(code, client, message)
        return True


def no_room(error: Optional[OSError]) -> Dict[str, Any]:
    """What control is told while the journal cannot be written."""
    what = f"the journal cannot be written: {error}" if error else "the journal cannot be written"
    return messages.refused("DiskFull", f"{what}; nothing more is begun until it can be")
