"""The params of a run, each as its schema says: what lies over a screen before `xene run`. Used by frames.

What is typed is taken as it is; what is wrong with it is said beside it, by the same check that `xene run` makes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Sequence

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select, Static

from xene.model.pipeline_codec import params_from_json
from xene.plan import inputs
from xene.plan.drawing.spans import clean
from xene.tui.acts import Act
from xene.tui.boxes import BOX, Boxed, Shown
from xene.tui.commandline import CommandLine
from xene.tui.field import Field, Pick
from xene.tui.outcomes import clean_indented

Words = tuple[str, ...]
Json = Mapping[str, Any]


class Form(Boxed[Words | None]):
    """Gives the command's words, or None. `filled` is what stood in it before, `complaint` what came of that."""

    DEFAULT_CSS = (
        BOX.format(name="Form")
        + """
    Form .param { height: auto; }
    Form .param Label { width: 30%; padding: 0 1 0 0; }
    Form .param Input, Form .param Select { width: 1fr; }
    Form .wrong, Form #complaint { color: $text-error; width: 100%; height: auto; }
    Form #complaint { max-height: 5; }
    Form .wrong { padding: 0 0 0 2; }
    Form .about { color: $text-muted; width: 100%; height: auto; padding: 0 0 0 2; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("ctrl+r,f2", "run", "Run"),
        Binding("left", "app.focus_previous", "Previous"),
        Binding("right", "app.focus_next", "Next"),
    ]

    def __init__(
        self,
        line: CommandLine,
        act: Act,
        params: Json,
        filled: Mapping[str, str] | None = None,
        complaint: str = "",
    ) -> None:
        super().__init__()
        self._line, self._act, self._params, self._complaint = line, act, params, complaint
        self._filled = {name: _default(schema) for name, schema in params.items()} | dict(filled or {})
        self._declared = params_from_json(dict(params))
        self._tried = False  # to run it: from then on also what is missing is told

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            if self._complaint:
                words = "\n".join(clean_indented(line) for line in self._complaint.splitlines())
                yield Static(words, id="complaint", markup=False)
            with VerticalScroll(classes="long", can_focus=False):
                for at, (name, schema) in enumerate(self._params.items()):
                    yield from self._param(at, name, schema)
                if not self._params:
                    yield Label("It takes no params.")
            yield Shown()
            with Horizontal(classes="buttons"):
                yield Button("Run", id="yes", variant="primary", compact=True)
                yield Button("Back", id="no", compact=True)
        box.border_title = f"Run {self._act.words[1]}"
        needed = any("default" not in schema for schema in self._params.values())
        lists = any(_choices(schema) for schema in self._params.values())
        box.border_subtitle = ("*: must be given  " if needed else "") + (
            "F2: run  enter: run, or open a list  esc: back" if lists else "enter: run  esc: back"
        )

    def _param(self, at: int, name: str, schema: Json) -> ComposeResult:
        with Horizontal(classes="param"):
            yield Label(_label(name, schema), markup=False)
            yield _field(at, schema, self._filled[name])
        about = _about(schema)
        if about:
            yield Static(about, classes="about", markup=False)
        wrong = Static("", classes="wrong", id=f"wrong-{at}", markup=False)
        wrong.display = False
        yield wrong

    def on_mount(self) -> None:
        self.query_one("#param-0" if self._params else "#yes").focus()
        self._tell()

    @property
    def filled(self) -> dict[str, str]:
        """What stands in it."""
        return {name: _value(self.query_one(f"#param-{at}")) for at, name in enumerate(self._params)}

    def words(self) -> Words:
        """The command as it stands: what is as its default is left out."""
        said = [(name, value) for name, value in self.filled.items() if value != _default(self._params[name])]
        return (*self._act.words, *(word for name, value in said for word in ("-p", f"{name}={value}")))

    def wrong(self, name: str, value: str) -> str:
        """What is wrong with a value; "" where nothing is."""
        given = {name: value} if value or "default" in self._params[name] else {}
        _, problems = inputs.check({name: self._declared[name]}, given)
        return clean(problems[0].removeprefix(f"param {name}: ")) if problems else ""

    def _tell(self) -> None:
        self.query_one(Shown).say(self._line.shown(self.words()))

    def _look_at(self, at: int, value: str) -> bool:
        """Whether something is wrong with what stands in a field; it is said beside it."""
        name = list(self._params)[at]
        known = value or "default" in self._params[name] or self._tried
        words = self.wrong(name, value) if known else ""
        said = self.query_one(f"#wrong-{at}", Static)
        said.update(words)
        said.display = bool(words)
        return bool(words)

    def _changed(self, field: Widget) -> None:
        """Of many fields only the one in which something was typed is looked at."""
        self._look_at(int(str(field.id).removeprefix("param-")), _value(field))
        self._tell()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._changed(event.input)

    def on_select_changed(self, event: Select.Changed) -> None:
        self._changed(event.select)

    def on_input_submitted(self) -> None:
        self.action_run()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_run()
        else:
            self.dismiss(None)

    def action_run(self) -> None:
        """Run it, if nothing is wrong; else go to the first field where something is."""
        self._tried = True
        wrong = [at for at, value in enumerate(self.filled.values()) if self._look_at(at, value)]
        if wrong:
            self.query_one(f"#param-{wrong[0]}").focus()
        else:
            self.dismiss(self.words())

    def action_leave(self) -> None:
        self.dismiss(None)


def _field(at: int, schema: Json, value: str) -> Widget:
    """What a param is written into."""
    known = _choices(schema)
    if not known:
        return Field(value=value, id=f"param-{at}")
    choices = [(Content(clean(_text(each))), _text(each)) for each in known]
    if value in [text for _, text in choices]:
        return Pick(choices, value=value, allow_blank=False, compact=True, id=f"param-{at}")
    return Pick(choices, compact=True, id=f"param-{at}")  # no answer is taken for granted


def _label(name: str, schema: Json) -> Content:
    """Its name, a star where it must be given, its type."""
    star = "" if "default" in schema else " *"
    return Content.assemble(f"{name}{star} ", (_type(schema), "$text-muted"))


def _about(schema: Json) -> str:
    """What it is for, and what it must look like."""
    pattern = schema.get("pattern")
    said = (schema.get("description"), f"matches {pattern}" if pattern else None)
    return "; ".join(clean(str(each)) for each in said if each)


def _type(schema: Json) -> str:
    return str(schema.get("type", "string"))


def _choices(schema: Json) -> Sequence[Any]:
    """The values that it can have, where those are listed."""
    return schema.get("enum") or ([False, True] if _type(schema) == "boolean" else [])


def _default(schema: Json) -> str:
    """The text of the default; of one that is listed, as it is listed: `1.0` is the choice `1`."""
    if "default" not in schema:
        return ""
    default = schema["default"]
    same = (
        each
        for each in _choices(schema)
        if each == default and isinstance(each, bool) == isinstance(default, bool)
    )
    return _text(next(same, default))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(field: Widget) -> str:
    if isinstance(field, Select):
        return "" if field.is_blank() else str(field.value)
    return field.value if isinstance(field, Input) else ""
