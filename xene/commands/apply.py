"""`xene apply`: makes the state match manifests, and tells the agents."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from xene.commands import manifests, plans
from xene.commands.call import Call, confirm, may_ask
from xene.commands.diff import Path, Prune, Source, TakeOver, remind, show
from xene.commands.slow import slow
from xene.commands.text import one_line, plural, shortened
from xene.errors import Unplaceable, Unreachable, Usage

if TYPE_CHECKING:
    from xene.control.apply import Applied, Options, Preview
    from xene.control.place import Place
    from xene.manifest.repository import Repository

SHOWN = 5
ROOM = 120  # characters of why a pipeline is nowhere; `why` tells the rest


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan; refuse what apply would.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing objects.")]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Allow an empty PATH, and removing more than half.")
]
IfUnchanged = Annotated[
    Optional[str],
    typer.Option("--if-unchanged", metavar="DIGEST", help="Only if the plan is the one that diff showed."),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Go on, and apply again whenever something in PATH changes.")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Exit 5 if a pipeline could not be placed, instead of a warning.")
]


def apply(
    call: Call,
    path: Path,
    dry_run: DryRun = False,
    yes: Yes = False,
    prune: Prune = True,
    allow_empty: AllowEmpty = False,
    source: Source = None,
    take_over: TakeOver = False,
    if_unchanged: IfUnchanged = None,
    watch: Watch = False,
    wait: Wait = False,
) -> int:
    """Make the state match PATH, in one transaction, and tell the agents.

    A directory owns what it applied, by its source's name: what has gone from it is removed (runs and history
    stay). Applying one file never removes. It asks only before removing, and only on a terminal; without one
    say --yes. An apply whose agents could not all be told is done, and exits 5 naming them. With --watch it goes on
    until Ctrl-C; a mistake in PATH is told then, and changes nothing.
    """
    from xene.control import apply as control

    options = control.Options(
        prune=prune,
        allow_empty=allow_empty,
        take_over=take_over,
        yes=yes,
        terminal=may_ask(),
        if_unchanged=if_unchanged,
        source=source,
    )
    if watch:
        from xene.commands.apply_watch import go_on

        refuse_watch(call, dry_run=dry_run, if_unchanged=if_unchanged)
        return go_on(call, path, lambda again: once(call, path, options, wait=wait, again=again))
    return once(call, path, options, dry_run=dry_run, wait=wait)


def refuse_watch(call: Call, *, dry_run: bool, if_unchanged: str | None) -> None:
    """Raises Usage for what means nothing where it is done again and again."""
    if dry_run or if_unchanged is not None or call.structured or call.form == "name":
        raise Usage("--watch goes with none of --dry-run, --if-unchanged and -o", hint="leave --watch away")


def once(
    call: Call, path: str, options: Options, *, dry_run: bool = False, wait: bool = False, again: bool = False
) -> int:
    """Apply PATH as it is now. `again`: it was before, so that nothing is said where nothing changes."""
    from xene.control import apply as control
    from xene.control.place import Place

    place = Place(call.state, call.home)
    repository = manifests.read(call, path, control.known(place), partial(control.templates, place))
    with slow(call, "making the plan", lines=False):
        found = control.preview(place, repository, options)
    if again and not found.plan.differs:
        return 0
    remind(call, repository, found)
    if dry_run:
        return rehearse(call, found, options)
    return carry_out(call, place, repository, options, found, wait)


def rehearse(call: Call, found: Preview, options: Options) -> int:
    """Show the plan; raise what an apply with --yes would raise."""
    from xene.plan import guards

    show(call, found)
    guards.judge(
        found.plan,
        yes=True,
        terminal=False,
        allow_empty=options.allow_empty,
        if_unchanged=options.if_unchanged,
    ).check()
    call.say("nothing was changed: this was a dry run")
    return 0


def carry_out(
    call: Call, place: Place, repository: Repository, options: Options, found: Preview, wait: bool
) -> int:
    """Show, do, and say what became of it. What was shown is what is done, or nothing."""
    from dataclasses import replace

    from xene.control import apply as control

    people = not call.structured and call.form != "name"
    if people:
        show(call, found)
        call.flush()
    if options.if_unchanged is None:
        options = replace(options, if_unchanged=found.plan.digest)
    with slow(call, "telling the agents") as notices:

        def asked(message: str) -> bool:
            with notices.paused():
                return ask(message)

        done = control.apply(place, repository, options, asked)
    if call.structured:
        call.put_value({**plans.as_json(found), **outcome(done)})
    elif not people:
        show(call, found)
    return tell(call, done, wait)


def ask(message: str) -> bool:
    """The question before a removal."""
    return confirm(f"{message}. Go on?")


def outcome(done: Applied) -> dict[str, Any]:
    """What the JSON of an apply has beside the plan."""
    return {
        "untold": [{"agent": agent, "message": why} for agent, why in done.untold.items()],
        "notScheduled": [f"{row['workflow']}/{row['name']}" for row in done.unscheduled],
    }


def tell(call: Call, done: Applied, wait: bool) -> int:
    """What is still missing: warnings, or exit 5."""
    if done.stopping:
        shown = ", ".join(done.stopping[:SHOWN]) + (" ..." if len(done.stopping) > SHOWN else "")
        call.warn(
            f"no controller is at work, and with control away for longer than lostAfter {shown} will stop"
            " (onLost: replace); 'xene reconcile', run more often than that, renews the leases"
        )
    for row in done.unscheduled[:SHOWN]:
        why = f"{row['reason']}: {row['message']}" if row["message"] else row["reason"] or ""
        call.warn(f"{row['workflow']}/{row['name']} is not scheduled: {shortened(why, ROOM)}")
    if len(done.unscheduled) > SHOWN:
        call.warn(
            f"and {len(done.unscheduled) - SHOWN} more pipelines: xene get pipelines --phase NotScheduled"
        )
    if done.untold:
        raise _untold(done)
    row = done.unscheduled[0] if done.unscheduled else {}
    if row and wait:
        raise Unplaceable(
            f"applied, but {plural(len(done.unscheduled), 'pipeline')} could not be placed",
            hint=f"xene why pipeline/{row['workflow']}/{row['name']}",
        )
    if row:
        call.hint(f"xene why pipeline/{row['workflow']}/{row['name']}")
    if done.plan.differs:
        call.say("applied")
    return 0


def _untold(done: Applied) -> Unreachable:
    names = list(done.untold)
    told = [f"{name}: {one_line(done.untold[name])}" for name in names]  # each is to be named (SPEC 4)
    why = f" {told[0]}" if len(told) == 1 else "".join(f"\n  {line}" for line in told)
    untrusted = [name for name in names if done.untold[name].startswith("Untrusted")]
    hint = f"xene agent trust {untrusted[0]}" if untrusted else f"xene why agent/{names[0]}"
    return Unreachable(
        f"applied, but {plural(len(names), 'agent')} could not be told:{why}",
        hint="" if hint in why else hint,
    )
