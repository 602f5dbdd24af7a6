"""Leases on a real daemon: it asks, it stops when nobody answers, and it goes on when somebody does."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from tests.agent.entrusting import assign, charge, entrust, fired, hold, settled
from tests.agent.faulty import arm, set_clock
from tests.agent.probe import STATE, Probe, make_order, one_step, probing
from tests.agent.test_recovery import again, kill_daemon
from tests.agent.test_runs import wait_until
from tests.agent.test_triggers import begun, ended, forward, last_minute, shown
from xene.agent import process
from xene.model import phases
from xene.wire import messages

WAITS = "trap '' TERM; echo on > on; while [ ! -e go ]; do sleep 0.02; done"
FINALLY = {"f": {"steps": [{"name": "s", "run": "touch ../finally"}]}}


def leased(seconds: float, *, since: float, pipeline: dict[str, Any] | None = None) -> Any:
    body = {**one_step(WAITS), "finally": FINALLY} if pipeline is None else pipeline
    return charge(body, since=since, lost_after=seconds + 20, lease=seconds)


@pytest.fixture
def armed(home: str) -> str:
    arm(home)
    set_clock(home, 20 - time.time() % 60)
    return home


def answer(probe: Probe, **wrong: Any) -> dict[str, Any]:
    """Grant the newest question."""
    probe.wait(lambda: probe.one("lease"))
    asked = [message for message in probe.others if message["type"] == "lease"][-1]
    probe.say(messages.granted(1, **{"boot": asked["boot"], "up": asked["up"], **wrong}))
    return asked


def start_manually(probe: Probe, made: Any) -> str:
    order = make_order({}, spec=made.spec, revision=made.revision)
    probe.orders[order.id] = order
    probe.say(messages.start(1, order.to_json()))
    return order.id


def reasons(probe: Probe, kind: str, run: str) -> list[str]:
    return [e.get("reason", "") for e in probe.events if e["type"] == kind and e.get("run") == run]


def test_without_a_lease_nothing_of_it_starts_and_with_one_it_does(armed: str) -> None:
    with probing(armed) as probe:
        made = leased(600, since=shown(armed), pipeline=one_step("true"))
        hold(probe, made)
        run = start_manually(probe, made)
        probe.wait(lambda: reasons(probe, "run.held", run))
        assert reasons(probe, "run.held", run) == [phases.WAITING_FOR_LEASE]
        forward(armed, 60)
        assert not fired(probe)
        probe.wait(lambda: sum(message["type"] == "lease" for message in probe.others) == 2)
        first = probe.one("lease")
        assert first is not None
        probe.say(
            messages.granted(1, first["boot"], first["up"])
        )  # the clock was set since: it is worth nothing
        probe.say(messages.cancel(1, "20200101-000000-aaaaaaaa", False))
        probe.wait(lambda: probe.one("failed"))  # the answer before this one was taken
        assert not any(event["type"] in ("run.freed", "run.started") for event in probe.events)
        answer(probe)
        assert ended(probe, run)["phase"] == phases.SUCCESS
        (accepted,) = probe.wait(lambda: fired(probe))
        assert accepted["fired"]["slot"] == last_minute(armed)  # it was pending, and is on time
        assert not settled(probe)


def test_a_lease_that_ends_kills_without_finally_and_stops_firing(armed: str) -> None:
    with probing(armed) as probe:
        made = leased(2.0, since=shown(armed))
        hold(probe, made)
        asked = answer(probe)
        run = start_manually(probe, made)
        probe.wait(lambda: begun(probe, run))
        end = ended(probe, run)
        assert (end["phase"], end["reason"]) == (phases.ERROR, phases.LEASE_ENDED)
        assert not os.path.exists(os.path.join(armed, STATE, "probe", "runs", run, "finally"))
        assert not process.members(f"XENE_RUN={run}", None)
        assert time.clock_gettime(time.CLOCK_BOOTTIME) - asked["up"] < 6
        later = start_manually(probe, made)
        probe.wait(lambda: reasons(probe, "run.held", later) == [phases.WAITING_FOR_LEASE])


def test_renewed_it_goes_on(probe: Probe) -> None:
    made = leased(3.0, since=time.time(), pipeline=one_step("sleep 5"))
    hold(probe, made)
    answer(probe)
    run = start_manually(probe, made)
    seen = 0
    while not any(e["type"] == "run.ended" and e["run"] == run for e in probe.events):
        asked = [message for message in probe.others if message["type"] == "lease"]
        if len(asked) > seen:
            seen = len(asked)
            answer(probe)
        probe._take()
    assert ended(probe, run)["phase"] == phases.SUCCESS
    assert seen >= 5


def test_the_wall_clock_parts_from_the_boot_clock(armed: str) -> None:
    with probing(armed) as probe:
        made = leased(600, since=shown(armed))
        hold(probe, made)
        answer(probe)
        run = start_manually(probe, made)
        probe.wait(lambda: begun(probe, run))
        forward(armed, 5)
        assert ended(probe, run)["reason"] == phases.LEASE_ENDED


@pytest.mark.parametrize("wrong", [{"boot": "another-boot"}, {"up": 1e9}, {"up": 0.0}])
def test_an_answer_to_a_question_that_was_not_asked_is_none(probe: Probe, wrong: dict[str, Any]) -> None:
    made = leased(600, since=time.time(), pipeline=one_step("true"))
    hold(probe, made)
    answer(probe, **wrong)
    run = start_manually(probe, made)
    probe.wait(lambda: reasons(probe, "run.held", run) == [phases.WAITING_FOR_LEASE])
    answer(probe)
    assert ended(probe, run)["phase"] == phases.SUCCESS


def test_the_next_daemon_of_the_same_boot_knows_the_lease(home: str) -> None:
    with probing(home) as probe:
        made = leased(600, since=time.time())
        hold(probe, made)
        answer(probe)
        run = start_manually(probe, made)
        probe.wait(lambda: begun(probe, run))
        kill_daemon(probe)
        second = again(probe)
        on = os.path.join(home, STATE, "probe", "runs", run, "workspace")
        wait_until(lambda: os.path.exists(os.path.join(on, "on")))
        open(os.path.join(on, "go"), "w").close()
        assert ended(second, run)["phase"] == phases.SUCCESS
        second.close()


@pytest.mark.parametrize("left", ["another boot", "too old", "torn", "gone"])
def test_a_daemon_that_finds_no_valid_lease_kills_what_it_adopts(home: str, left: str) -> None:
    with probing(home) as probe:
        made = leased(600, since=time.time())
        hold(probe, made)
        answer(probe)
        run = start_manually(probe, made)
        probe.wait(lambda: begun(probe, run))
        path = os.path.join(home, STATE, "probe", "lease")
        wait_until(lambda: os.path.exists(path))
        kill_daemon(probe)
        with open(path) as file:
            boot, up, at = json.load(file)
        texts = {
            "another boot": json.dumps(["other", up, at]),
            "too old": json.dumps([boot, up - 601, at - 601]),
            "torn": json.dumps([boot, up, at])[:-9],
        }
        if left == "gone":
            os.unlink(path)
        else:
            with open(path, "w") as file:
                file.write(texts[left])
        second = Probe(home, "reader")  # a daemon comes up, and control is away
        wait_until(lambda: not process.members(f"XENE_RUN={run}", None))
        second.close()
        third = again(probe)
        assert ended(third, run)["reason"] == phases.LEASE_ENDED
        third.close()


def test_what_waits_for_a_lease_when_the_pipeline_is_taken_away_ends(probe: Probe) -> None:
    made = leased(600, since=time.time())
    hold(probe, made)
    run = start_manually(probe, made)
    probe.wait(lambda: reasons(probe, "run.held", run))
    assign(probe)
    end = ended(probe, run)
    assert (end["phase"], end["reason"]) == (phases.ERROR, phases.LEASE_ENDED)


def test_what_it_was_never_leased_is_not_accounted_for_when_it_is_taken_away(armed: str) -> None:
    """Others may have had it all the while; and when it comes back, with a lease, it is this agent's to say."""
    with probing(armed) as probe:
        made = leased(600, since=shown(armed), pipeline=one_step("true"))
        hold(probe, made)
        forward(armed, 60)
        slot = last_minute(armed)
        assign(probe)
        probe.wait(lambda: any(event["type"] == "assigned" and event["gone"] for event in probe.events))
        assert not settled(probe) and not fired(probe)
        probe.others.clear()
        hold(probe, made)
        answer(probe)
        (accepted,) = probe.wait(lambda: fired(probe))
        assert accepted["fired"]["slot"] == slot


