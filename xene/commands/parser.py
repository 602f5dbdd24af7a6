"""The command line, by typer: a group that loads a command's module only when it is called, the options that
every command has, and plain help pages. Used by `cli` (and by what writes `docs/cli.md`).

typer only reads the words: what it gives back is the call to make, so that `cli` has the one error boundary.
"""

from __future__ import annotations

import importlib
import inspect
import os
from typing import TYPE_CHECKING, Annotated, Any, Callable, ClassVar, Mapping, NamedTuple, Optional

import typer
from typer.core import TyperCommand, TyperGroup

from xene.commands.call import FORMS, STATE_FILE, Call, check_form, xene_home
from xene.commands.text import did_you_mean
from xene.errors import Usage
from xene.model.records import dataclass, replace

if TYPE_CHECKING:
    from xene.control.spot import Spot


class Verb(NamedTuple):
    """One command of the table in `cli`: module `xene.commands.MODULE`, its function of the same name.

    `forms` is what `-o` offers; none: it prints no objects.
    """

    section: str
    summary: str
    module: str
    forms: tuple[str, ...] = ()


class Branch(NamedTuple):
    """A command with commands of its own."""

    section: str
    summary: str
    verbs: Mapping[str, Verb]


Table = Mapping[str, "Verb | Branch"]

State = Annotated[
    Optional[str],
    typer.Option("--state", metavar="FILE", help="The state; default $XENE_STATE, else $XENE_HOME/state.db."),
]


def output(forms: tuple[str, ...]) -> Any:
    """The option -o of a command that prints these forms."""
    return Annotated[
        Optional[str],
        typer.Option(
            "--output",
            "-o",
            metavar="FORM",
            help=f"How results are printed: {', '.join(forms)}.",
            autocompletion=lambda: list(forms),
        ),
    ]


Output = output(FORMS)
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (also: NO_COLOR set).")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no hints on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More about what is done, on stderr.")]
COMMON: Mapping[str, tuple[Any, Any]] = {
    "state": (State, None),
    "output": (Output, None),
    "no_color": (NoColor, False),
    "quiet": (Quiet, False),
    "verbose": (Verbose, False),
}


@dataclass(frozen=True)
class Planned:
    """What the words on the command line ask for; `cli` carries it out."""

    function: Callable[..., int]
    call: Call
    arguments: Mapping[str, Any]

    def with_spot(self, spot: Spot | None) -> Planned:
        """The same, with the agent that was started for it."""
        return replace(self, call=replace(self.call, spot=spot)) if spot is not None else self

    def carry_out(self) -> int:
        """Run the command; its exit code."""
        return self.function(self.call, **self.arguments)


def make_call(given: Mapping[str, Any], before: Mapping[str, Any], forms: tuple[str, ...], verb: str) -> Call:
    """The common options of one call: those after the command win over those before it."""
    output = given.get("output") or before.get("output")
    state = given.get("state") or before.get("state") or os.environ.get("XENE_STATE")
    return Call(
        state=os.path.abspath(os.path.expanduser(state)) if state else os.path.join(xene_home(), STATE_FILE),
        form=check_form(output, forms, verb) if output else "table",
        no_color=bool(given.get("no_color") or before.get("no_color")),
        quiet=bool(given.get("quiet") or before.get("quiet")),
        verbose=bool(given.get("verbose") or before.get("verbose")),
    )


