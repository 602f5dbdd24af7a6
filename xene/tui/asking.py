"""What lies over a screen for a moment: a question, a choice, an answer. A question shows the command it means."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Mapping, Sequence, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from xene.plan.drawing.spans import DIM, Line, Span
from xene.tui.acts import Act
from xene.tui.commandline import CommandLine
from xene.tui.field import Field
from xene.tui.page import Page
from xene.tui.sheet import Column, Sheet

Words = tuple[str, ...]
Json = Mapping[str, Any]

_BOX = """
{name} {{ align: center middle; }}
{name} > Vertical {{
    width: 90%; max-width: 90; height: auto; max-height: 90%; padding: 1 2; border: round $primary;
    background: $surface;
}}
{name} Label, {name} .command {{ width: 100%; }}
{name} .command {{ color: $text-muted; height: auto; }}
{name} Horizontal.buttons {{ height: auto; margin-top: 1; }}
{name} Button {{ margin-right: 2; }}
{name} Input {{ background: $boost; }}
"""


class Ask(ModalScreen[Words | None]):
    """Whether an act is meant; and its reason, where the command takes one. Gives the command's words, or None."""

    DEFAULT_CSS = _BOX.format(name="Ask")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "leave", "No"),
        Binding("y", "yes", "Yes"),
    ]

    def __init__(self, line: CommandLine, act: Act) -> None:
        super().__init__()
        self._line, self._act = line, act

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._act.question or f"{self._act.label}?", markup=False)
            if self._act.reason:
                yield Field(placeholder="why (optional); enter sends it", id="reason")
            yield Static(f"$ {self._line.shown(self.words())}", classes="command", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(
                    self._act.label,
                    id="yes",
                    variant="error" if self._act.question else "primary",
                    compact=True,
                )
                yield Button("Leave it", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#reason" if self._act.reason else "#no").focus()

    def words(self) -> Words:
        """The command as it stands."""
        found = self.query("#reason").results(Input) if self._act.reason and self.is_mounted else iter(())
        reason = "".join(box.value for box in found)
        return (*self._act.words, "-m", reason) if reason else self._act.words

    def on_input_changed(self) -> None:
        self.query_one(".command", Static).update(f"$ {self._line.shown(self.words())}")

    def on_input_submitted(self) -> None:
        self.dismiss(self.words())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.words() if event.button.id == "yes" else None)

    def action_yes(self) -> None:
        self.dismiss(self.words())

    def action_leave(self) -> None:
        self.dismiss(None)


class Form(ModalScreen[Words | None]):
    """The params of a pipeline, each as its schema says: text or a choice. Gives the command's words."""

    DEFAULT_CSS = (
        _BOX.format(name="Form")
        + """
    Form VerticalScroll { height: auto; max-height: 16; }
    Form .param { height: auto; }
    Form .param Label { width: 30%; padding: 0 1 0 0; }
    Form .param Input, Form .param Select { width: 1fr; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it"),
        Binding("ctrl+r,f2", "run", "Run"),
    ]

    def __init__(self, line: CommandLine, act: Act, params: Json) -> None:
        super().__init__()
        self._line, self._act, self._params = line, act, params

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(f"Run {self._act.words[1]}", markup=False)
            with VerticalScroll():
                for at, (name, schema) in enumerate(self._params.items()):
                    with Horizontal(classes="param"):
                        yield Label(name + ("" if "default" in schema else " *"), markup=False)
                        yield _field(at, schema)
                if not self._params:
                    yield Label("It takes no params.")
            yield Static("", classes="command", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Run", id="yes", variant="primary", compact=True)
                yield Button("Leave it", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#param-0" if self._params else "#yes").focus()
        self._tell()

    def words(self) -> Words:
        """The command as it stands: what is as its default is left out."""
        given = [(name, _value(self.query_one(f"#param-{at}"))) for at, name in enumerate(self._params)]
        said = [(name, value) for name, value in given if value != _default(self._params[name])]
        return (*self._act.words, *(word for name, value in said for word in ("-p", f"{name}={value}")))

    def _tell(self) -> None:
        self.query_one(".command", Static).update(f"$ {self._line.shown(self.words())}")

    def on_input_changed(self) -> None:
        self._tell()

    def on_select_changed(self) -> None:
        self._tell()

    def on_input_submitted(self) -> None:
        self.action_run()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_run()
        else:
            self.dismiss(None)

    def action_run(self) -> None:
        self.dismiss(self.words())

    def action_leave(self) -> None:
        self.dismiss(None)


def _field(at: int, schema: Json) -> Widget:
    """What a param is written into."""
    default = _default(schema)
    known = schema.get("enum", [False, True] if schema.get("type") == "boolean" else None)
    if known is not None:
        choices = [(_text(each), _text(each)) for each in known]
        if default:
            return Select(choices, value=default, allow_blank=False, compact=True, id=f"param-{at}")
        return Select(choices, compact=True, id=f"param-{at}")  # no answer is taken for granted
    kind = {"integer": "integer", "number": "number"}.get(str(schema.get("type")), "text")
    hint = schema.get("description") or schema.get("pattern") or str(schema.get("type", "string"))
    return Field(value=default, placeholder=hint, type=kind, id=f"param-{at}")


def _default(schema: Json) -> str:
    return _text(schema["default"]) if "default" in schema else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(field: Widget) -> str:
    if isinstance(field, Select):
        return "" if field.is_blank() else str(field.value)
    return field.value if isinstance(field, Input) else ""


class Name(ModalScreen[str | None]):
    """One word is wanted, such as the name of a view. Gives it, or None."""

    DEFAULT_CSS = _BOX.format(name="Name")
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
        Binding("delete,D", "remove", "Remove"),
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
        box.border_subtitle = "enter: take  D: remove  esc: back"
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

    def restyle(self) -> None:
        """The theme is another one."""
        self.query_one(Sheet).restyle()

    def action_leave(self) -> None:
        self.dismiss(None)


class Answer(ModalScreen[None]):
    """Lines to read: why, the keys, what was done. `show` puts others in their place."""

    DEFAULT_CSS = _BOX.format(name="Answer") + "Answer > Vertical { height: 90%; max-width: 120; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "leave", "Back")]

    def __init__(self, title: str, lines: Sequence[Line] | None = None) -> None:
        super().__init__()
        self._title = title
        self._lines: Sequence[Line] = [(Span("...", DIM),)] if lines is None else lines

    def compose(self) -> ComposeResult:
        box = Vertical(Page(self._lines))
        box.border_title = self._title.replace("[", "\\[")
        box.border_subtitle = "esc: back"
        yield box

    def on_mount(self) -> None:
        self.query_one(Page).focus()

    def show(self, lines: Sequence[Line]) -> None:
        """Show these instead."""
        self.query_one(Page).show(lines)

    def restyle(self) -> None:
        """The theme is another one."""
        self.query_one(Page).restyle()

    def action_leave(self) -> None:
        self.dismiss(None)
