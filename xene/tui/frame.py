"""What all screens share: asking the reader, acting on what is under the cursor, why, help."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Mapping, Sequence

from textual.binding import Binding, BindingType
from textual.screen import Screen

from xene.model import phases
from xene.plan.drawing.spans import DIM, Line, Span, clean, wrapped
from xene.tui import acts, questions
from xene.tui.acts import Act, Subject
from xene.tui.answers import Answer
from xene.tui.asking import Ask
from xene.tui.band import Band
from xene.tui.commandline import Ran
from xene.tui.form import Form
from xene.tui.page import Page
from xene.tui.sheet import Sheet

if TYPE_CHECKING:
    from xene.tui.app import Status

Json = Mapping[str, Any]

SAID = 5  # lines that what came of an act may take; `l` shows all of it
# As `acts` has them. Of two that share a key never more than one is offered.
ACTS = (
    ("r", "Run"), ("c", "Cancel"), ("k", "Kill"), ("t", "Retry"), ("T", "Retry from here"), ("R", "Rerun"),
    ("a", "Approve"), ("x", "Reject"), ("s", "Suspend"), ("s", "Resume"), ("o", "Cordon"), ("o", "Uncordon"),
    ("d", "Drain"),
)  # fmt: skip


class Frame(Screen[None]):
    """A screen with a subject: what the cursor stands on. Its acts are those keys that `acts.offers` gives."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"act('{label}')", label) for key, label in ACTS),
        Binding("w", "why", "Why"),
        Binding("p", "pass", "Pass"),
        Binding("l", "acts", "Acts", show=False),
        Binding("question_mark", "help", "Keys", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.found: Json | None = None  # what the state said last
        self.stale = False  # somebody wrote since
        self._offered: list[Act] = []
        self._keys: object = None
        self.said_band = Band(id="said")

    @property
    def status(self) -> Status:
        """The app."""
        app: Any = self.app
        return app  # type: ignore[no-any-return]

    def ask(self, key: str, question: Callable[[Any], Any], take: Callable[[Any], None]) -> None:
        """Have the state asked; `take` gets the answer, if this screen is still there."""
        self.status.reader.ask(f"{self.id or type(self).__name__}:{key}", question, take)

    def look_again(self) -> None:
        """Ask anew for what is shown, if somebody wrote since that was asked."""
        if self.stale:
            self.stale = False
            self.look()

    def on_screen_resume(self) -> None:
        """What lay over it has gone: nothing old is shown as if it were new."""
        self.look_again()
        if self.found is not None:
            self.tick()

    # -- for screens to say

    def look(self) -> None:
        """Ask anew for what is shown: somebody wrote to the state."""
        raise NotImplementedError

    def tick(self) -> None:
        """A second went by."""
        for sheet in self.query(Sheet):
            sheet.again()

    def subject(self) -> Subject | None:
        """What the cursor stands on."""
        raise NotImplementedError

    def why_of(self) -> str | None:
        """What `xene why` is asked about it."""
        subject = self.subject()
        return None if subject is None else f"{subject.kind}/{subject.name}"

    def restyle(self) -> None:
        """The theme is another one."""
        for widget in (*self.query(Sheet), *self.query(Band), *self.query(Page)):
            widget.restyle()

    # -- acts

    def moved(self) -> None:
        """The cursor stands on something else, or that has changed: other keys may apply."""
        self._offered = [] if self.status.read_only else acts.offers(self.subject())
        keys = ([(act.key, act.label) for act in self._offered], self.why_of() is None, self.status.at_work)
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()

    @property
    def offered(self) -> Sequence[Act]:
        """What can be done to what the cursor stands on."""
        return self._offered

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "act":
            return any(act.label == parameters[0] for act in self._offered)
        if action == "why":
            return self.why_of() is not None
        if action == "pass":
            return not self.status.read_only and not self.status.at_work
        return True

    def action_act(self, label: str) -> None:
        for act in self._offered:
            if act.label == label:
                self.begin(act)
                return

    def action_pass(self) -> None:
        self.begin(acts.PASS)

    def begin(self, act: Act) -> None:
        """Ask what is to be asked, and do it."""
        subject = self.subject()
        if act.form and subject is not None:
            rows = subject.row.get("pipelines", [subject.row])
            self.ask(
                "params", lambda state: questions.params(state, rows), lambda found: self._fill_in(act, found)
            )
        elif act.look:
            ident = act.look
            self.ask("meant", lambda state: questions.run(state, ident), partial(self._begin_on, act))
        elif act.question:
            self.status.push_screen(Ask(self.status.line, act), self._carry_out)
        else:
            self._carry_out(act.words)

    def _begin_on(self, act: Act, found: Json) -> None:
        """The run is read of which something is to be answered."""
        offered = acts.offers(Subject("run", act.look, found["run"]))
        meant = next((each for each in offered if each.label == act.label), None)
        if meant is None:
            self.said([(Span(f"run {act.look} waits for no approval any more"),)])
        else:
            self.begin(meant)

    def _fill_in(
        self, act: Act, params: Json, filled: Mapping[str, str] | None = None, complaint: str = ""
    ) -> None:
        """Have the form filled in; once more, as it was left, when the command refused what stood in it."""
        form = Form(self.status.line, act, params, filled, complaint)

        def refused(ran: Ran) -> None:
            if self.status.screen is self:
                self._fill_in(act, params, kept, clean(ran.err.removeprefix("error: ")))

        def left(words: Sequence[str] | None) -> None:
            if words is not None:
                kept.update(form.filled)
                self.status.act(words, refused)

        kept: dict[str, str] = {}
        self.status.push_screen(form, left)

    def _carry_out(self, words: Sequence[str] | None) -> None:
        if words is not None:
            self.status.act(words)

    def said(self, lines: Sequence[Line]) -> None:
        """Show what became of an act, in full, if that is not too much."""
        room = max(20, self.size.width)
        self.said_band.show([part for line in lines for part in wrapped(line, room)][:SAID])

    def came_of(self, ran: Ran) -> None:
        """An act that was begun here has ended."""

    # -- why, help

    def action_why(self) -> None:
        target = self.why_of()
        if target is not None:
            answer = Answer(f"why {target}")
            self.status.push_screen(answer)
            self.run_worker(self._why(target, answer), exclusive=True, group="why")

    async def _why(self, target: str, answer: Answer) -> None:
        ran = await self.status.line.run(["why", target])
        if answer.is_attached:
            answer.show(answer_lines(ran))

    def action_help(self) -> None:
        from xene.tui import keys

        self.status.push_screen(Answer("Keys", keys.lines(self)))

    def action_acts(self) -> None:
        self.status.push_screen(Answer("What was done", self.status.done_lines()))


def answer_lines(ran: Ran) -> list[Line]:
    """What a command said, as lines."""
    text = ran.out if ran.code == 0 else ran.out + ran.err
    return [(Span(clean_indented(line)),) for line in text.splitlines()] or [(Span("it said nothing", DIM),)]


def clean_indented(line: str) -> str:
    """A line without anything that steers a terminal; its indent stays."""
    return " " * (len(line) - len(line.lstrip())) + clean(line)


def outcome(line: str, ran: Ran) -> list[Line]:
    """What became of an act: the command, its exit code where it is none of 0, and what it said."""
    if ran.code == 0:
        words = clean(_last(ran.err) or ran.out)
        return [(Span("✓ ", phases.SUCCESS), Span(f"$ {line}", DIM), Span(f"  {words}"))]
    head: Line = (Span(f"✗ exit {ran.code} ", phases.ERROR), Span(f"$ {line}", DIM))
    return [
        head,
        *((Span(f"  {clean(each.removeprefix('error: '))}"),) for each in ran.err.splitlines() if each),
    ]


def whole(line: str, ran: Ran) -> list[Line]:
    """All that became of an act: everything that the command printed."""
    text = ran.out + ran.err
    return [outcome(line, ran)[0][:2], *((Span(f"  {clean_indented(each)}"),) for each in text.splitlines())]


def _last(err: str) -> str:
    """The last remark of a command, where it made any; hints are for those who type."""
    lines = [line for line in err.splitlines() if line and not line.startswith("hint: ")]
    return lines[-1] if lines else ""
