"""Backfilling over scripted agents: which runs come to be, how many at a time, and that none comes twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.control.conftest import Host, eventually, pipeline, workflow
from xene.control import again, backfill, past
from xene.errors import Conflict, NotFound, Unplaceable, Unreachable, Usage
from xene.model.units import rfc3339
from xene.plan.backfill import Choice
from xene.store import runs, slots
from xene.store.slots import Slot

HOUR = 3600
DAY = 1_700_006_400  # a midnight, long before the trigger was applied
HOURLY = {"cron": {"schedule": "0 * * * *", "params": {"level": "full"}}}
LEVEL = {"level": {"type": "string", "enum": ["quick", "full"], "default": "quick"}}


class Watching:
    """Notes what it is told; `on_start` is called at each start."""

    def __init__(self, on_start: Any = None) -> None:
        self.choices: list[Choice] = []
        self.starts: list[tuple[str, float]] = []
        self.ends: list[str] = []
        self.resumed, self.gone = 0, ""
        self._on_start = on_start

    def chosen(self, choices: list[Choice], resumed: int) -> None:
        self.choices, self.resumed = choices, resumed

    def started(self, run: str, at: float) -> None:
        self.starts.append((run, at))
        if self._on_start is not None:
            self._on_start(run)

    def ended(self, run: Any) -> None:
        self.ends.append(run["id"])

    def away(self, agent: str, why: str) -> None:
        self.gone = agent


def shop(host: Host, **more: Any) -> Host:
    body = pipeline("one", triggers=["hourly"], params=LEVEL, **more)
    made = workflow("shop", {"build": body, "scan": pipeline("one", needs=[{"pipeline": "build"}])})
    made["spec"]["triggers"] = {"hourly": HOURLY}
    host.apply(made)
    return host


def asked(host: Host, hours: float = 3, reprocess: str = "none", **more: Any) -> past.Asked:
    found = past.ask(host.place, "shop/build", None, DAY, DAY + hours * HOUR, reprocess, 2e9)
    return found._replace(**more)


def backfilled(host: Host, of: past.Asked, most: int = 1, watcher: Watching | None = None) -> list[Any]:
    wish = backfill.prepare(host.place, of, most, watcher or Watching(), open=host.open)
    backfill.drive_through(host.place, wish, open=host.open)
    backfill.finish(host.place, of, wish)
    return wish.results


def slots_of(results: list[Any]) -> list[str]:
    """In their order in time: runs are told as their logs are there, and that of a later one may be first."""
    return sorted(row["slot"] for row in results)


def hours(*numbers: int) -> list[str]:
    return [rfc3339(DAY + number * HOUR) for number in numbers]


def test_a_run_for_each_instant_oldest_first_and_one_at_a_time(host: Host) -> None:
    started: list[str] = []

    def start(run: str) -> None:
        assert set(started) <= host.fleet["local"].ended
        started.append(run)

    rows = backfilled(shop(host), asked(host), watcher=Watching(start))
    assert slots_of(rows) == hours(0, 1, 2) and sorted(row["id"] for row in rows) == sorted(started)
    assert {(row["trigger"], row["phase"], row["params"]["level"]) for row in rows} == {
        ("backfill", "Success", "full")
    }
    assert len({row["fire"] for row in rows}) == 1
    (orders,) = [each["order"] for each in host.fleet["local"].heard if each["type"] == "start"][:1]
    assert orders["scheduledAt"] == rfc3339(DAY) and orders["trigger"] == "backfill"


def test_it_takes_no_slots_and_nothing_follows(host: Host) -> None:
    backfilled(shop(host), asked(host))
    with host.state() as state:
        assert slots.read(state.conn, "shop", "build", "hourly", DAY) is None
        assert {row.pipeline for row in runs.unsettled(state.conn)} <= {"build"}


def test_what_has_run_is_not_run_again(host: Host) -> None:
    shop(host)
    first = backfilled(host, asked(host, 2))
    assert slots_of(backfilled(host, asked(host, 4))) == hours(2, 3)
    assert backfilled(host, asked(host, 4)) == []
    assert slots_of(backfilled(host, asked(host, 2, "all"))) == slots_of(first)
    assert slots_of(backfilled(host, asked(host, 2, "all"))) == slots_of(first)


def test_what_failed_is_run_again_when_asked_for(host: Host) -> None:
    shop(host)
    host.fleet["local"].play = "fail"
    assert [row["phase"] for row in backfilled(host, asked(host, 2))] == ["Error", "Error"]
    assert backfilled(host, asked(host, 2)) == []
    host.fleet["local"].play = "finish"
    assert [row["phase"] for row in backfilled(host, asked(host, 2, "failed"))] == ["Success", "Success"]
    assert backfilled(host, asked(host, 2, "failed")) == []


def test_the_ledger_says_what_has_run(host: Host) -> None:
    shop(host)
    (run,) = host.fire("shop/build").runs
    host.ended(run)
    rows = [
        Slot("shop", "build", "hourly", DAY, "fired", None, None, run, "local"),
        Slot("shop", "build", "hourly", DAY + HOUR, "missed", "Late", "", None, "local"),
    ]
    with host.state() as state, state.transaction() as conn:
        slots.settle(conn, 1.0, rows)
    assert slots_of(backfilled(host, asked(host))) == hours(1, 2)


def test_so_many_at_a_time(host: Host) -> None:
    shop(host, concurrencyPolicy="Allow")
    host.fleet["local"].play = "wait"
    watching = Watching()
    found: list[Any] = []
    worker = threading.Thread(target=lambda: found.extend(backfilled(host, asked(host, 5), 2, watching)))
    worker.start()
    eventually(lambda: len(host.fleet["local"].orders) == 2, "two runs")
    for number in range(5):
        eventually(lambda n=number: len(watching.starts) > n, "the next run")
        run = watching.starts[number][0]
        eventually(lambda r=run: r in host.fleet["local"].orders, "its order")
        assert len(watching.starts) - len(host.fleet["local"].ended) <= 2
        host.fleet["local"].do(run)
    worker.join(60)
    assert slots_of(found) == hours(0, 1, 2, 3, 4)


class Killed(BaseException):
    """The command is no more."""


def kill(_: str) -> None:
    raise Killed


def test_one_that_was_killed_goes_on_where_it_stopped(host: Host) -> None:
    shop(host)
    with pytest.raises(Killed):
        backfilled(host, asked(host, reprocess="all"), watcher=Watching(kill))
    watching = Watching()
    rows = backfilled(host, asked(host, reprocess="all"), watcher=watching)
    assert slots_of(rows) == hours(0, 1, 2) and watching.resumed == 1
    assert [at for _, at in watching.starts] == [DAY + HOUR, DAY + 2 * HOUR]
    assert len({row["fire"] for row in rows}) == 1
    assert slots_of(backfilled(host, asked(host, reprocess="all"))) == hours(0, 1, 2)  # that is another one


def test_two_commands_start_nothing_twice(host: Host) -> None:
    shop(host, concurrencyPolicy="Allow")
    found: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        found[number] = backfilled(host, asked(host, 12), 3)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    with host.state() as state:
        rows = state.conn.execute("SELECT slot FROM runs").fetchall()
    assert sorted(row[0] for row in rows) == [DAY + number * HOUR for number in range(12)]
    assert set(found) == {0, 1}


def test_forbid_is_told_before_the_first_run_and_waited_for_later(host: Host) -> None:
    shop(host, concurrencyPolicy="Forbid")
    host.fleet["local"].play = "wait"
    (run,) = host.fire("shop/build").runs
    with pytest.raises(Conflict, match=run):
        backfilled(host, asked(host))
    host.fleet["local"].do(run)
    host.ended(run)
    host.fleet["local"].play = "finish"
    assert slots_of(backfilled(host, asked(host))) == hours(0, 1, 2)


def test_only_what_is_allowed_side_by_side_runs_so(host: Host) -> None:
    shop(host)
    assert backfill.at_once(host.place, asked(host).of, 4) == 1
    shop(host, concurrencyPolicy="Allow")
    assert backfill.at_once(host.place, asked(host).of, 4) == 4


def test_a_pipeline_on_no_agent(host: Host) -> None:
    shop(host, placement={"agent": "gone"})
    with pytest.raises(Unplaceable):
        backfilled(host, asked(host))


def test_an_agent_that_is_away(host: Host) -> None:
    """A run is accepted for it; when it is back, the rest follows."""
    shop(host)
    local = host.fleet["local"]
    local.trouble = Unreachable("no route to host", code="NoRoute")
    local.cut()
    watching = Watching()
    found: list[Any] = []
    worker = threading.Thread(target=lambda: found.extend(backfilled(host, asked(host), watcher=watching)))
    worker.start()
    eventually(lambda: watching.gone == "local", "that it is said")
    local.trouble = None
    worker.join(60)
    assert slots_of(found) == hours(0, 1, 2)


WRONG = {
    "shop/scan": (None, Usage, "no cron trigger"),
    "shop/bild": (None, NotFound, "shop/bild"),
    "shop/build": ("nightly", NotFound, "hourly"),
}


@pytest.mark.parametrize("target", WRONG)
def test_what_is_no_cron_trigger_of_a_pipeline(host: Host, target: str) -> None:
    trigger, error, words = WRONG[target]
    shop(host)
    with pytest.raises(error) as found:
        past.ask(host.place, target, trigger, DAY, DAY + 1, "none", 2e9)
    assert words in f"{found.value.message} {found.value.hint}"


def test_one_of_several_triggers_must_be_named(host: Host) -> None:
    made = workflow("shop", {"build": pipeline("one", triggers=["a", "b"])})
    made["spec"]["triggers"] = {name: {"cron": {"schedule": "@daily"}} for name in "ab"}
    host.apply(made)
    with pytest.raises(Usage, match="several") as found:
        past.ask(host.place, "shop/build", None, DAY, DAY + 1, "none", 2e9)
    assert "--trigger a or b" in found.value.hint
    assert past.ask(host.place, "shop/build", "b", DAY, DAY + 1, "none", 2e9).of.trigger == "b"


def test_too_many_instants(host: Host) -> None:
    with pytest.raises(Usage, match="more than"):
        past.preview(shop(host).place, asked(host, start=0.0))


def test_what_is_ahead_is_left_to_the_trigger(host: Host) -> None:
    shop(host)
    found = past.ask(host.place, "shop/build", None, DAY, DAY + 9 * HOUR, "none", DAY + 2.5 * HOUR)
    assert [choice.at for choice in past.preview(host.place, found)] == [DAY, DAY + HOUR, DAY + 2 * HOUR]


def test_a_rerun_is_for_the_same_instant(host: Host) -> None:
    (first, *_) = backfilled(shop(host), asked(host, 1))
    (run,) = again.rerun(host.place, first["id"], open=host.open).runs
    (row,) = host.ended(run)
    assert (row["trigger"], row["slot"], row["params"]) == ("rerun", first["slot"], first["params"])
    assert backfilled(host, asked(host, 1)) == []
