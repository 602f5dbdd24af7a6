"""Cron schedules in one process: the next instants of many triggers, and a year that is caught up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from xene.engine import cron as expressions
from xene.engine.slots import Book, Schedule, Zone, due, next_due
from xene.manifest.zones import names, zone_of
from xene.model.trigger import Cron

NOW = 1_780_272_000  # 2026-06-01
YEAR = 365 * 86400


def expression(chance: random.Random) -> str:
    """One of many kinds, nearly each time another."""
    minute, hour = chance.randrange(60), chance.randrange(24)
    return chance.choice(
        [
            f"{minute} {hour} * * *",
            f"*/{1 + chance.randrange(58)} {hour}-23 * * *",
            f"{minute} {hour} * * {chance.randrange(7)}",
            f"{minute} {hour} {1 + chance.randrange(28)} {1 + chance.randrange(12)} *",
            f"{minute} */{1 + chance.randrange(12)} * * MON-FRI",
            f"{minute},{(minute + 7) % 60} {hour} L * *",
        ]
    )


def best(measure: Callable[[], None]) -> float:
    """Seconds of the best of three."""
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        measure()
        took.append(time.perf_counter() - begun)
    return min(took)


def parsing(crons: list[Cron], zones: dict[str, Zone]) -> list[Schedule]:
    """All of them read anew."""
    expressions.parse.cache_clear()
    return [Schedule(cron, zones[cron.time_zone]) for cron in crons]


def catching_up(catch_up: str) -> None:
    """Every minute of a year gets its verdict."""
    cron = Cron(("* * * * *",), catch_up=catch_up, time_zone="Europe/Berlin")
    schedule, book = Schedule(cron, zone_of(cron.time_zone)), Book(NOW - YEAR)
    count = 0
    while (next_due(schedule, book, offset=0) or NOW) < NOW:
        verdicts, book = due(schedule, cron, book, NOW, offset=0, suspended=False)
        count += len(verdicts)
    if count != YEAR // 60:
        raise SystemExit(f"{count:,} verdicts instead of {YEAR // 60:,}")


def report(many: int = 10_000) -> str:
    """The table as Markdown."""
    chance, known = random.Random(7), names()
    crons = [Cron((expression(chance),), time_zone=chance.choice(known)) for _ in range(many)]
    zones = {name: zone_of(name) for name in known}
    schedules = parsing(crons, zones)

    def advance() -> None:
        for schedule in schedules:
            schedule.next_after(NOW)

    def everything() -> None:
        for schedule in parsing(crons, zones):
            schedule.next_after(NOW)

    rows = {
        f"the next instant of {many:,} triggers, expressions read anew": best(everything),
        f"the next instant of {many:,} triggers": best(advance),
        "a year of an every-minute trigger caught up: 525,600 verdicts, `latest`": best(
            lambda: catching_up("latest")
        ),
        "the same, `all`": best(lambda: catching_up("all")),
    }
    distinct = len({cron.schedules for cron in crons})
    lines = [
        f"### Cron schedules ({distinct:,} distinct expressions, {len(known)} zones), in one process",
        "",
        "Budget: 1 s for the next instants.",
        "",
        "| | best of 3, s |",
        "|---|---|",
        *(f"| {name} | {seconds:.3f} |" for name, seconds in rows.items()),
    ]
    return "\n".join(lines) + "\n"
