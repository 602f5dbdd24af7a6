"""`xene backfill`: runs for instants of a cron trigger that are over, a few at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Mapping, NoReturn, Optional, Sequence

import typer

from xene.commands import completion, options, progress, tables, waiting
from xene.commands.call import Call
from xene.commands.run_fire import tell_ids
from xene.commands.slow import slow
from xene.commands.tables import Column
from xene.commands.text import one_line, plural
from xene.errors import Detached, Usage
from xene.model.units import rfc3339

if TYPE_CHECKING:
    from xene.control.backfill import Backfill
    from xene.control.past import Asked
    from xene.control.place import Place
    from xene.plan.backfill import Choice

REPROCESS = ("none", "failed", "all")


def backfill(
    call: Call,
    pipeline: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE",
            help="WORKFLOW/PIPELINE, with a cron trigger.",
            autocompletion=completion.pipelines,
        ),
    ],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help=f"From then on: {options.TIME}.")],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Before then.")],
    reprocess: Annotated[
        str,
        typer.Option(
            "--reprocess",
            metavar="none|failed|all",
            help="Run again what had a run: none, those that ended in Error, or all. Default none.",
            autocompletion=lambda: list(REPROCESS),
        ),
    ] = "none",
    max_active: Annotated[
        int, typer.Option("--max-active", metavar="N", help="So many runs at a time, at most. Default 1.")
    ] = 1,
    trigger: Annotated[
        Optional[str],
        typer.Option("--trigger", metavar="NAME", help="Which cron trigger, where the pipeline has several."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each instant, and start nothing.")
    ] = False,
) -> int:
    """Start a run for each instant of a cron trigger in a range that has had none, oldest first, and wait for all.

    Each run has the trigger's params and its instant in XENE_SCHEDULED_AT. Exit 0 if every run ended in Success, 1
    if one did not. Ctrl-C detaches: what was started goes on, nothing more is started; the same command again goes
    on where it stopped, also after a crash. A duration counts back from now: 2d is two days ago.
    """
    from xene.control import backfill as driving
    from xene.control import past
    from xene.control.place import Place

    begin, end = _range(start, until)
    if reprocess not in REPROCESS:
        raise Usage(f"--reprocess {reprocess}: not known", hint=f"one of {', '.join(REPROCESS)}")
    if max_active < 1:
        raise Usage("--max-active: at least one run must be allowed at a time")
    place = Place(call.state, call.home)
    asked = past.ask(place, pipeline, trigger, begin, end, reprocess, time.time())
    if dry_run:
        return _preview(call, place, asked)
    most = driving.at_once(place, asked.of, max_active)
    if most < max_active:
        call.say("its concurrencyPolicy lets one run go on at a time, so one is started at a time")
    return _carry_out(call, place, asked, most)


def _range(start: str, until: str) -> tuple[float, float]:
    begin, end = options.instant(start, "--from"), options.instant(until, "--until")
    assert begin is not None and end is not None  # both were given
    if end <= begin:
        raise Usage(f"--until ({rfc3339(end)}) is not later than --from ({rfc3339(begin)})")
    return begin, end


# -- --dry-run


COLUMNS = (
    Column("AT", lambda row, _: row["at"]),
    Column("STARTS", lambda row, _: "yes" if row["starts"] else "no"),
    Column("OUTCOME", lambda row, _: row["outcome"]),
    Column("WHY", lambda row, _: row["why"]),
)


def _preview(call: Call, place: Place, asked: Asked) -> int:
    from xene.control import past

    choices = past.preview(place, asked)
    rows = [_row(choice) for choice in choices]
    if call.structured:
        call.put_value(rows)
    elif call.form == "name":
        call.put("".join(f"{row['at']}\n" for row in rows if row["starts"]))
    elif rows:
        call.put(tables.render(rows, COLUMNS, time.time(), color=call.color()))
    call.say(_summary(choices))
    return 0


def _row(choice: Choice) -> dict[str, Any]:
    return {
        "at": rfc3339(choice.at),
        "starts": choice.starts,
        "outcome": choice.outcome,
        "reason": choice.reason,
        "run": choice.run,
        "why": choice.why,
    }


def _summary(choices: Sequence[Choice]) -> str:
    starts = sum(choice.starts for choice in choices)
    return f"{plural(len(choices), 'instant')} in the range, {starts} to be run"


# -- the real thing


class _Watcher:
    """Tells on stderr what starts and ends, and on stdout the ids as soon as they are on disk."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._total, self._ended = 0, 0
        self.started_here: list[str] = []

    def chosen(self, choices: list[Choice], resumed: int) -> None:
        if resumed:
            self._call.say(f"a backfill goes on that had started {plural(resumed, 'run')}")
        self._call.say(_summary(choices))
        self._total = resumed + sum(choice.starts for choice in choices)

    def started(self, run: str, at: float) -> None:
        self.started_here.append(run)
        if not self._call.structured:
            tell_ids(self._call, [run])
        self._call.say(f"{rfc3339(at)}: run {run}")

    def ended(self, run: Mapping[str, Any]) -> None:
        self._ended += 1
        told = progress.state(dict(run), time.time())
        self._call.say(f"{run['slot']}: run {run['id']}: {told} ({self._ended} of {self._total})")

    def away(self, agent: str, why: str) -> None:
        self._call.say(f"agent {agent} is away ({one_line(why)}): its runs go on when it is back")


def _carry_out(call: Call, place: Place, asked: Asked, most: int) -> int:
    from xene.control import backfill as driving

    wish = driving.prepare(place, asked, most, _Watcher(call))
    try:
        with slow(call, "backfilling"):
            driving.drive_through(place, wish)
    except KeyboardInterrupt:
        _detach(wish)
    if call.structured:
        call.put_value(wish.results)
    call.flush()
    driving.finish(place, asked, wish)
    return waiting.told(call, wish.results, seen=True)


def _detach(wish: Backfill) -> NoReturn:
    """What Ctrl-C says: what goes on, what was not started, and how to go on."""
    on = f"{plural(len(wish.open), 'run')} go{'es' if len(wish.open) == 1 else ''} on" if wish.open else ""
    left = f"{plural(wish.left, 'instant')} got no run" if wish.left else ""
    told = "; ".join(part for part in (on, left) if part) or "nothing was started"
    raise Detached(f"detached; {told}", hint="the same command again goes on where this one stopped")
