"""The app: one reader, one command line, the screens. Called by the command `status` on a terminal.

It reads on a thread of its own and acts by commands of its own, so that no key ever waits for either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial
from typing import Any, Callable, ClassVar, Iterable, Mapping, Sequence

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import AppBlur
from textual.markup import escape
from textual.screen import Screen
from textual.worker import WorkerFailed

from xene.errors import XeneError
from xene.model import phases
from xene.plan.drawing.spans import DIM, Line, Span, harmless
from xene.tui import keys, narrow_driver, prefs, served
from xene.tui.commandline import CommandLine, Ran
from xene.tui.early import Expecting
from xene.tui.frame import Frame
from xene.tui.main import Main
from xene.tui.messages import Answer, Broken, Moved, Trouble
from xene.tui.outcomes import outcome, started, whole
from xene.tui.pending import Pending
from xene.tui.prefs import DARK, LIGHT, Prefs
from xene.tui.quick_driver import QuickDriver, for_browser
from xene.tui.reader import Reader
from xene.tui.run import Run
from xene.tui.sheet import Sheet
from xene.tui.trigger_slots import TriggerSlots

TICK = 1.0  # seconds between two drawings of what only the clock changes
DONE = 200  # acts that are remembered


class Status(Expecting):
    """`read_only` says why nothing can be done here, "" where everything can.

    `keeps`: theme and views are written to the home.
    """

    TITLE = "xene"
    ENABLE_COMMAND_PALETTE = True
    CSS = "Footer { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", show=False),
        Binding("D", "dark", "Dark or light", show=False),
        Binding("ctrl+z", "suspend_process", "To the background; fg brings it back", show=False),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        state: str,
        home: str,
        *,
        named: bool = False,
        read_only: str = "",
        filter: str = "",
        keeps: bool = True,
    ) -> None:
        super().__init__()
        self._keeps = keeps
        self._filter = filter
        self.home = home
        self.animation_level = "none"  # over a slow line each step of it would be waited for
        self.line = CommandLine(state, home, named=named)
        self.read_only = read_only
        self.reader = Reader(state, self.post_message)
        self.prefs = prefs.read(home)
        self.at_work = False
        self.trouble = ""
        self._told: dict[str, str] = {}  # what was told of which question, until that is answered again
        self.broken: Exception | None = None
        self._done: list[tuple[float, list[Line]]] = []
        self.started = ""  # the run that was started last from here, the first one of several
        self._under_way = 0
        self._leaving = False

    def get_driver_class(self) -> type[Driver]:
        usual = super().get_driver_class()
        if served.role():
            return for_browser(usual)
        if not issubclass(usual, LinuxDriver):
            return usual  # a test
        narrow = narrow_driver.is_narrow(narrow_driver.encoding())
        return narrow_driver.NarrowDriver if narrow else QuickDriver

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.exit)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        self.theme = self.prefs.theme if self.prefs.theme in self.available_themes else DARK
        self.theme_changed_signal.subscribe(self, self._restyle)
        self.reader.start()
        self.push_screen(Main(self._filter))
        self.set_interval(TICK, self._tick)

    async def on_unmount(self) -> None:
        self.reader.stop()
        await self.line.left()

    def on_app_blur(self, event: AppBlur) -> None:
        """A page in a browser is said to have no focus at its beginning, when it has."""
        if served.role():
            event.prevent_default()

    def place(self) -> Sheet | None:
        """Where something is wrong with the state nobody knows when rows will be there."""
        return self.screen.pane.sheet if isinstance(self.screen, Main) and not self.trouble else None

    def _frames(self) -> list[Frame]:
        return [screen for screen in self.screen_stack if isinstance(screen, Frame)]

    # -- what the reader says

    @on(Answer)
    async def _answered(self, event: Answer) -> None:
        owner: Any = getattr(event.take, "__self__", None)
        self._told.pop(event.key, None)
        if self.is_running and getattr(owner, "is_attached", True):
            event.take(event.value)
            await self.play_early()

    @on(Moved)
    def _moved(self) -> None:
        """What lies below is looked at when it is shown again."""
        for frame in self._frames():
            frame.stale = True
        for frame in self._frames()[-1:]:
            frame.look_again()

    def take_at_work(self, at_work: bool) -> None:
        """Somebody is at work now, or nobody is: other keys apply, on every screen."""
        if at_work != self.at_work:
            self.at_work = at_work
            for frame in self._frames():
                frame.moved()

    @on(Trouble)
    def _in_trouble(self, event: Trouble) -> None:
        if event.key:
            if isinstance(self.screen, Pending) and self.screen.key == event.key:
                self.drop(self.screen)
            if self._told.get(event.key) != event.text:
                self.notify(event.text, severity="error", markup=False)
                self._told[event.key] = event.text
        elif event.text and isinstance(self.screen, Pending):
            self.drop(self.screen)  # nobody knows when it could be answered
        self.trouble = event.text if not event.key else self.trouble
        for frame in self._frames():
            frame.refresh_trouble()

    def _handle_exception(self, error: Exception) -> None:
        """A bug in the screen itself ends it, and the command line's error boundary tells it."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        self.broken = self.broken or (cause if isinstance(cause, Exception) else error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """No traceback on the terminal: drawing one with all locals can fail in turn, and the screen would hang."""
        self._close_messages_no_wait()

    @on(Broken)
    def _broke(self, event: Broken) -> None:
        self.broken = event.error
        self.exit()

    def _tick(self) -> None:
        for frame in self._frames()[-1:]:
            frame.tick()

    # -- acts

    def act(self, words: Sequence[str], refused: Callable[[Ran], None] | None = None) -> None:
        """Do what the command line does, and say what came of it. `refused` is told where it failed."""
        if self.read_only:  # no key, click or palette offers any; this is the last door
            self._say([(Span(self.read_only, phases.ERROR),)])
            return
        self.run_worker(self._act(tuple(words), refused), group="acts")

    async def _act(self, words: tuple[str, ...], refused: Callable[[Ran], None] | None) -> None:
        shown = self.line.shown(words)
        self._say([(Span("… ", DIM), Span(f"$ {shown}", DIM))])
        self._under_way += 1
        try:
            ran = await self.line.run(words, act=True)
        finally:
            self._under_way -= 1
            self._leaving = self._leaving and self._under_way > 0
        self._done = [*self._done, (time.time(), whole(shown, ran))][-DONE:]
        self.started = next(iter(started(ran)), self.started)
        self._say(outcome(shown, ran))
        self._moved()
        for frame in self._frames()[-1:]:
            frame.came_of(ran)
        if refused is not None and ran.code != 0:
            refused(ran)

    def _say(self, lines: Sequence[Line]) -> None:
        for frame in self._frames():
            frame.said(lines)

    def done_lines(self) -> list[Line]:
        """What was done here, newest first."""
        lines: list[Line] = []
        for at, (first, *more) in reversed(self._done):
            lines += [(Span(time.strftime("%H:%M:%S  ", time.localtime(at)), DIM), *first), *more, ()]
        return lines or [(Span("nothing yet", DIM),)]

    def _hung_up(self) -> None:
        """The terminal has gone. Nothing can be drawn or restored any more, and trying to may never end."""
        self.line.end_all()
        os._exit(128 + signal.SIGHUP)

    async def action_quit(self) -> None:
        """Leave; where an act is under way only when asked a second time."""
        if self._under_way and not self._leaving:
            self._leaving = True
            self._say([(Span("an act is under way; q again leaves without waiting for what comes of it"),)])
            return
        self.exit()

    # -- screens

    def open_run(self, ident: str) -> None:
        """Show a run: on the screen of one, where that is shown, and nowhere while something is asked."""
        if isinstance(self.screen, Run):
            self.screen.show(ident)
        elif isinstance(self.screen, Frame):
            self.push_screen(Run(ident))

    def open_slots(self, trigger: Mapping[str, Any]) -> None:
        """Show the slots of a trigger."""
        if isinstance(self.screen, Frame) and not isinstance(self.screen, TriggerSlots):
            self.push_screen(TriggerSlots(trigger))

    # -- themes and what is kept

    def _restyle(self, _: object) -> None:
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                restyle = getattr(widget, "restyle", None)
                if restyle is not None:
                    restyle()
        if self.theme != self.prefs.theme:
            self._keep_quietly(lambda stored: Prefs(self.theme, stored.views))

    def action_dark(self) -> None:
        self.theme = LIGHT if self.current_theme.dark else DARK

    def keep(self, changed: Callable[[Prefs], Prefs]) -> None:
        """Keep what this makes of what was kept. Raises Storage: then it lasts until the screen is left."""
        before, self.prefs = self.prefs, changed(self.prefs)
        if self._keeps:
            self.prefs = prefs.change(self.home, before, changed)

    def _keep_quietly(self, changed: Callable[[Prefs], Prefs]) -> None:
        try:
            self.keep(changed)
        except XeneError as error:
            self.notify(f"{error.message}; {error.hint}", severity="warning", markup=False)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:  # noqa: ARG002 - textual's
        """What the palette lists: what can be done here, views, themes."""
        for frame in self._frames()[-1:]:
            yield from self._commands_of(frame)
        yield SystemCommand("Dark or light", "The other one of the two themes", self.action_dark)
        yield SystemCommand("Theme", "One of all the themes", self.action_change_theme)
        yield SystemCommand("Quit", "Leave the screen; what goes on goes on", self.action_quit)

    def _commands_of(self, frame: Frame) -> Iterable[SystemCommand]:
        for act in frame.offered:
            words = escape(f"$ {self.line.shown(act.words)}")
            yield SystemCommand(act.label, words, partial(frame.begin, act))
        for binding in keys.bindings(frame):
            if binding.action != "app.quit":
                press = partial(frame.run_action, binding.action)
                yield SystemCommand(binding.description, f"key {keys.name(binding)}", press)
        if isinstance(frame, Main):
            for view in self.prefs.views:
                yield SystemCommand(
                    f"View {escape(harmless(view.name))}",
                    escape(harmless(view.filter)),
                    partial(frame.take_view, view),
                )


def run(state: str, home: str, *, named: bool, read_only: str, filter: str, keeps: bool) -> None:
    """Show the screen until it is left, at first with this filter. Raises what broke it."""
    app = Status(state, home, named=named, read_only=read_only, filter=filter, keeps=keeps)
    app.run()
    if app.broken is not None:
        raise app.broken
