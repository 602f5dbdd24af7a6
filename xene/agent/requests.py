"""What control may ask of an agent, message by message. Each is idempotent; a lower epoch is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Set

from xene.agent.accepting import Accepting
from xene.agent.assigning import batches, charge_of
from xene.agent.client import Client
from xene.agent.facts import cpus
from xene.agent.fetch import Fetch
from xene.agent.follow import Follow
from xene.agent.incoming import Incoming
from xene.agent.ledger import Ledger
from xene.agent.leftovers import ended_runs
from xene.agent.work import Work
from xene.engine.again import to_repeat
from xene.engine.clock import Clock
from xene.engine.progress import RunProgress
from xene.model import events, phases
from xene.model.agent import NO_AUTOSTART
from xene.model.events import Event
from xene.model.ids import is_run_id
from xene.wire import messages

if TYPE_CHECKING:
    from xene.agent.duties import Duties

ANSWER_MOST = 1000  # characters of what is said with an approval


class Requests:
    """`record` puts an event into the ledger; the daemon makes it durable and then acts.

    `duties(wanted)` gives what keeps triggers and leases; None where this agent has none, unless they are wanted.
    """

    def __init__(
        self,
        ledger: Ledger,
        work: Work,
        record: Callable[[Event], None],
        clock: Callable[[], Clock],
        incoming: Incoming,
        accepting: Accepting,
        duties: Callable[[bool], Optional[Duties]],
    ) -> None:
        self._ledger, self._work, self._record, self._clock = ledger, work, record, clock
        self._incoming, self._accepting, self._duties = incoming, accepting, duties
        incoming.tidy(needed(ledger))
        self._answers: Mapping[str, Callable[[Client, Dict[str, Any]], None]] = {
            "entrust": self._entrust,
            "assign": self._assign,
            "granted": self._granted,
            "start": self._start,
            "cancel": self._cancel,
            "answer": self._answer,
            "retry": self._retry,
            "unlock": self._unlock,
            "release": self._release,
            "follow": self._follow,
            "fetch": self._fetch,
            "sweep": self._sweep,
            "ping": self._ping,
        }
        self._for_readers = frozenset({"follow", "sweep"})

    def answer(self, client: Client, message: Dict[str, Any], blob: bytes) -> None:
        """Do what a message asks. What is no request of this protocol is refused, and changes nothing."""
        kind = message.get("type")
        call = self._answers.get(str(kind))
        if kind == "stow":
            call = lambda client, message: self._stow(client, message, blob)  # noqa: E731
        if (
            client.role is None
            or call is None
            or (client.role != "control" and kind not in self._for_readers)
        ):
            return client.send(
                messages.refused("Unexpected", f"a message of type {kind!r} is not expected here")
            )
        if not self.epoch_holds(client, message):
            return None
        try:
            return call(client, message)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            return client.send(
                messages.failed(_request(message), f"the {kind} message makes no sense: {what}")
            )

    def epoch_holds(self, client: Client, message: Mapping[str, Any]) -> bool:
        """Whether the message comes from the newest controller; a newer one is remembered."""
        epoch = message.get("epoch")
        if not isinstance(epoch, int) or epoch < self._ledger.epoch:
            client.send(
                messages.refused(
                    "StaleEpoch", f"epoch {epoch} is older than {self._ledger.epoch}, which was seen here"
                )
            )
            return False
        if epoch > self._ledger.epoch and message.get("role") != "reader" and client.role != "reader":
            self._record(events.epoch_seen(time.time(), epoch))
        return True

    def _entrust(self, client: Client, message: Dict[str, Any]) -> None:
        duties = self._duties(True)
        for complaint in duties.entrust(message["charges"], message["zones"]) if duties else ():
            client.send(messages.failed(None, complaint))

    def _granted(self, _: Client, message: Dict[str, Any]) -> None:
        duties = self._duties(False)
        if duties is not None:
            duties.granted(str(message["boot"]), float(message["up"]))

    def _assign(self, client: Client, message: Dict[str, Any]) -> None:
        wanted: Dict[str, str] = {str(key): str(tag) for key, tag in message["all"].items()}
        held = self._ledger.assignments
        asked = set(
            message.get("unconfirmed") or ()
        )  # a control that lost what it knew wants to hear it again
        new = {key: tag for key, tag in wanted.items() if held.get(key) != tag or key in asked}
        gone = [key for key in held if key not in wanted]
        capacity = int(message["capacity"] or cpus())
        duties = self._duties(any(map(charge_of, new.values())))
        if duties is not None:
            how = str(message.get("autostart") or NO_AUTOSTART)
            for complaint in duties.assign(new, gone, capacity, how):
                client.send(messages.failed(None, complaint))
        elif new or gone or capacity != self._ledger.capacity:
            for event in batches(time.time(), new, gone, capacity):
                self._record(event)

    def _ping(self, client: Client, _: Dict[str, Any]) -> None:
        client.send(messages.pong())

    def _start(self, _: Client, message: Dict[str, Any]) -> None:
        order = message["order"]
        run = order["id"]
        if not is_run_id(run):
            raise ValueError(f"{run!r} is no run id")
        secrets = _texts(message.get("secrets") or {})
        self._accepting.accept(events.run_accepted(time.time(), run, order), secrets)

    def _answer(self, client: Client, message: Dict[str, Any]) -> None:
        """Somebody approved a task, or rejected it. One that waits for no answer is told apart by its events."""
        run = self._ledger.runs.get(message["run"])
        if run is None:
            return client.send(messages.failed(None, f"run {message['run']} is not known here"))
        if message["task"] in run.asked:
            approved = bool(message["approved"])
            words = str(message["message"])[:ANSWER_MOST]
            self._record(
                events.approval_answered(time.time(), run.order.id, message["task"], approved, words)
            )
            self._work.touch(run.order.id)
        return None

    def _retry(self, client: Client, message: Dict[str, Any]) -> None:
        """Begin another attempt of an ended run; `attempt` tells a repeated message from a new wish."""
        run = self._ledger.runs.get(message["run"])
        if run is None:
            return client.send(messages.failed(None, f"run {message['run']} is not known here"))
        if run.ended and int(message["attempt"]) == run.attempt + 1:
            start = message["start"]
            again = to_repeat(run, start if start in run.tasks else None)
            self._record(events.run_retried(time.time(), run.order.id, run.attempt + 1, again))
            self._work.begin_again(run.order.id)
        return None

    def _unlock(self, _: Client, message: Dict[str, Any]) -> None:
        """The values of a run's secrets; it may have been waiting for them since this daemon came up."""
        run = self._ledger.runs.get(message["run"])
        if run is not None and not run.ended and self._work.secrecy.lacks(run):
            self._work.unlock(run, _texts(message["secrets"]))

    def _cancel(self, client: Client, message: Dict[str, Any]) -> None:
        run = self._ledger.runs.get(message["run"])
        if run is None:
            return client.send(messages.failed(None, f"run {message['run']} is not known here"))
        kill = bool(message["kill"])
        if not run.ended and (run.cancel_asked is None or (kill and not run.kill_asked)):
            replaced = message.get("reason") == phases.REPLACED
            reason = phases.REPLACED if replaced else phases.CANCELLED
            self._record(events.cancel_asked(time.time(), run.order.id, kill, reason))
            self._work.cancel(run.order.id)
        return None

    def _release(self, _: Client, message: Dict[str, Any]) -> None:
        gone: Set[str] = set()
        for run in message["runs"]:
            if run in self._ledger.runs and self._ledger.runs[run].ended:
                gone |= _laid(self._ledger.runs[run])
                self._record(events.run_released(time.time(), run))
                self._work.remove(run)
        if gone:
            self._incoming.tidy(needed(self._ledger), gone)
        for run in message["workspaces"]:
            if run in self._ledger.runs and self._ledger.runs[run].ended:
                self._work.remove_workspace(run)

    def _sweep(self, client: Client, message: Dict[str, Any]) -> None:
        """Free what nobody needs; also ended runs of which control says that it has never heard."""
        old = set(ended_runs(self._ledger, time.time()))
        unheard = [run for run in message["forget"] if run in old]
        idle = self._incoming.idle(needed(self._ledger))
        leftovers = self._work.leftovers(message, unheard, idle)
        if not message["dry"]:
            self._incoming.abandon(idle)
            for run in unheard:
                self._record(events.run_released(time.time(), run))
        client.follows[leftovers.id] = leftovers

    def _follow(self, client: Client, message: Dict[str, Any]) -> None:
        run = self._ledger.runs.get(message["run"])
        if run is None:
            text = f"run {message['run']} is not known here: its logs are gone"
            return client.send(messages.failed(int(message["id"]), text))
        follow = Follow(message, run, self._work.directory(run.order.id))
        client.follows[follow.id] = follow
        return None

    def _fetch(self, client: Client, message: Dict[str, Any]) -> None:
        """Push an artifact that a task has collected."""
        run, task, name = self._ledger.runs.get(message["run"]), message["task"], message["name"]
        found = run.tasks.get(task) if run is not None else None
        if run is None or found is None or name not in [each["name"] for each in found.artifacts]:
            text = f"there is no artifact {name} of task {task} of run {message['run']} here"
            return client.send(messages.failed(int(message["id"]), text))
        fetch = Fetch(message, self._work.directory(run.order.id).artifact(task, name))
        client.follows[fetch.id] = fetch
        return None

    def _stow(self, client: Client, message: Dict[str, Any], blob: bytes) -> None:
        """Keep a piece of an artifact for a run that is to come. What finds no room is said, and not fatal."""
        request, sha256, size = int(message["id"]), message["sha256"], message["size"]
        try:
            have = self._incoming.stow(message["run"], sha256, size, message["offset"], blob)
        except OSError as error:
            text = f"artifact {sha256[:12]} cannot be kept: {error.strerror}"
            return client.send(messages.failed(request, text))
        return client.send(messages.stowed(request, sha256, have))


def needed(ledger: Ledger) -> Set[str]:
    """The artifacts of other pipelines that runs which are known here may still lay."""
    return {sha256 for run in ledger.runs.values() for sha256 in _laid(run)}


def _laid(run: RunProgress) -> Set[str]:
    return {str(each.get("sha256")) for each in run.order.artifacts}


def _texts(values: Mapping[str, Any]) -> Dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}


def _request(message: Mapping[str, Any]) -> Optional[int]:
    request = message.get("id")
    return request if isinstance(request, int) else None