def test_a_pipeline_that_needs_no_lease_any_more_goes_on(probe: Probe) -> None:
    made = leased(600, since=time.time(), pipeline=one_step("true"))
    hold(probe, made)
    run = start_manually(probe, made)
    probe.wait(lambda: reasons(probe, "run.held", run))
    hold(probe, charge(one_step("true"), since=time.time()))
    assert ended(probe, run)["phase"] == phases.SUCCESS


def test_a_stale_controller_grants_nothing(probe: Probe) -> None:
    made = leased(600, since=time.time(), pipeline=one_step("true"))
    hold(probe, made)
    probe.wait(lambda: probe.one("lease"))
    asked = probe.one("lease")
    assert asked is not None
    probe.say({**messages.granted(1, asked["boot"], asked["up"]), "epoch": 0})
    assert probe.wait(lambda: probe.one("refused"))["code"] == "StaleEpoch"
    run = start_manually(probe, made)
    probe.wait(lambda: reasons(probe, "run.held", run) == [phases.WAITING_FOR_LEASE])


def test_a_secret_and_a_lease_are_both_waited_for(probe: Probe) -> None:
    body = {**one_step("true"), "secrets": {"TOKEN": "token"}}
    made = charge(body, since=time.time(), secrets=("TOKEN",), lost_after=620.0, lease=600.0)
    hold(probe, made)
    run = start_manually(probe, made)
    probe.wait(lambda: reasons(probe, "run.held", run) == [phases.SECRET_UNAVAILABLE])
    entrust(probe, made, secrets={"TOKEN": "open-sesame"})
    probe.wait(
        lambda: reasons(probe, "run.held", run) == [phases.SECRET_UNAVAILABLE, phases.WAITING_FOR_LEASE]
    )
    answer(probe)
    assert ended(probe, run)["phase"] == phases.SUCCESS


def test_a_lease_that_ends_on_a_full_disk_kills_all_the_same(probe: Probe) -> None:
    """Another agent may start it by then: this cannot wait until there is room to write it down."""
    import resource

    made = leased(3.0, since=time.time())
    hold(probe, made)
    answer(probe)
    run = start_manually(probe, made)
    probe.wait(lambda: begun(probe, run))
    size = os.path.getsize(os.path.join(probe.home, STATE, "probe", "journal"))
    unlimited = resource.prlimit(probe.daemon_pid(), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    wait_until(lambda: not process.members(f"XENE_RUN={run}", None))
    assert not any(event["type"] == "run.ended" for event in probe.events)
    resource.prlimit(probe.daemon_pid(), resource.RLIMIT_FSIZE, unlimited)
    assert ended(probe, run)["reason"] == phases.LEASE_ENDED
