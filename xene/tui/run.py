"""The screen of one run: its tasks and steps, and beside them log, graph, timeline, outputs, why."""

from __future__ import annotations

import time
from typing import Any, ClassVar, Mapping, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import ContentSwitcher, Footer, Input

from xene.model import phases
from xene.model.ids import is_run_id
from xene.plan import drawing
from xene.plan.drawing.spans import BOLD, DIM, Line, Span
from xene.tui import questions
from xene.tui.acts import Subject
from xene.tui.band import Band, TabBar
from xene.tui.commandline import Ran
from xene.tui.field import Field
from xene.tui.frame import Frame, answer_lines
from xene.tui.log import Log
from xene.tui.page import Page
from xene.tui.run_lines import Part, detail, head, outputs, part_line, tree
from xene.tui.sheet import GAP, Column, Sheet
from xene.tui.why import Why

PARTS = ("Log", "Graph", "Timeline", "Outputs", "Why")
GONE = "is no longer in the state: it was removed as old"
DOTS: Sequence[Line] = [(Span("...", DIM),)]
AGAIN = 5  # seconds until the log of a run under way is read again, where nobody follows it
REST = 0.15  # seconds that the cursor rests on a step before its log is opened


def _columns(width: int) -> Sequence[Column]:
    """The tree: one column, in which names give way to what stands behind them."""
    room = width - GAP
    return (Column("", 0, lambda part, now: part_line(part, now, room)),)