def planned(function: Callable[..., int], name: str, verb: Verb) -> Callable[..., Planned]:
    """`function` in the clothes that typer reads: its own parameters, and the common ones."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    common = {**COMMON, "output": (output(verb.forms), None)}
    if not verb.forms:
        del common["output"]
    more = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for key, (annotation, default) in common.items()
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def collect(ctx: typer.Context, **words: Any) -> Planned:
        given = {key: words.pop(key) for key in common}
        call = make_call(given, ctx.find_root().params, verb.forms, name)
        return Planned(function, call, words)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + [*more, context]
    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    collect.__annotations__ = {p.name: p.annotation for p in parameters}
    collect.__doc__ = function.__doc__
    return collect


class Command(TyperCommand):
    """One command with a plain help page."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = [_argument(p) for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return [*pieces, "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        own: list[Any] = [p for p in self.get_params(ctx) if not getattr(p, "hidden", False)]
        sections = {
            "Arguments": [p for p in own if p.param_type_name == "argument"],
            "Options": [p for p in own if p.param_type_name == "option" and p.name not in _COMMON_NAMES],
            "Common options": [p for p in own if p.param_type_name == "option" and p.name in _COMMON_NAMES],
        }
        for title, params in sections.items():
            if params:
                with formatter.section(title):
                    formatter.write_dl([record(p) for p in params])


_COMMON_NAMES = {*COMMON, "help"}


def _argument(param: Any) -> str:
    name = param.metavar or str(param.name).upper()
    if param.nargs != 1:
        name += "..."
    return name if param.required else f"[{name}]"


def record(param: Any) -> tuple[str, str]:
    """The two columns of a help page for one parameter."""
    if param.param_type_name == "argument":
        return _argument(param), param.help or ""
    short = [o for o in param.opts if not o.startswith("--")]
    long = [o for o in param.opts if o.startswith("--")]
    name = ", ".join(short + long)
    if param.secondary_opts:
        name += " / " + ", ".join(param.secondary_opts)
    if param.metavar and not param.is_flag:
        name += f" {param.metavar}"
    return name, param.help or ""


class LazyGroup(TyperGroup):
    """Commands by their table; a module is imported when its command is called or its help is asked for."""

    table: ClassVar[Table] = {}

    def list_commands(self, _: Any) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.table.get(cmd_name)
        if entry is None or cmd_name in self.commands:
            return self.commands.get(cmd_name)
        path = f"{self._path(ctx)}{cmd_name}"
        self.commands[cmd_name] = build(entry, cmd_name, path)
        return self.commands[cmd_name]

    def _path(self, ctx: Any) -> str:
        return "" if ctx is None or ctx.parent is None else f"{self.name} "

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.table and not args[0].startswith("-") and not ctx.resilient_parsing:
            known = did_you_mean(args[0], self.table)
            page = f"{ctx.command_path} --help"
            raise Usage(f"no such command: {args[0]}", hint=known or f"'{page}' lists the commands")
        return super().resolve_command(ctx, args)

    def format_commands(self, _: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.table.items():
            sections.setdefault(entry.section, []).append((name, entry.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        options = [record(p) for p in self.get_params(ctx) if p.param_type_name == "option"]
        with formatter.section("Options"):
            formatter.write_dl(options)


def build(entry: Verb | Branch, name: str, path: str) -> Any:
    """The typer command of one row of a table. `path` is how it is called after `xene`."""
    if isinstance(entry, Branch):
        return group(entry.verbs, name, entry.summary)
    module = importlib.import_module(f"xene.commands.{entry.module}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    function = planned(getattr(module, entry.module), path, entry)
    settings = {"help_option_names": ["-h", "--help"]}
    app.command(name, cls=Command, context_settings=settings, short_help=entry.summary)(function)
    return typer.main.get_command(app)


def group(table: Table, name: str, summary: str, *, root: bool = False) -> Any:
    """The typer group of a table; the root has the common options and shell completion."""
    kind = type("Group", (LazyGroup,), {"table": table})
    app = typer.Typer(
        name=name,
        cls=kind,
        add_completion=root,
        no_args_is_help=False,
        invoke_without_command=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=summary,
        subcommand_metavar="COMMAND ...",
    )
    app.callback()(_root if root else _branch)
    return typer.main.get_command(app)


def _show_help(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _root(
    ctx: typer.Context,
    state: State = None,
    output: Output = None,  # type: ignore[valid-type]
    no_color: NoColor = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Here only to declare the options; `make_call` reads what was given from the context."""
    _ = state, output, no_color, quiet, verbose
    _show_help(ctx)


def _branch(ctx: typer.Context) -> None:
    _show_help(ctx)
