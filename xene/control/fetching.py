"""Artifacts of ended runs, on their way from the agent to `RUN/SHA256.tar`, one after the other for each run.

Called by `control.passes` on the control thread, once a run's log is settled; digests are taken on a thread of
their own, which answers with a `Settled` in the inbox. What a crash or a cut leaves in `SHA256.part` is gone on
with: the digest of the whole decides. Agents are not trusted: only what was asked for is taken, and no byte more
than was announced.
"""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import threading
from typing import Any, Iterable, Mapping, NamedTuple

from xene.control.archive import request_of
from xene.control.sessions import Sessions
from xene.errors import Storage
from xene.model.ids import is_run_id
from xene.store.artifacts import GONE, KEPT, Artifact
from xene.store.events import plain
from xene.store.files import make_private_directory, make_private_file, sync_directory
from xene.wire import messages

FIRST_REQUEST = 1_000_000_000  # logs are asked for under lower numbers
AGAIN = "again"  # what was gone on with came to another digest: once more, from its first byte
_PIECE = 1024 * 1024
_checking = threading.Lock()  # one at a time: it is the disk that is slow


class Settled(NamedTuple):
    """An artifact is kept, or gone and why. `error`: it could not be written; nothing is settled."""

    run: str
    sha256: str
    state: str
    message: str | None = None
    error: str | None = None


class _Job:
    """The artifacts of one run that are still to come; the first of them is the one under way."""

    def __init__(self, agent: str, attempt: int, wanted: list[Artifact]) -> None:
        self.agent, self.attempt, self.wanted = agent, attempt, wanted
        self.have = 0
        self.resumed = self.checking = False
        self.complaint: str | None = None


class Fetching:
    """The artifacts of one state, in `directory`; made when the first one comes."""

    def __init__(self, directory: str, inbox: queue.SimpleQueue[Any], sessions: Sessions) -> None:
        self.directory = directory
        self._inbox, self._sessions = inbox, sessions
        self._jobs: dict[str, _Job] = {}
        self._open: dict[int, str] = {}  # by the number of the request: the run
        self._last = FIRST_REQUEST

    def begin(self, agent: str, run: str, attempt: int, wanted: Iterable[Artifact]) -> None:
        """Fetch what is awaited of a run after its `attempt`."""
        by_digest = {each.sha256: each for each in wanted}
        self._jobs[run] = _Job(agent, attempt, list(by_digest.values()))
        self._ask(run)

    def resume(self, agent: str, run: str, attempt: int) -> bool:
        """Go on with a run over a new connection. False if its artifacts are not being fetched: first its log."""
        job = self._jobs.get(run)
        if job is None or job.attempt != attempt:
            self._jobs.pop(run, None)
            return False
        job.agent = agent
        if not job.checking:
            self._ask(run)
        return True

    def settle(self, run: str, why: str) -> None:
        """Nothing more will come of this run."""
        job = self._jobs.get(run)
        if job is not None and not job.checking:
            self._gone(run, job, why)

    def _ask(self, run: str) -> None:
        """Request the first artifact of a run from where it is known."""
        job = self._jobs[run]
        first = job.wanted[0]
        self._open = {number: other for number, other in self._open.items() if other != run}
        job.complaint = None
        try:
            job.have = self._begin_part(run, first)
        except OSError as error:
            raise _cannot_write(self._part(run, first), error) from None
        job.resumed = job.have > 0
        if job.have >= first.size or os.path.exists(tar_path(self.directory, run, first.sha256)):
            return self._check(run, job)
        self._last += 1
        self._open[self._last] = run
        asked = messages.fetch(self._sessions.epoch, self._last, run, first.task, first.name, job.have)
        self._sessions.send(job.agent, asked)

    def _part(self, run: str, artifact: Artifact) -> str:
        if not is_run_id(run):
            raise ValueError(f"{run!r} is no run id")
        return os.path.join(self.directory, run, f"{artifact.sha256}.part")

    def _begin_part(self, run: str, artifact: Artifact) -> int:
        """How much of it is here; more than there can be counts as nothing."""
        part = self._part(run, artifact)
        make_private_directory(os.path.dirname(part))
        if os.path.exists(part) and os.path.getsize(part) <= artifact.size:
            return os.path.getsize(part)
        make_private_file(part)
        os.truncate(part, 0)
        return 0

    # -- what the agent says

    def take(self, agent: str, message: Mapping[str, Any], blob: bytes) -> bool:
        """A piece, the end of it, or that there is none. False if it answers no request of this page."""
        run = self._open.get(request_of(message))
        job = self._jobs.get(run) if run is not None else None
        if run is None or job is None or job.agent != agent:
            return False
        kind = message.get("type")
        if kind == "artifact":
            self._piece(run, job, message, blob)
        elif kind in ("fetched", "failed"):
            del self._open[request_of(message)]
            if kind == "failed":
                job.complaint = plain(str(message.get("message")))[:500]
            self._came(run, job)
        else:
            return False
        return True

    def _piece(self, run: str, job: _Job, message: Mapping[str, Any], blob: bytes) -> None:
        if job.complaint is not None:
            return
        if message.get("offset") != job.have or isinstance(message.get("offset"), bool):
            job.complaint = "the agent sent a piece of it that does not follow the last"
        elif job.have + len(blob) > job.wanted[0].size:
            job.complaint = "the agent sent more of it than it had announced"
        else:
            path = self._part(run, job.wanted[0])
            try:
                with open(path, "ab") as file:
                    file.write(blob)
            except OSError as error:
                raise _cannot_write(path, error) from None
            job.have += len(blob)

    def _came(self, run: str, job: _Job) -> None:
        """All that will come of the first artifact has come."""
        size = job.wanted[0].size
        if job.complaint is None and job.have != size:
            job.complaint = f"{job.have} of its {size} bytes came"
        if job.complaint is None:
            return self._check(run, job)
        self._drop_part(run, job)
        job.checking = True
        return self._inbox.put(Settled(run, job.wanted[0].sha256, GONE, job.complaint))

    def _drop_part(self, run: str, job: _Job) -> None:
        try:
            os.unlink(self._part(run, job.wanted[0]))
        except OSError:
            pass  # the next one that wants the name overwrites it

    def _check(self, run: str, job: _Job) -> None:
        job.checking = True
        args = (run, self._part(run, job.wanted[0]), job.wanted[0], job.resumed)
        threading.Thread(target=self._check_and_tell, args=args, name="xene-check", daemon=True).start()

    def _check_and_tell(self, run: str, part: str, artifact: Artifact, resumed: bool) -> None:
        try:
            with _checking:
                settled = _keep(self.directory, run, part, artifact, resumed)
        except OSError as error:
            settled = Settled(run, artifact.sha256, GONE, error=_cannot_write(part, error).message)
        self._inbox.put(settled)

    def _gone(self, run: str, job: _Job, why: str) -> None:
        job.checking = True
        self._drop_part(run, job)
        self._inbox.put(Settled(run, job.wanted[0].sha256, GONE, why))

    def next(self, settled: Settled) -> bool:
        """Take note that one was settled, and go on with the next. True if the run has no other."""
        job = self._jobs.get(settled.run)
        if job is None or not job.wanted or job.wanted[0].sha256 != settled.sha256:
            return False
        job.checking = False
        if settled.state != AGAIN:
            del job.wanted[0]
        if job.wanted:
            self._ask(settled.run)
            return False
        del self._jobs[settled.run]
        return True

    def forget(self, agent: str) -> None:
        """The connection to an agent has ended: what is missing is asked for again on the next."""
        mine = {run for run, job in self._jobs.items() if job.agent == agent}
        self._open = {number: run for number, run in self._open.items() if run not in mine}


