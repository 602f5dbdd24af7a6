"""What all screens share: asking the reader, acting on what is under the cursor, why, help."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Mapping, Sequence

from textual.binding import Binding, BindingType
from textual.screen import Screen

from xene.model import phases
from xene.plan.drawing.spans import BOLD, DIM, Line, Span, clean, wrapped
from xene.tui import acts, questions, refusals
from xene.tui.acts import Act, Subject
from xene.tui.answers import Answer
from xene.tui.asking import Ask
from xene.tui.band import Band
from xene.tui.commandline import Ran
from xene.tui.form import Form
from xene.tui.outcomes import clean_indented, complaint, outcome, started, whole
from xene.tui.pending import Pending
from xene.tui.sheet import Sheet

if TYPE_CHECKING:
    from xene.tui.app import Status

Json = Mapping[str, Any]

TROUBLE = 6  # lines that what is wrong with the state may take, with what to do about it
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
        Binding("l", "acts", "What was done", show=False),
        Binding("g", "go_there", "Go to the run that was started last", show=False),
        Binding("question_mark", "help", "Keys", key_display="?"),
        Binding("q", "app.quit", "Quit"),
        # Behind all others: they are heard where no act of that key is offered.
        *(Binding(key, f"refuse('{key}')", show=False) for key in (*refusals.KEYS, "p")),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.found: Json | None = None  # what the state said last
        self.stale = False  # somebody wrote since
        self._keys: object = None
        self._told: Sequence[Line] = ()
        self._kept: dict[tuple[str, ...], tuple[Mapping[str, str], str]] = {}  # forms that were refused
        self.said_band = Band(id="said")
        self.trouble_band = Band()

    @property
    def status(self) -> Status:
        """The app."""
        app: Any = self.app
        return app  # type: ignore[no-any-return]

    def ask(self, key: str, question: Callable[[Any], Any], take: Callable[[Any], None]) -> None:
        """Have the state asked; `take` gets the answer, if this screen is still there."""
        self.status.reader.ask(self._key(key), question, take)

    def _key(self, key: str) -> str:
        return f"{self.id or type(self).__name__}:{key}"

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

    def refresh_trouble(self) -> None:
        """Say why the state cannot be read, as long as it cannot: what is shown may not be so any more."""
        line = (Span("!! ", phases.ERROR), Span(clean(self.status.trouble), BOLD))
        lines = wrapped(line, max(20, self.size.width)) if self.status.trouble else []
        self.trouble_band.show(lines[:TROUBLE])

    def on_resize(self) -> None:
        self.call_after_refresh(self.refresh_trouble)

    def subject(self) -> Subject | None:
        """What the cursor stands on."""
        raise NotImplementedError

    def why_of(self) -> str | None:
        """What `xene why` is asked about it."""
        subject = self.subject()
        return None if subject is None else f"{subject.kind}/{subject.name}"

    # -- acts

    def moved(self) -> None:
        """The cursor stands on something else, or that has changed: other keys may apply."""
        keys = ([(act.key, act.label) for act in self.offered], self.why_of() is None, self.status.at_work)
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()

    @property
    def offered(self) -> Sequence[Act]:
        """What can be done to what the cursor stands on.

        Found anew for each key: one that comes right behind another that moved the cursor means the new row.
        """
        return [] if self.status.read_only else acts.offers(self.subject())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "act":
            return any(act.label == parameters[0] for act in self.offered)
        if action == "why":
            return self.why_of() is not None
        if action == "pass":
            return not self.status.read_only and not self.status.at_work
        return True

    def action_act(self, label: str) -> None:
        for act in self.offered:
            if act.label == label:
                self.begin(act)
                return

    def action_pass(self) -> None:
        self.begin(acts.PASS)

    def action_refuse(self, key: str) -> None:
        words = self.status.read_only
        if not words and key == acts.PASS.key:
            words = "Pass: a controller is at work, and makes them"
        self.said([(Span(words or refusals.refusal(key, self.subject())),)])

    def begin(self, act: Act) -> None:
        """Ask what is to be asked, and do it."""
        if act.form:
            rows = act.form
            self._find_out("params", lambda state: questions.params(state, rows), partial(self._fill_in, act))
        elif act.look:
            ident = act.look
            self._find_out("meant", lambda state: questions.run(state, ident), partial(self._begin_on, act))
        elif act.question:
            self.status.push_screen(Ask(self.status.line, act), self._carry_out)
        else:
            self._carry_out(act.words)

    def _find_out(self, key: str, question: Callable[[Any], Any], then: Callable[[Any], None]) -> None:
        """Have the state asked for what has to be known first; what is typed meanwhile is for what `then` shows."""
        if self._is_in_the_dark():
            return
        pending = Pending(self._key(key))

        def take(found: Any) -> None:
            if self.status.screen is not pending:
                return self.status.drop(pending)
            pending.dismiss()
            then(found)
            pending.place = self.status.screen
            pending.place.call_after_refresh(self.status.call_later, self.status.play, pending)

        self.status.hold(pending)
        self.ask(key, question, take)

    def _is_in_the_dark(self) -> bool:
        """Whether the state cannot be read; what is wrong with it is said, for nothing else can be known."""
        trouble = self.status.trouble
        if trouble:
            self.said([(Span(clean(trouble), phases.ERROR),)])
        return bool(trouble)

    def _begin_on(self, act: Act, found: Json) -> None:
        """The run is read of which something is to be answered."""
        offered = acts.offers(Subject("run", act.look, found["run"]))
        meant = next((each for each in offered if each.label == act.label), None)
        if meant is None:
            self.said([(Span(f"run {act.look} waits for no approval any more"),)])
        else:
            self.begin(meant)

    def _fill_in(self, act: Act, params: Json) -> None:
        """Have the form filled in: as it was left, when the command refused what stood in it."""
        form = Form(self.status.line, act, params, *self._kept.pop(act.words, ({}, "")))

        def refused(ran: Ran) -> None:
            self._kept[act.words] = kept, complaint(ran)
            if self.status.screen is self:  # else it comes the next time that it is asked for
                self._fill_in(act, params)

        def left(words: Sequence[str] | None) -> None:
            if words is not None:
                kept.update(form.filled)
                self.status.act(words, refused)

        kept: dict[str, str] = {}
        self.status.push_screen(form, left)

    def _carry_out(self, words: Sequence[str] | None) -> None:
        if words is not None:
            self.status.act(words, self._failed)

    def _failed(self, ran: Ran) -> None:
        """What is too long for the lines below lies over them, unless the reader has gone on to something else."""
        line = self.status.line.shown(ran.words)
        if self.status.screen is self and len(self._fitted(outcome(line, ran))) > SAID:
            self.status.push_screen(Answer("It failed", whole(line, ran)))

    def said(self, lines: Sequence[Line]) -> None:
        """Show what became of an act, in full, if that is not too much."""
        self._told = lines
        shown = self._fitted(lines)
        if len(shown) > SAID:
            shown = [*shown[: SAID - 1], (Span("  … l shows all of it", DIM),)]
        self.said_band.show(shown)

    def _fitted(self, lines: Sequence[Line]) -> list[Line]:
        return [part for line in lines for part in wrapped(line, max(20, self.size.width))]

    def came_of(self, ran: Ran) -> None:
        """An act has ended, and was told of."""
        if started(ran):
            *before, last = self._told
            self.said([*before, (*last, Span("  g: go there", DIM))])

    def action_go_there(self) -> None:
        if self.status.started:
            self.status.open_run(self.status.started)
        else:
            self.said([(Span("no run was started from here yet"),)])

    # -- why, help

    def action_why(self) -> None:
        target = self.why_of()
        if target is not None and not self._is_in_the_dark():
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
