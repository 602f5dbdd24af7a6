"""What a step said: the end of its log at once, however long it is, and what comes after, as it comes.

It is `xene logs`, run as a process of its own: a log of a gigabyte never is in this one, and leaving it ends that.
Nothing is read anew under somebody who reads further up. Used by the screen of a run.
"""

from __future__ import annotations

import asyncio
import codecs
from typing import Sequence

from xene.plan.drawing.spans import clean
from xene.tui.commandline import CommandLine, NotStarted, end
from xene.tui.kept import Kept
from xene.tui.log_view import FRAME, LogView

__all__ = ["FRAME", "Log"]

TAIL = 1000  # lines that are read at first
MORE = 10  # times as many are read when more is wanted
KEPT = 100_000  # lines that are kept of one that is followed
PIECE = 256 * 1024  # bytes that are taken at once
HEAVIEST = 32 * 1024 * 1024  # characters of them all that are kept
QUIET = 2.0  # seconds without a word, after which all that was there when a log was asked for has come


class Log(LogView):
    """`open` shows another log."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(Kept(TAIL), id=id)
        self._line: CommandLine | None = None
        self._words: tuple[str, ...] = ()
        self._follows = False
        self._attempt, self._over = 0, False
        self._waits = False  # what reads it goes on until the run has ended, and might do a controller's work
        self._broken = False  # what read it did not come to its end
        self._process: asyncio.subprocess.Process | None = None
        self._tail = TAIL
        self._next: Kept | None = None  # what is read anew, until it has reached what is shown
        self._owed = False  # it is to be read anew once whoever reads further up is at the end again
        self._ended = ""

    def say(self) -> str:
        """What is to be said of it: whether it is followed, how much of it is here, what went wrong."""
        words = [self._found()] if self._search else []
        words += [self._extent()] if self.matches() or not self._search else []
        words = ["reading"] if self._reading else words
        words += ["follows"] if self.following and self._follows and self._process is not None else []
        words += ["more may have come: f"] if self._owed else []
        return ", ".join(words) + (f"; {self._ended}" if self._ended else "")

    def _found(self) -> str:
        """How often what is searched for stands here, and at which of those places one is."""
        found = self.matches()
        if not found:
            return f"'{self._search}': 0 in {'the last ' if self._kept.has_earlier else ''}{self._extent()}"
        here = f"{found.index(self._at) + 1:,}" if self._at in found else "-"
        return f"'{self._search}': {here} of {len(found):,}"

    def _extent(self) -> str:
        """How much of it is here."""
        count = len(self.lines)
        more = " (m: earlier ones)" if self._kept.has_earlier and self._may_read_more else ""
        return f"{count:,} line{'' if count == 1 else 's'}{more}"

    @property
    def _may_read_more(self) -> bool:
        """Whether another reading could give earlier lines, if there are any, and keep them."""
        kept = self._kept
        return kept.tail <= len(kept.lines) and kept.tail < KEPT and not kept.gone

    # -- which log

    def open(
        self, line: CommandLine, words: Sequence[str], *, follow: bool, attempt: int = 1, over: bool = False
    ) -> None:
        """Show the log that `xene logs WORDS` prints; `follow`: also what comes, until it is `over`.

        What is known is read anew where the run is tried again, and where it is over but was not followed so far.
        """
        known = tuple(words) == self._words and self._line is not None
        followed, tried = self._follows and not self._ended, self._attempt
        now = (follow and not over, attempt, over)
        if known and now == (self._follows, self._attempt, self._over) and (follow or not self._waits):
            return
        self._line, self._words = line, tuple(words)
        self._follows, self._attempt, self._over = now
        if known and over and follow and followed and attempt == tried:
            return  # who follows it gives the rest, or has done so
        if not known:
            self._begin()
        else:
            if not follow and (self._waits or self._process is None):
                self._leave()
            self._read_anew()

    def leave(self) -> None:
        """Nothing of it is shown any more: another one is wanted, which is not known yet."""
        self.workers.cancel_group(self, "log")
        self._line, self._words, self._reading = None, (), True
        self._next, self._owed = None, False
        self._show(Kept(TAIL))

    def _begin(self) -> None:
        self._reading = True
        self._ended, self._at, self._seeks, self.following = "", -1, True, True
        self._tail, self._next = TAIL, None
        self._show(Kept(TAIL))
        self._start()

    def _start(self) -> None:
        self._owed = False
        # No coroutine: one that is left before it has begun would never be awaited.
        self.run_worker(self._read, exclusive=True, group="log")  # type: ignore[arg-type]

    def _leave(self) -> None:
        """Who reads it would do a controller's work now."""
        self.workers.cancel_group(self, "log")
        self._waits = False

    def _read_anew(self) -> None:
        """At once; for somebody who reads further up, once he is at the end again."""
        if self.following:
            self._start()
        elif not self._owed:
            self._owed = True
            self.post_message(self.Changed())

    def again(self) -> None:
        """Read it once more, where there may be more than was read: nobody follows it, or who did was ended."""
        unread = self._broken or not (self._follows or self._over)
        if self._process is None and self._line is not None and unread:
            self._read_anew()

    def _follow(self, following: bool) -> None:
        super()._follow(following)
        if following and self._owed:
            self._start()

    async def _read(self) -> None:
        """What was read before stays until this has reached it."""
        assert self._line is not None
        kept, follows = Kept(self._tail), self._follows
        how = ["--tail", str(self._tail), "--mark-attempts", *(["-f"] if follows else [])]
        try:
            process = await self._line.start(["logs", *self._words, *how])
        except NotStarted as error:
            self._ended, self._broken, self._next, self._reading = str(error), True, None, False
            self._come()
            return
        self._process, self._waits, self._ended, self._broken = process, follows, "", False
        self._take(kept)
        assert process.stderr is not None
        complaint = asyncio.create_task(process.stderr.read())
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        try:
            while data := await self._piece(process, kept):
                self._add(kept, decoder.decode(data))
            kept.end()
            said = clean((await complaint).decode("utf-8", "replace"))
            code = await process.wait()
            self._ended = said or (f"xene logs ended with code {code}" if code else "")
            self._broken, self._reading = code != 0, False
        finally:
            if process.returncode is None:
                end(process)
                await process.wait()
            if self._process is process:
                self._process, self._waits = None, False
            if self._next is kept and not (kept.settled and kept.lines):
                self._next = None  # it did not come far enough
            self._come()

    async def _piece(self, process: asyncio.subprocess.Process, kept: Kept) -> bytes:
        """The next piece. Where none comes for a while, all that was there when it was asked for is here."""
        assert process.stdout is not None
        if kept.lines and not kept.settled:
            try:
                return await asyncio.wait_for(process.stdout.read(PIECE), QUIET)
            except TimeoutError:
                kept.settle()
                self._come()
        return await process.stdout.read(PIECE)

    def _take(self, kept: Kept) -> None:
        """This is what is read now."""
        if self.lines:
            self._next = kept
        else:
            self._next = None
            self._show(kept)

    def _add(self, kept: Kept, text: str) -> None:
        if kept is self._kept:
            self._shown.pop(len(kept.lines) - 1, None)  # it may go on
        self._reading = False
        kept.add(text)
        self._come()

    def _draw(self) -> None:
        if self._next is not None and self._is_due(self._next):
            self._change_to(self._next)
            self._next = None
        self._let_go(KEPT, HEAVIEST)
        super()._draw()

    def _is_due(self, kept: Kept) -> bool:
        """Whether what is read anew is to be shown."""
        if kept.let_go(KEPT, HEAVIEST) or kept.settled:
            return bool(kept.lines)
        return kept.has_reached(self._kept) or (self.following and len(kept.lines) > kept.tail)

    def action_more(self) -> None:
        """Read more of what came before."""
        if self._line is None or not self._may_read_more:
            return
        if self._next is not None and self._next.tail > self._kept.tail:
            return  # that is what is read now
        while self._tail <= len(self.lines) and self._tail < KEPT:
            self._tail *= MORE
        self._seeks = self.searched and not self.matches()
        self._start()
