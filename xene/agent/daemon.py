"""The daemon: one thread, one `selectors` loop, everything else called from here.

Each turn of the loop: take what came (messages, exits, timers), let the ledger record what follows, make it
durable, act on it, tell control. The order is the promise: nothing is done or told before it is on disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional

from xene.agent import process
from xene.agent.accepting import Accepting
from xene.agent.client import Client
from xene.agent.complaints import complain, complain_of_bug
from xene.agent.facts import boot_id, new_uuid
from xene.agent.greeting import Greeting, Successor, no_room
from xene.agent.home import Home
from xene.agent.incoming import Incoming
from xene.agent.journal import open_journal
from xene.agent.ledger import Ledger
from xene.agent.requests import Requests
from xene.agent.vault import Vault
from xene.agent.work import Work
from xene.agent.workspace import Trash
from xene.engine.clock import Clock
from xene.model import events
from xene.model.agent import NO_AUTOSTART
from xene.model.events import Event, public
from xene.wire import messages

if TYPE_CHECKING:
    from xene.agent.autostart import Autostart
    from xene.agent.duties import Duties

FOLLOW_PAUSE = 0.05  # seconds between looks at growing logs
TETHER_SECONDS = 30.0  # how long a tethered daemon waits for its one connection
TELL_PAUSE = 0.02  # seconds between two frames about steps that moved
RETRY_PAUSE = 1.0  # seconds until a journal that could not be written is tried again
COMPLAINTS_KEPT = 256 * 1024  # bytes of daemon.log
MAX_CLIENTS = 64

_MOVES = frozenset(
    {"task.started", "step.started", "step.ended", "task.ended", "retry.planned", "task.stopping"}
)
# What makes older records superfluous, or comes without end.
_LESSENING = frozenset({"run.released", "assigned", "slots.settled", "book", "clock.stepped"})


class Daemon:
    """One agent of one state. `version` is the digest of the code; `listener` is bound and listening.

    A tethered daemon serves one connection: when that ends it cancels what runs, and leaves nothing.
    """

    def __init__(
        self,
        home: Home,
        version: str,
        listener: socket.socket,
        umask: int,
        tethered: bool,
        vault: Optional[Vault] = None,
    ) -> None:
        self.vault = vault or Vault()
        self.home, self.version = home, version
        self.boot = boot_id()
        self.selector = selectors.DefaultSelector()
        self.clients: List[Client] = []
        self.leaving = False
        self._listener = listener
        self._tether: Optional[float] = time.monotonic() + TETHER_SECONDS if tethered else None
        self._tethered = tethered
        self._fresh: List[Event] = []
        self._tell_at = 0.0
        self._retry_at: Optional[float] = None
        self._wire_signals()
        journal, history = open_journal(home.journal, events.journal_begun(time.time(), new_uuid()))
        journal.outlives_host = not tethered
        self.ledger = Ledger(journal, history)
        self.work = Work(
            home,
            self.ledger,
            self.record,
            self.clock,
            umask,
            self._watch,
            self._unwatch,
            Trash(home),
            os.path.join(home.code, version),
            self.vault,
        )
        incoming = Incoming(home.incoming)
        accepting = Accepting(self.ledger, self.work, self.record, incoming)
        self.duties: Optional[Duties] = None  # an agent without triggers and leases does without
        self._accepting = accepting
        self._autostart: Optional[Autostart] = None
        self._umask = umask
        self.requests = Requests(
            self.ledger, self.work, self.record, self.clock, incoming, accepting, self._with_duties
        )
        self.greeting = Greeting(home, version, self.boot, journal, self.requests.epoch_holds, self.ledger)

    @property
    def successor(self) -> Optional[Successor]:
        """Newer code that is to take over this process."""
        return self.greeting.successor

    def serve(self) -> None:
        """Run until SIGTERM or a `stop`. Steps under way go on; the next daemon adopts them."""
        self._watch(self._listener.fileno(), self._accept)
        process.become_subreaper()
        self._watch_home()
        self.record(events.daemon_begun(time.time(), self.boot, self.version, os.getpid()))
        self.work.recover()
        self._resume_duties()
        self._reap()  # what ended while one code became another gave no signal
        self._settle()
        while not self.leaving:
            for key, mask in self.selector.select(self._pause()):
                key.data(mask)
            if self.ledger.journal.gone:
                return self._forsake()
            self.work.tick()
            if self.duties is not None:
                self.duties.tick()
            open_runs = self._untethered() and self.work.cancel_all()
            self._settle()
            if self._untethered() and not open_runs:
                self.leaving = True
        if self._tethered and self.successor is None:
            import shutil  # bz2 and lzma with it, which a start need not wait for

            shutil.rmtree(os.path.dirname(self.home.path), ignore_errors=True)
        for client in list(self.clients):
            if self.successor is None or client is not self.successor.client:
                client.close()

    def _with_duties(self, wanted: bool) -> Optional[Duties]:
        """What keeps triggers and leases, once there are any."""
        if self.duties is None and wanted:
            from xene.agent.autostart import Autostart
            from xene.agent.duties import Duties

            code = os.path.join(self.home.code, self.version)
            self._autostart = Autostart(self.home, self.ledger, self.record, time.time, code, self._umask)
            self.duties = Duties(
                self.home,
                self.ledger,
                self.work,
                self._accepting,
                self.record,
                self._watch,
                self._ask,
                self._autostart,
            )
            if any(client.role == "control" for client in self.clients):
                self.duties.greeted()
        return self.duties

    def _resume_duties(self) -> None:
        charges = self.ledger.charges
        duties = self._with_duties(bool(charges.packed) or charges.comes_back != NO_AUTOSTART)
        if duties is not None:
            duties.begin()

    def _ask(self, message: Mapping[str, Any]) -> bool:
        """Say something to control, unless it is away."""
        control = [client for client in self.clients if client.role == "control"]
        for client in control:
            client.send(message)
        return bool(control)

    def _forsake(self) -> None:
        """The home was wiped or set aside under this daemon: end what nobody can find any more, and go.

        Control hears of it by the next daemon's journal, which bears another uuid.
        """
        complain(f"{self.home.journal} is gone: the steps of this daemon are killed, and it ends")
        self.greeting.successor = None
        self.work.abandon()
        for client in list(self.clients):
            client.close()

    def greet(self, sock: socket.socket, hello: Dict[str, Any]) -> None:
        """Go on with a connection, and its hello, that the code before this one had accepted."""
        self._heard(self._welcome(sock), hello, b"")

    def clock(self) -> Clock:
        """Now, in the readings that decisions want."""
        return Clock(time.time(), self.boot, time.clock_gettime(time.CLOCK_BOOTTIME))

    def record(self, event: Event) -> None:
        """The only way into the ledger."""
        self._fresh.append(public(self.ledger.record(event)))

    def _settle(self) -> None:
        """Decide, make durable, act, until nothing follows any more; then tell control."""
        while True:
            self.work.decide()
            if not self._flush():
                self.work.kill_unleased()
                return self._tell_durable()
            if not self.work.act():
                break
        if not self._may_wait():
            self._tell()

    def _may_wait(self) -> bool:
        """Whether what is to be told are only steps that moved, and control was told a moment ago.

        A frame for each of a thousand quick steps would cost more than the steps.
        """
        quick = all(event["type"] in _MOVES for event in self._fresh)
        return bool(self._fresh) and quick and time.monotonic() < self._tell_at

    def _tell(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._tell_at = time.monotonic() + TELL_PAUSE
        if any(event["type"] in _LESSENING for event in fresh):
            self._compact()
        self._pump(fresh)

    def _compact(self) -> None:
        try:
            self.ledger.compact_if_large()
        except OSError as error:  # the journal stands as it was; the next release tries again
            complain(f"the journal cannot be compacted: {error}")

    def _tell_durable(self) -> None:
        """While the journal cannot be written: what is on disk, and the logs."""
        self._pump([])

    def _pump(self, fresh: List[Event]) -> None:
        for client in list(self.clients):
            with self._standing(client):
                client.pump(self.ledger.journal, fresh)
                self._interest(client)

    @contextlib.contextmanager
    def _standing(self, client: Client) -> Iterator[None]:
        """A bug that one connection meets ends that connection, and not what all runs live from."""
        try:
            yield
        except Exception:  # noqa: BLE001  whatever it is, it is written down whole, and nobody else is harmed
            complain_of_bug("a connection met a bug and is closed")
            client.close()

    def _flush(self) -> bool:
        """False where the journal cannot be written: nothing may be acted on. It is tried again each second."""
        if self._retry_at is not None and time.monotonic() < self._retry_at:
            return False
        try:
            self.ledger.journal.flush()
        except OSError as error:
            if self._retry_at is None:
                complain(f"the journal cannot be written, nothing more is begun: {error}")
                self._refuse_all(error)
            self._retry_at = time.monotonic() + RETRY_PAUSE
            return False
        if self._retry_at is not None:
            complain("the journal can be written again")
        self._retry_at = None
        return True

    def _refuse_all(self, error: OSError) -> None:
        for client in list(self.clients):
            if client.role == "control":
                client.send(no_room(error))

    def _pause(self) -> Optional[float]:
        """Seconds until there is something to do without being told; None sleeps until told."""
        waits: List[float] = []
        at = self.work.next_at()
        if at is not None:
            waits.append(at - time.clock_gettime(time.CLOCK_BOOTTIME))
        pause = self.duties.pause() if self.duties is not None else None
        if pause is not None:
            waits.append(pause)
        if self._tether is not None:
            waits.append(self._tether - time.monotonic())
        if self._untethered() and not self.work.open_runs():
            return 0.0
        if self._fresh:
            waits.append((self._retry_at or self._tell_at) - time.monotonic())
        if self._retry_at is not None:
            waits.append(self._retry_at - time.monotonic())
        if any(client.follows and client.room for client in self.clients):
            waits.append(FOLLOW_PAUSE)
        return max(0.0, min(waits)) if waits else None

    def _untethered(self) -> bool:
        """Whether the one connection of a tethered daemon has ended, or never came."""
        came = self._tether is None
        return self._tethered and not self.clients and (came or time.monotonic() >= (self._tether or 0.0))

    # -- descriptors and signals

    def _watch_home(self) -> None:
        """An idle daemon whose home is wiped must notice, without ever waking up to look."""
        descriptor = process.watch_for_removal(self.home.path)
        if descriptor is not None:
            self._watch(descriptor, lambda: self._drain(descriptor))

    @staticmethod
    def _drain(descriptor: int) -> None:
        try:
            os.read(descriptor, 65536)
        except BlockingIOError:
            pass  # what it says does not matter: the loop looks at the journal each time

    def _watch(self, descriptor: int, call: Callable[[], None]) -> None:
        self.selector.register(descriptor, selectors.EVENT_READ, lambda _mask: call())

    def _unwatch(self, descriptor: int) -> None:
        self.selector.unregister(descriptor)

    def _wire_signals(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._signals = (ours, theirs)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._watch(ours.fileno(), self._signalled)

    def _signalled(self) -> None:
        try:
            numbers = self._signals[0].recv(4096)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers:
            self.leaving = True
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._autostart is None or not self._autostart.exited(pid, status):
                self.work.exited(pid, status)

    # -- clients

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as error:  # the client left; or no descriptor, which `MAX_CLIENTS` is to prevent
            if error.errno in (errno.EMFILE, errno.ENFILE) and self.clients:
                self.clients[0].close()
            return
        client = self._welcome(sock)
        if len(self.clients) > MAX_CLIENTS:
            client.send(messages.refused("TooManyClients", f"{MAX_CLIENTS} are connected already"))
            client.close()

    def _welcome(self, sock: socket.socket) -> Client:
        client = Client(sock, self._heard, self._closed)
        self._tether = None
        self.clients.append(client)
        self.selector.register(sock, selectors.EVENT_READ, lambda mask: self._ready(client, mask))
        return client

    def _ready(self, client: Client, mask: int) -> None:
        with self._standing(client):
            if mask & selectors.EVENT_WRITE:
                client.writable()
            if mask & selectors.EVENT_READ and not client.closed:
                client.readable()

    def _interest(self, client: Client) -> None:
        if not client.closed:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.wants_to_write else 0)
            if self.selector.get_key(client.sock).events != wanted:
                data = self.selector.get_key(client.sock).data
                self.selector.modify(client.sock, wanted, data)

    def _closed(self, client: Client) -> None:
        self.clients.remove(client)
        self.selector.unregister(client.sock)

    def _heard(self, client: Client, message: Dict[str, Any], blob: bytes) -> None:
        if message.get("type") == "hello":
            try:
                full = self._retry_at is not None
                self.leaving |= self.greeting.answer(client, message, self.clients, full)
                if self.duties is not None and client.role == "control":
                    self.duties.greeted()
                return None
            except (KeyError, TypeError, ValueError) as error:
                return client.send(messages.refused("Garbled", f"the hello makes no sense: {error!r}"))
        if message.get("type") == "stop" and client.role is not None:
            self.leaving = True
            if self._autostart is not None and client.role == "control":
                self._autostart.leave()
            return None
        return self.requests.answer(client, message, blob)
