"""Whether an act is meant, and its reason: what lies over a screen before an act. It shows the command it means."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Input, Label

from xene.plan.drawing.spans import harmless
from xene.tui.acts import Act
from xene.tui.boxes import BOX, Boxed, Shown
from xene.tui.commandline import CommandLine
from xene.tui.field import Field

Words = tuple[str, ...]


class Ask(Boxed[Words | None]):
    """Gives the command's words, with the reason where it takes one; None where the act is not meant."""

    DEFAULT_CSS = BOX.format(name="Ask")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("n", "answer(False)", "No"),
        Binding("y", "answer(True)", "Yes"),
        Binding("left", "app.focus_previous", "Previous"),
        Binding("right", "app.focus_next", "Next"),
    ]

    def __init__(self, line: CommandLine, act: Act) -> None:
        super().__init__()
        self._line, self._act = line, act

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            with VerticalScroll(classes="long", can_focus=False):
                yield Label(_lines(self._act.question or f"{self._act.label}?"), markup=False)
            if self._act.reason:
                yield Field(placeholder="why (optional); enter sends it", id="reason")
            yield Shown()
            with Horizontal(classes="buttons"):
                yield Button(
                    self._act.button or self._act.label,
                    "error" if self._act.destroys else "primary",
                    id="yes",
                    compact=True,
                )
                yield Button("Back", id="no", compact=True)
        box.border_title = self._act.label
        box.border_subtitle = "esc: back" if self._act.reason else "y: yes  n, esc: back"

    def on_mount(self) -> None:
        self.query_one("#reason" if self._act.reason else "#no").focus()

        self._tell()

    def _tell(self) -> None:
        self.query_one(Shown).say(self._line.shown(self.words()))

    def words(self) -> Words:
        """The command as it stands."""
        found = self.query("#reason").results(Input) if self._act.reason and self.is_mounted else iter(())
        reason = "".join(box.value for box in found)
        return (*self._act.words, "-m", reason) if reason else self._act.words

    def on_input_changed(self) -> None:
        self._tell()

    def on_input_submitted(self) -> None:
        self.dismiss(self.words())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.words() if event.button.id == "yes" else None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - textual's
        """A letter may be the beginning of the reason, which has not got the focus yet."""
        return action != "answer" or not self._act.reason

    def action_answer(self, yes: bool) -> None:
        self.dismiss(self.words() if yes else None)

    def action_leave(self) -> None:
        self.dismiss(None)


def _lines(text: str) -> str:
    """Each line as it can be shown: what is asked may come from a manifest."""
    return "\n".join(map(harmless, text.splitlines()))
