"""The main screen: who is at work, what must not be overlooked, and five parts, by number."""

from __future__ import annotations

import time
from typing import Any, Callable, ClassVar, Mapping

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, Footer, Input

from xene.errors import XeneError
from xene.model import phases
from xene.model.units import rfc3339
from xene.plan import overview
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean, wrapped
from xene.tui import choosing, filters, prefs, questions
from xene.tui.activity import Events, Runs
from xene.tui.acts import Subject
from xene.tui.band import Band, TabBar
from xene.tui.field import Field
from xene.tui.fleet import Agents
from xene.tui.frame import Frame
from xene.tui.pane import Pane
from xene.tui.pipelines import Overview
from xene.tui.prefs import View
from xene.tui.sheet import Sheet
from xene.tui.slots import Slots

PARTS = (Overview, Runs, Agents, Slots, Events)
ALARMS = 3  # lines of alarms that are shown
TOLD = 4  # lines that what is wrong with the state may take, with what to do about it
STATE_LOOK = 3  # seconds between looks at who is at work: that changes without a word in the state


class Main(Frame):
    """`found` is what the overview was last."""

    DEFAULT_CSS = """
    Main #tabs { background: $panel; }
    Main ContentSwitcher { height: 1fr; }
    Main #overview-agents { height: auto; max-height: 30%; border-top: solid $panel; }
    Main #filter { height: 1; border: none; display: none; background: $boost; padding: 0 1; }
    Main #filter.shown { display: block; }
    Main #detail, Main #said { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(at + 1), f"part('{part.name_of}')", part.name_of, show=False)
            for at, part in enumerate(PARTS)
        ),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear", "No filter", show=False),
        Binding("S", "sort", "Next order: name, trouble, next fire, newest run", show=False),
        Binding("v", "views", "Views that were kept", show=False),
        Binding("V", "keep_view", "Keep filter and order as a view", show=False),
        Binding("tab", "other", "The agents below, and back", show=False),
        Binding("F", "fold_all", "Fold all workflows, or unfold them", show=False),
    ]

    def __init__(self, filter: str = "") -> None:
        super().__init__(id="main")
        self._text = filter
        # As high as they will be, so that what stands between them is not drawn again when they are filled.
        self._head, self._detail = Band([()], id="head"), Band([(), ()], id="detail")
        self._tabs = TabBar([part.name_of for part in PARTS], id="tabs")
        self._overview = Overview()
        self._panes: tuple[Pane, ...] = (self._overview, *(part() for part in PARTS[1:]))
        self._box = Field(
            placeholder="words, and selectors: build team=web,!old", id="filter", left=self._hide_filter
        )
        self.pane: Pane = self._overview

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._tabs
        with ContentSwitcher(initial=self._overview.id):
            yield from self._panes
        yield self._box
        yield self._detail
        yield self.said_band
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._set_filter(self._text)
        self.set_focus(self.pane.sheet)
        self.set_interval(STATE_LOOK, lambda: self.ask("at work", questions.at_work, self._take_at_work))
        self.look()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Orders, views and folding are of the overview alone."""
        if action in ("sort", "keep_view", "fold_all", "other") and self.pane is not self._overview:
            return False
        return super().check_action(action, parameters)

    # -- what is shown

    def look(self) -> None:
        self._look_at_all()
        self.pane.look()

    def _look_at_all(self) -> None:
        question = questions.first if self.found is None else questions.everything
        self.ask("everything", question, self._take)

    def _take_at_work(self, pid: int | None) -> None:
        """Look at everything again if somebody else is at work, or if what was due next has passed."""
        if self.found is None:
            return
        known, now = self.found["controller"], rfc3339(time.time())
        due = min((row["nextFire"] for row in self.found["pipelines"] if row["nextFire"]), default=None)
        if pid != (known and known["pid"]) or (due is not None and due <= now):
            self._look_at_all()

    def _take(self, found: Mapping[str, Any]) -> None:
        self.found = found
        self.status.take_at_work(found["controller"] is not None)
        for pane in self._panes:
            pane.give(found)
        self.refresh_head()
        self.moved()

    def tick(self) -> None:
        super().tick()
        self.pane.tick()
        self.refresh_head()
        self._detail.show(self.pane.detail())

    def refresh_trouble(self) -> None:
        self.refresh_head()

    def refresh_head(self) -> None:
        """The lines above everything."""
        now = time.time()
        lines: list[Line] = [] if self.found is None else self._of_found(self.found, now)
        if self.status.trouble:
            told: Line = (Span("!! ", phases.ERROR), Span(clean(self.status.trouble), BOLD))
            lines += wrapped(told, max(20, self.size.width - 2))[:TOLD]
        self._head.show(lines or [()])

    def _of_found(self, found: Mapping[str, Any], now: float) -> list[Line]:
        looking = (Span("   only to look at", phases.UNKNOWN),) if self.status.read_only else ()
        lines: list[Line] = [(*overview.control(found, now, step=overview.by_tens), *looking)]
        if found["repo"]:
            lines.append(overview.repository(found["repo"], now))
        alarms = overview.alarms(found["alarms"], now)
        return lines + [overview.alarm_line(alarm) for alarm in alarms[:ALARMS]]

    def moved(self) -> None:
        super().moved()
        self._detail.show(self.pane.detail())
        more = f"   {self._text}" if self._text else ""
        sort = self._overview.sort
        more += f"   by {sort}" if sort != "name" and self.pane.name_of == "Overview" else ""
        self._tabs.mark(self.pane.name_of, more)

    def subject(self) -> Subject | None:
        return self.pane.subject()

    def why_of(self) -> str | None:
        pane = self.pane
        return pane.why() if isinstance(pane, (Events, Slots)) else super().why_of()

    # -- parts

    def action_part(self, name: str) -> None:
        self.query_one(ContentSwitcher).current = name.lower()
        self.pane = next(pane for pane in self._panes if pane.name_of == name)
        self.pane.filtered(filters.parse(self._text))
        self.pane.look()
        self.set_focus(self.pane.sheet)
        self.moved()

    @on(TabBar.Picked)
    def _picked(self, event: TabBar.Picked) -> None:
        self.action_part(event.name)

    @on(Sheet.Moved)
    def _cursor_moved(self) -> None:
        self.moved()

    @on(Sheet.Chosen)
    def _chosen(self) -> None:
        self.pane.opened()

    def on_descendant_focus(self) -> None:
        self.moved()

    def action_other(self) -> None:
        sheets = list(self.pane.query(Sheet))
        at = next((at for at, sheet in enumerate(sheets) if sheet.has_focus), 0)
        sheets[(at + 1) % len(sheets)].focus()

    def action_fold_all(self) -> None:
        self._overview.fold_all()

    # -- filter, sort, views

    def action_filter(self) -> None:
        self._box.add_class("shown")
        self.set_focus(self._box)

    def action_clear(self) -> None:
        self._set_filter("")
        self._hide_filter()

    def _hide_filter(self) -> None:
        if self._box.value.strip() != self._text:
            self._apply_filter(self._box.value)  # the word that it has changed is still on its way
        self._box.remove_class("shown")
        self.set_focus(self.pane.sheet)

    def _set_filter(self, text: str) -> None:
        if self._box.value != text:
            self._box.value = text
        self._apply_filter(text)

    def _apply_filter(self, text: str) -> None:
        self._text = text.strip()
        wanted = filters.parse(self._text)
        self.pane.filtered(wanted)
        self.said([(Span(wanted.problem, phases.ERROR),)] if wanted.problem else [])
        self.moved()

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self._apply_filter(self._box.value)  # not `event.value`: more may have been typed since

    def action_sort(self) -> None:
        pane = self._overview
        pane.sort = filters.SORTS[(filters.SORTS.index(pane.sort) + 1) % len(filters.SORTS)]
        pane.lay_out()
        self.moved()

    def take_view(self, view: View) -> None:
        """Look at the pipelines in a way that was kept."""
        self._overview.sort = view.sort if view.sort in filters.SORTS else "name"
        self.action_part("Overview")
        self._set_filter(view.filter)

    def action_views(self) -> None:
        self.status.push_screen(Views(self.status.prefs.views), self._use)

    def _use(self, chosen: tuple[str, View] | None) -> None:
        if chosen is None:
            return
        act, view = chosen
        if act == "take":
            self.take_view(view)
        else:
            self._keep(lambda stored: prefs.without_view(stored, view.name), f"view {view.name} is gone")

    def action_keep_view(self) -> None:
        self.status.push_screen(
            choosing.Name("A name for this view: its filter and its order"), self._keep_as
        )

    def _keep_as(self, name: str | None) -> None:
        if name is not None:
            view = View(name, self._text, self._overview.sort)
            self._keep(lambda stored: prefs.with_view(stored, view), f"view {name} is kept: v lists them")

    def _keep(self, changed: Callable[[prefs.Prefs], prefs.Prefs], words: str) -> None:
        try:
            self.status.keep(changed)
        except XeneError as error:
            self.said([(Span(f"{error.message}; {error.hint}", phases.ERROR),)])
            return
        self.said([(Span(words),)])


class Views(choosing.Choice[View]):
    """The views that were kept."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__("Views", views, empty="none yet: V keeps what you look at")

    def line(self, item: View) -> Line:
        return (Span(item.name, BOLD), Span(f"  {item.filter or 'no filter'}, by {item.sort}", DIM))