class Run(Frame):
    """`ident` is the id of the run that is shown; `[` and `]` go to the one before and after it."""

    DEFAULT_CSS = """
    Run Horizontal { height: 1fr; }
    Run #parts { width: 36%; min-width: 26; max-width: 60; border-right: solid $panel; }
    Run ContentSwitcher { height: 1fr; }
    Run.whole #parts { display: none; }
    Run #tabs { background: $panel; }
    Run #search { height: 1; border: none; display: none; background: $boost; padding: 0 1; }
    Run #search.shown { display: block; }
    Run #detail, Run #said { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(at + 1), f"part('{part}')", part, show=False) for at, part in enumerate(PARTS)),
        Binding("escape", "back", "Back"),
        Binding("f", "log('follow')", "Follow the log, or not", show=False),
        Binding("m", "log('more')", "Earlier lines of the log", show=False),
        Binding("n", "log('next')", "Next match", show=False),
        Binding("N", "log('before')", "Match before", show=False),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("left_square_bracket", "go('older')", "Run before", key_display="[", show=False),
        Binding("right_square_bracket", "go('newer')", "Run after", key_display="]", show=False),
        Binding("tab", "other", "Tree or page", show=False),
        Binding("z", "whole", "Whole width", show=False),
    ]

    def __init__(self, ident: str) -> None:
        super().__init__(id="run")
        self.ident = ident
        self._timer: Timer | None = None
        self._gone = False
        self._ahead: list[str] = []  # where to go from a run that is still read
        self._at_work = False  # whether anybody was when the log was opened
        self._ticks = 0
        self._high = 1  # lines of the head
        self._head_band, self._detail = Band(id="head"), Band(id="detail")
        self._tabs = TabBar(PARTS, id="tabs")
        self._tree = Sheet(_columns, lambda part: part[:3], header=False, empty="...", id="parts")
        self._log = Log(id="log")
        self._why_page = Why(self._ask_why, id="why")
        self._pages = {part: Page(wraps=part == "Outputs", id=part.lower()) for part in PARTS[1:-1]}
        self._pages["Why"] = self._why_page
        self._box = Field(placeholder="search in the log; n and N go on", id="search", left=self._hide_search)

    def compose(self) -> ComposeResult:
        yield self._head_band
        yield self.trouble_band
        with Horizontal():
            yield self._tree
            with Vertical():
                yield self._tabs
                with ContentSwitcher(initial="log"):
                    yield self._log
                    yield from self._pages.values()
        yield self._box
        yield self._detail
        yield self.said_band
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._tree.focus()
        self._why_page.of(self.ident)
        self.look()

    # -- what is shown

    def look(self) -> None:
        ident = self.ident
        self.ask("run", lambda state: questions.run_if_there(state, ident), self._take)

    def _take(self, answer: tuple[str, Mapping[str, Any] | None]) -> None:
        ident, found = answer
        if ident != self.ident:
            return  # somebody has gone on to another one
        self._gone = found is None
        if found is None:
            self._ahead.clear()
            self._head()
            self.moved()
            return
        self.found = found
        self._go_on()
        if not self._is_read:
            return
        self._why_page.stale = True
        self._tree.show(list(tree(found["run"])))
        self._head()
        self._draw()
        self.moved()
        self._rest()

    def tick(self) -> None:
        super().tick()
        if self.found is None or not self._is_read:
            return
        if self.found["run"]["phase"] not in phases.ENDED:
            self._head()
            self._say_of_log()
            if self._shown in ("Graph", "Timeline"):
                self._draw()
        if self._shown == "Why":
            self._draw()
        self._ticks += 1
        if self.status.at_work != self._at_work:
            self._why_page.stale = True
            self._rest()
        elif self._ticks % AGAIN == 0 and not self.status.trouble:
            self._log.again()

    def _head(self) -> None:
        gone = [(Span("!! ", phases.ERROR), Span(f"run {self.ident} {GONE}", BOLD))] if self._gone else []
        known: list[Line] = []
        if self._is_read and self.found is not None:
            known = head(self.found["run"], time.time(), self.size.width)
            self._high = len(known)
        elif not self._gone:  # as high as the one before, so that nothing jumps
            known = [(Span(f"{self.ident}  ...", DIM),), *[()] * (self._high - 1)]
        self._head_band.show([*gone, *known])

    @property
    def _shown(self) -> str:
        return self._tabs.active

    def _draw(self) -> None:
        """Draw the page that is shown."""
        if self.found is None or not self._is_read or self._shown == "Log":
            return
        run, body = self.found["run"], self.found["body"]
        page = self._pages[self._shown]
        width = max(12, page.size.width - 2)
        if self._shown == "Graph":
            page.show(drawing.pipeline(body, run, width))
        elif self._shown == "Timeline":
            page.show(drawing.timeline(run, drawing.needs_of(body), time.time(), width))
        elif self._shown == "Outputs":
            page.show(outputs(self.found))
        elif not self.status.trouble:
            self._why_page.go_on()

    async def _ask_why(self, ident: str) -> Sequence[Line]:
        return answer_lines(await self.status.line.run(["why", f"run/{ident}"]))

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)
        if self.found is not None:
            self._head()
        self._say_of_log()

    def action_part(self, name: str) -> None:
        self._tabs.mark(name)
        self.query_one(ContentSwitcher).current = name.lower()
        self.call_after_refresh(self._draw)
        self._say_of_log()

    @on(TabBar.Picked)
    def _picked(self, event: TabBar.Picked) -> None:
        self.action_part(event.name)

    # -- the cursor, and the log of what is under it

    @property
    def here(self) -> Part | None:
        """The part under the cursor."""
        found: Part | None = self._tree.current
        return found

    @on(Sheet.Moved)
    def _cursor_moved(self) -> None:
        self.moved()
        self._rest()

    @on(Sheet.Chosen)
    def _chosen(self) -> None:
        self.action_part("Log")
        self.set_focus(self._log)

    def _rest(self) -> None:
        """Open the log of what the cursor stands on, once it stays there."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(REST, self._open_log)

    def _open_log(self) -> None:
        part = self.here
        if part is None or self.found is None:
            return
        run = self.found["run"]
        words = [run["id"]]
        if part.task is not None:
            words.append(part.task if part.step is None else f"{part.task}/{part.step}")
        # Where nobody is at work `logs -f` would do the passes; who only looks shall not.
        self._at_work = self.status.at_work
        over = run["phase"] in phases.ENDED
        self._log.open(self.status.line, words, follow=self._at_work, attempt=run["attempt"], over=over)

    @on(Log.Changed)
    def _say_of_log(self) -> None:
        """The line below: what the cursor stands on, and how much of its log is here."""
        part = self.here
        if part is not None:
            answers = {} if self.found is None else self.found["answers"]
            log = self._log.say() if self._shown == "Log" else ""
            self._detail.show(detail(part, answers, log, time.time(), self.size.width))

    def moved(self) -> None:
        super().moved()
        self._say_of_log()

    def subject(self) -> Subject | None:
        if self._gone or not self._is_read or self.found is None:
            return None
        return Subject("run", self.ident, self.found["run"], self.here.task if self.here else None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "log":
            return self._shown == "Log"
        if action == "go" and self._is_read:
            return self.found is not None and self.found[str(parameters[0])] is not None
        return super().check_action(action, parameters)

    # -- going elsewhere

    def action_back(self) -> None:
        shown = self._box.has_class("shown")
        if shown:
            self._hide_search()
        if self._shown == "Log" and self._log.searched:
            self._box.value = ""
            self._log.search("")
        elif not shown:
            self.app.pop_screen()

    def action_log(self, what: str) -> None:
        """What the keys of a log do, wherever the focus is."""
        steps = {"next": 1, "before": -1}
        if what in steps:
            self._log.action_match(steps[what]) if self._log.searched else self.action_search()
        else:
            self._log.action_follow() if what == "follow" else self._log.action_more()

    def action_go(self, where: str) -> None:
        """To the run before or after; what is pressed while that is read goes on from there."""
        self._ahead.append(where)
        if self._is_read or self._gone:
            self._go_on()

    @property
    def _is_read(self) -> bool:
        """Whether what was found is of the run that is to be shown."""
        return self.found is not None and self.found["run"]["id"] == self.ident

    def _go_on(self) -> None:
        while self._ahead and self.found is not None:
            ident = self.found[self._ahead.pop(0)]
            if ident is not None:
                return self._go_to(ident)

    def show(self, ident: str) -> None:
        """Another run is wanted."""
        self._ahead.clear()
        if ident != self.ident:
            self._go_to(ident)

    def _go_to(self, ident: str) -> None:
        self.ident, self._gone = ident, False
        self._clear()
        self.look()

    def _clear(self) -> None:
        """Nothing of the run before stands below the name of another one."""
        self._tree.forget()
        self._log.leave()
        for page in self._pages.values():
            page.show(DOTS)
        self._why_page.of(self.ident)
        self._detail.show(DOTS)
        self._head()
        self.moved()

    def came_of(self, ran: Ran) -> None:
        """A run that was started anew is what is shown next."""
        if ran.words == ("rerun", self.ident) and is_run_id(ran.out.strip()):
            self._go_to(ran.out.strip())

    @property
    def _page(self) -> Log | Page:
        """What is shown beside the tree."""
        return self._log if self._shown == "Log" else self._pages[self._shown]

    def action_other(self) -> None:
        self.set_focus(self._page if self._tree.has_focus else self._tree)

    def action_whole(self) -> None:
        self.toggle_class("whole")
        self.call_after_refresh(self._draw)
        if self.has_class("whole"):
            self.set_focus(self._page)

    # -- search

    def action_search(self) -> None:
        self.action_part("Log")
        self._box.add_class("shown")
        self.set_focus(self._box)

    def _hide_search(self) -> None:
        self._log.search(self._box.value)  # the word that it has changed may still be on its way
        self._box.remove_class("shown")
        self.set_focus(self._log)

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        self._log.search(self._box.value)  # not `event.value`: more may have been typed since
