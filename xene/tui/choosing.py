"""A word or one of several things is wanted: what lies over a screen for that. Used for views."""

from __future__ import annotations

from typing import ClassVar, Generic, Sequence, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from xene.plan.drawing.spans import Line
from xene.tui.boxes import BOX, Boxed
from xene.tui.field import Field
from xene.tui.sheet import Column, Sheet


class Name(Boxed[str | None]):
    """One word is wanted, such as the name of a view. Gives it, or None."""

    DEFAULT_CSS = BOX.format(name="Name")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave it")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question, markup=False)
            yield Field(id="word")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)

    def action_leave(self) -> None:
        self.dismiss(None)


Item = TypeVar("Item")


class Choice(ModalScreen[tuple[str, Item] | None], Generic[Item]):
    """One of several things. Gives `("take", it)`, `("remove", it)` for one that is to go, or None."""

    DEFAULT_CSS = (
        "Choice { align: center middle; } Choice > Vertical { width: 90%; max-width: 90; height: 50%;"
        + ("border: round $primary; background: $surface; padding: 1 2; }")
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back"),
        Binding("delete,x", "remove", "Remove"),
    ]

    def __init__(self, title: str, items: Sequence[Item], *, empty: str) -> None:
        super().__init__()
        self._title, self._items, self._empty = title, items, empty

    def line(self, item: Item) -> Line:
        """How one of them is shown."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        whole = Column(self._title, 0, lambda item, _: self.line(item))
        box = Vertical(Sheet(lambda _: (whole,), lambda item: item, empty=self._empty, header=False))
        box.border_title = self._title
        box.border_subtitle = "enter: take  x: remove  esc: back"
        yield box

    def on_mount(self) -> None:
        self.query_one(Sheet).show(self._items)
        self.query_one(Sheet).focus()

    @on(Sheet.Chosen)
    def _chosen(self) -> None:
        self._end("take")

    def action_remove(self) -> None:
        self._end("remove")

    def _end(self, act: str) -> None:
        item = self.query_one(Sheet).current
        if item is not None:
            self.dismiss((act, item))

    def action_leave(self) -> None:
        self.dismiss(None)
