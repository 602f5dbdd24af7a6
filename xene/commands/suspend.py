"""`xene suspend` and, by `say`, `xene resume`: whether triggers start a workflow or a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xene.commands import completion, kinds, listing
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import one_line, plural
from xene.errors import Unreachable
from xene.store import db

if TYPE_CHECKING:
    from xene.control.overriding import Said

Target = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW[/PIPELINE]",
        help="A workflow with all its pipelines, or one pipeline.",
        autocompletion=completion.targets,
    ),
]


def suspend(call: Call, target: Target) -> int:
    """Keep triggers from starting a workflow, or one pipeline of it, until 'xene resume'.

    Its slots are skipped, each with a row of its own; 'xene run' and runs under way go on. The word goes before
    what the manifest says, also over later applies; 'diff' shows it. Said of a workflow it holds for all its
    pipelines, whatever was said of them before. Agents that could not be told are named: exit 5; they are told when
    they are back, and fire until then.
    """
    return say(call, target, True)


def say(call: Call, target: str, value: bool) -> int:
    """Say it either way, and print what was meant."""
    from xene.control import overriding
    from xene.control.place import Place

    with slow(call, "telling the agents"):
        said = overriding.suspend(Place(call.state, call.home), target, value)
    word = (
        ("suspended" if value else "resumed") if said.changed else "suspended" if value else "not suspended"
    )
    put(call, said, f"is {word}{'' if said.changed else ' already' if value else ''}")
    return 0


def put(call: Call, said: Said, words: str) -> None:
    """Print the object, or say in words what it is now. Raises Unreachable where agents could not be told."""
    kind = kinds.kind_of(said.kind)
    if call.structured:
        with db.open_for_reading(call.state) as state:
            call.put_value(listing.one(state, kind, said.name))
    else:
        call.put(f"{kind.one}/{said.name}" if call.form == "name" else f"{kind.one} {said.name} {words}")
    call.flush()
    if said.untold:
        told = "; ".join(f"{agent}: {one_line(why)}" for agent, why in said.untold.items())
        raise Unreachable(
            f"it is stored, but {plural(len(said.untold), 'agent')} could not be told: {told}",
            hint=f"xene why agent/{next(iter(said.untold))}",
        )
