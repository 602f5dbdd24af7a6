"""`xene diff`: what `apply` would do, and where each pipeline would go. It writes nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from xene.commands import manifests, plans
from xene.commands.call import Call
from xene.commands.slow import slow

if TYPE_CHECKING:
    from xene.control.apply import Preview
    from xene.manifest.repository import Repository

Path = Annotated[str, typer.Argument(metavar="PATH", help="A directory of manifests, or one file.")]
Source = Annotated[
    Optional[str],
    typer.Option("--source", metavar="NAME", help="Whose the objects are; default: xene.yaml's name."),
]
Prune = Annotated[
    bool, typer.Option("--prune/--no-prune", help="Whether to remove what has gone from a whole source.")
]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Take objects from the source that owns them.")]


def diff(
    call: Call, path: Path, prune: Prune = True, take_over: TakeOver = False, source: Source = None
) -> int:
    """Show what 'xene apply PATH' would do: exit 0 if nothing, 1 if something, 3 if a manifest is invalid.

    Objects are shown field by field, then where each pipeline would be placed and why others cannot take it
    (-v: every agent, every pipeline), and the runs under way that keep the revision they started with.
    """
    from xene.control import apply
    from xene.control.place import Place

    place = Place(call.state, call.home)
    repository = manifests.read(call, path, apply.known(place), partial(apply.templates, place))
    with slow(call, "making the plan", lines=False):
        found = apply.preview(
            place, repository, apply.Options(prune=prune, take_over=take_over, source=source)
        )
    show(call, found)
    remind(call, repository, found)
    return 1 if found.plan.differs else 0


def remind(call: Call, repository: Repository, found: Preview) -> None:
    """A template that changes is taken over by its users only when they are applied."""
    from xene.plan.diff import CHANGED

    changed = [change.name for change in found.plan.of(CHANGED) if change.kind == "TaskTemplate"]
    if changed and not repository.complete:
        what = f"the TaskTemplate {changed[0]}" if len(changed) == 1 else f"{len(changed)} TaskTemplates"
        call.warn(
            f"workflows that use {what} and are not in PATH keep the old steps until they are applied again"
        )


def show(call: Call, found: Preview) -> None:
    """A plan on stdout, in the form asked for."""
    if call.structured:
        call.put_value(plans.as_json(found))
    elif call.form == "name":
        call.put("".join(f"{name}\n" for name in plans.names(found.plan)))
    else:
        call.put(plans.text(found, call.color(), call.verbose))