def tar_path(directory: str, run: str, sha256: str) -> str:
    """Where an artifact of `run` is kept."""
    return os.path.join(directory, run, f"{sha256}.tar")


def fetched_bytes(directory: str, run: str) -> int:
    """How much of a run's artifacts is here, whole or half."""
    try:
        with os.scandir(os.path.join(directory, run)) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except FileNotFoundError:
        return 0


def remove(directory: str, run: str) -> None:
    """Drop all artifacts of a run."""
    if is_run_id(run):
        shutil.rmtree(os.path.join(directory, run), ignore_errors=True)


def _keep(directory: str, run: str, part: str, artifact: Artifact, resumed: bool) -> Settled:
    """Rename the part to what it is, once its bytes are on disk and are those that were announced."""
    whole = tar_path(directory, run, artifact.sha256)
    if os.path.exists(whole):
        if os.path.exists(part):
            os.unlink(part)
        return Settled(run, artifact.sha256, KEPT)
    made = hashlib.sha256()
    with open(part, "rb") as file:
        while data := file.read(_PIECE):
            made.update(data)
        os.fsync(file.fileno())
    if made.hexdigest() != artifact.sha256:
        os.unlink(part)
        why = "its bytes are not those that the agent had announced: the sha256 differs"
        return Settled(run, artifact.sha256, AGAIN if resumed else GONE, why)
    os.rename(part, whole)
    sync_directory(os.path.dirname(whole))
    return Settled(run, artifact.sha256, KEPT)


def _cannot_write(path: str, error: OSError) -> Storage:
    return Storage(
        f"{path} cannot be written: {error.strerror}",
        hint="free some space: the artifacts are still on the agent, the next pass fetches them",
    )
