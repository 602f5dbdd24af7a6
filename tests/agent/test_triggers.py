"""Cron triggers on a real daemon: what fires, what does not and why, and what a new assignment changes."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from tests.agent.entrusting import (
    MINUTELY,
    assign,
    charge,
    confirmed,
    entrust,
    fired,
    hold,
    key_of,
    minute,
    settled,
    tag_of,
    zones,
)
from tests.agent.faulty import arm, set_clock
from tests.agent.probe import STATE, Probe, one_step, probing
from tests.agent.test_recovery import again, go, kill_daemon
from tests.agent.test_runs import wait_until
from xene.engine.slots import jitter_of
from xene.model import phases
from xene.model.ids import slot_run_id
from xene.model.trigger import Cron
from xene.model.units import rfc3339
from xene.wire import messages

WAITS = "while [ ! -e go ]; do sleep 0.02; done"


@pytest.fixture
def armed(home: str) -> str:
    """A home whose daemons' wall clock is the test's to set: 20 seconds behind a full minute, to begin with."""
    arm(home)
    set_clock(home, 20 - time.time() % 60)
    return home


def shown(armed: str) -> float:
    """What the daemons of `armed` take for the time."""
    with open(os.path.join(armed, "agent", "clock")) as file:
        return time.time() + float(file.read())


def forward(armed: str, seconds: float) -> None:
    with open(os.path.join(armed, "agent", "clock")) as file:
        set_clock(armed, float(file.read()) + seconds)


def last_minute(armed: str) -> int:
    return int(shown(armed) // 60 * 60)


def ended(probe: Probe, run: str) -> dict[str, Any]:
    return probe.wait(
        lambda: next((e for e in probe.events if e["type"] == "run.ended" and e["run"] == run), None)
    )


def test_a_slot_fires_and_its_run_knows_it(probe: Probe) -> None:
    slot = minute()
    says = "echo $XENE_TRIGGER $XENE_SCHEDULED_AT $XENE_PARAM_LEVEL"
    made = charge(one_step(says), since=slot - 1, params={"level": "full"}, starting_deadline=3600.0)
    hold(probe, made)
    (accepted,) = probe.wait(lambda: fired(probe))
    at = accepted["fired"]["slot"]
    assert at % 60 == 0 and at - slot in (0, 60)
    assert accepted["run"] == slot_run_id(STATE, "flow", "main", "tick", at)
    assert accepted["fired"] == {
        "workflow": "flow",
        "pipeline": "main",
        "trigger": "tick",
        "slot": at,
        "revision": made.revision,
        "params": {"level": "full"},
    }
    assert ended(probe, accepted["run"])["phase"] == phases.SUCCESS
    logs = probe.read_logs(accepted["run"])
    assert logs == {("t", "s"): f"tick {rfc3339(at)} full\n".encode()}


def test_a_start_ahead_is_awaited_by_the_wall_clock(probe: Probe) -> None:
    """With the kernel's timer, and the real clock: jitter puts the start of the last slot a little ahead."""
    slot = minute()
    ahead = time.time() + 3.0 - slot
    share = jitter_of(Cron((MINUTELY,), jitter=1000.0), "flow/main", "tick") / 1000.0
    made = charge(since=slot - 1, jitter=ahead / share)
    hold(probe, made)
    (accepted,) = probe.wait(lambda: fired(probe))
    assert accepted["fired"]["slot"] == slot
    assert -0.01 <= accepted["at"] - (slot + ahead) < 5


def test_with_control_away_it_fires_and_hands_everything_over(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed)))
        probe.close()
        slots = []
        for _ in range(3):
            forward(armed, 60)
            slots.append(last_minute(armed))
            wait_until(lambda: slots[-1] in slots_of(armed))
        second = again(probe)
        second.wait(lambda: len(fired(second)) == 3)
        assert [event["fired"]["slot"] for event in fired(second)] == slots
        assert not settled(second)
        second.close()


def slots_of(home: str) -> list[int]:
    from xene.agent.journal import recover

    records, _ = recover(os.path.join(home, STATE, "probe", "journal"))
    return [each["fired"]["slot"] for each in records if "fired" in each]


@pytest.mark.parametrize("catch_up", ["none", "latest", "all"])
def test_a_leap_of_the_clock_is_caught_up_as_the_trigger_says(armed: str, catch_up: str) -> None:
    with probing(armed) as probe:
        made = charge(
            {**one_step("true"), "concurrencyPolicy": "Queue"}, since=shown(armed), catch_up=catch_up
        )
        hold(probe, made)
        begin = last_minute(armed)
        forward(armed, 600)
        slots = [begin + 60 * number for number in range(1, 11)]
        probe.wait(lambda: len(fired(probe)) + len(settled(probe)) == 10)
        went = [event["fired"]["slot"] for event in fired(probe)]
        late = [at for outcome, reason, at in settled(probe) if (outcome, reason) == ("missed", "Late")]
        # The newest was due 20 seconds ago: it is on time.
        assert went == (slots if catch_up == "all" else slots[-1:])
        assert sorted(went + late) == slots
        stepped = [event for event in probe.events if event["type"] == "clock.stepped"]
        assert [round(event["by"], -1) for event in stepped] == [600]
        for event in fired(probe):
            assert ended(probe, event["run"])["phase"] == phases.SUCCESS


def test_a_clock_that_leapt_and_came_back_silences_nothing_and_fires_nothing_twice(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed)))
        forward(armed, 60)
        probe.wait(lambda: len(fired(probe)) == 1)
        forward(armed, 9 * 86400)
        probe.wait(lambda: len(fired(probe)) == 2)
        forward(armed, -9 * 86400)
        probe.wait(lambda: any(e["type"] == "clock.stepped" and e["by"] < -86400 for e in probe.events))
        for count in (3, 4):
            forward(armed, 60)
            probe.wait(lambda: len(fired(probe)) >= count)
            assert fired(probe)[-1]["fired"]["slot"] == last_minute(armed)
        second = Probe(armed)  # and what it knows of that is in its journal
        kill_daemon(second)
        third = again(probe)
        forward(armed, 60)
        third.wait(lambda: len(fired(third)) == 5)
        slots = [event["fired"]["slot"] for event in fired(third)]
        assert len(set(slots)) == 5
        third.close()


def test_a_clock_set_back_while_no_daemon_lived(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed)))
        forward(armed, 86400)
        probe.wait(lambda: len(fired(probe)) == 1)
        kill_daemon(probe)
        forward(armed, -86400)
        second = again(probe)
        second.wait(lambda: any(e["type"] == "clock.stepped" and e["by"] < -80000 for e in second.events))
        forward(armed, 60)
        second.wait(lambda: len(fired(second)) == 2)
        assert fired(second)[-1]["fired"]["slot"] == last_minute(armed)
        second.close()


def test_forbid_and_queue_skip_with_a_reason(armed: str) -> None:
    with probing(armed) as probe:
        made = [
            charge({**one_step(WAITS), "concurrencyPolicy": policy}, policy.lower(), since=shown(armed))
            for policy in ("Forbid", "Queue")
        ]
        hold(probe, *made)
        for number in range(3):
            forward(armed, 60)
            probe.wait(lambda: len(fired(probe)) + len(settled(probe)) == 2 * (number + 1))
        by_pipeline = {
            name: [e for e in fired(probe) if e["fired"]["pipeline"] == name] for name in ("forbid", "queue")
        }
        assert [len(each) for each in by_pipeline.values()] == [1, 2]
        reasons = sorted(reason for outcome, reason, _ in settled(probe) if outcome == "skipped")
        assert reasons == ["AlreadyWaiting", "ConcurrencyForbid", "ConcurrencyForbid"]
        for event in fired(probe):
            probe.wait(lambda event=event: begun(probe, event["run"]) or event is by_pipeline["queue"][1])
            if event is not by_pipeline["queue"][1]:
                go(probe, event["run"])
        last = by_pipeline["queue"][1]["run"]
        probe.wait(lambda: begun(probe, last))
        go(probe, last)
        assert ended(probe, last)["phase"] == phases.SUCCESS


def begun(probe: Probe, run: str) -> bool:
    path = os.path.join(probe.home, STATE, "probe", "runs", run, "workspace")
    return os.path.isdir(path) and any(e["type"] == "step.started" and e["run"] == run for e in probe.events)


def test_replace_cancels_the_run_before(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge({**one_step(WAITS), "concurrencyPolicy": "Replace"}, since=shown(armed)))
        forward(armed, 60)
        probe.wait(lambda: fired(probe) and begun(probe, fired(probe)[0]["run"]))
        forward(armed, 60)
        assert ended(probe, fired(probe)[0]["run"])["reason"] == "Replaced"
        second = probe.wait(lambda: len(fired(probe)) == 2 and fired(probe)[1])["run"]
        probe.wait(lambda: begun(probe, second))
        go(probe, second)
        assert ended(probe, second)["phase"] == phases.SUCCESS


def test_a_suspended_pipeline_accounts_for_its_slots_and_resuming_fires_nothing_that_passed(
    armed: str,
) -> None:
    with probing(armed) as probe:
        first = charge(since=shown(armed), suspended=True)
        hold(probe, first)
        forward(armed, 120)
        probe.wait(lambda: len(settled(probe)) == 2)
        hold(probe, charge(since=shown(armed)))
        forward(armed, 60)
        probe.wait(lambda: fired(probe))
        assert {(outcome, reason) for outcome, reason, _ in settled(probe)} == {("skipped", "Suspended")}
        assert [event["fired"]["slot"] for event in fired(probe)] == [last_minute(armed)]


def test_what_was_pending_under_a_changed_trigger_is_missed_with_a_reason(armed: str) -> None:
    """Its jitter puts the start off for longer than the trigger lives."""
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed), jitter=3600.0))
        begin = last_minute(armed)
        forward(armed, 60)
        changed = charge(since=shown(armed), schedules=("*/2 * * * *",))
        hold(probe, changed)
        assert settled(probe) == [("missed", "TriggerChanged", begin + 60)]
        forward(armed, 120)
        probe.wait(lambda: fired(probe))
        assert fired(probe)[0]["fired"]["slot"] % 120 == 0


def test_what_was_pending_when_the_pipeline_is_taken_away_is_accounted_for(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed), jitter=3600.0))
        begin = last_minute(armed)
        forward(armed, 60)
        assign(probe)
        probe.wait(lambda: any(e["type"] == "assigned" and e["gone"] for e in probe.events))
        assert settled(probe) == [("missed", "TriggerChanged", begin + 60)]
        hold(probe, charge(since=shown(armed) - 3600))  # it comes back, with a `since` that is too old
        forward(armed, 60)
        probe.wait(lambda: fired(probe))
        assert [event["fired"]["slot"] for event in fired(probe)] == [last_minute(armed)]
        assert len(settled(probe)) == 1


def test_a_new_spec_keeps_the_place_of_its_triggers(armed: str) -> None:
    with probing(armed) as probe:
        since = shown(armed)
        hold(probe, charge(since=since))
        forward(armed, 60)
        probe.wait(lambda: len(fired(probe)) == 1)
        newer = charge(one_step("echo newer"), since=since)
        hold(probe, newer)
        forward(armed, 60)
        probe.wait(lambda: len(fired(probe)) == 2)
        assert fired(probe)[1]["fired"]["revision"] == newer.revision
        assert len({event["fired"]["slot"] for event in fired(probe)}) == 2 and not settled(probe)


def bad(**changes: Any) -> dict[str, Any]:
    return {**charge(since=1.0).to_json(), **changes}


def with_cron(**changes: Any) -> dict[str, Any]:
    found = charge(since=1.0).to_json()
    found["duties"]["tick"].update(changes)
    return found


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (bad(spec={}), "pipeline"),
        (bad(spec={"pipeline": {"tasks": {"t": {"steps": 7}}}}), "cannot be entrusted"),
        (bad(spec={**charge(since=1.0).spec, "size": "large"}), "size"),
        (bad(workflow="another"), "another/main"),
        (bad(lease=-1), "lease"),
        (with_cron(cron={"schedule": "61 * * * *"}), "minute"),
        (with_cron(cron={"schedule": "* * * * * *"}), "6 fields"),
        (with_cron(zone="Europe/Nowhere"), "Europe/Nowhere"),
        (with_cron(since="soon"), "soon"),
        ({}, "cannot be entrusted"),
        ("nonsense", "cannot be entrusted"),
        (None, "cannot be entrusted"),
    ],
)
def test_a_bad_charge_is_told_and_not_confirmed_and_harms_nobody(probe: Probe, body: Any, says: str) -> None:
    good = charge(name="good", since=time.time())
    probe.say(
        messages.entrust(
            1, {"flow/main": ["rev.bad", body, {}], key_of(good): [tag_of(good), good.to_json(), {}]}, zones()
        )
    )
    told = probe.wait(lambda: probe.one("failed"))
    assert "flow/main" in told["message"] and says in told["message"]
    probe.others.clear()
    assign(probe, good, **{"flow/main": "rev.bad"})
    assert "keeps its old revision" in probe.wait(lambda: probe.one("failed"))["message"]
    probe.wait(lambda: confirmed(probe, good))
    assert not any("flow/main" in e["set"] for e in probe.events if e["type"] == "assigned")


def test_a_charge_that_never_came_is_told_and_not_confirmed(probe: Probe) -> None:
    made = charge(since=time.time())
    assign(probe, made)
    assert "has not come" in probe.wait(lambda: probe.one("failed"))["message"]
    hold(probe, made)


def test_garbage_in_the_place_of_charges_is_refused(probe: Probe) -> None:
    for charges in ([], {"flow/main": 7}, {"flow/main": ["tag"]}, {"flow/main": ["t", {}, 7]}):
        probe.others.clear()
        probe.say({"type": "entrust", "epoch": 1, "charges": charges, "zones": {}})
        assert "entrust" in probe.wait(lambda: probe.one("failed"))["message"]
    hold(probe, charge(since=time.time()))


def test_a_zone_of_its_own_and_a_restart(armed: str) -> None:
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed), time_zone="Asia/Kolkata", schedules=("* * * * *",)))
        kill_daemon(probe)
        second = again(probe)
        forward(armed, 60)
        second.wait(lambda: fired(second))
        second.close()


def secretive(command: str, **more: Any) -> Any:
    pipeline = {**one_step(command), "secrets": {"TOKEN": "token"}}
    return charge(pipeline, secrets=("TOKEN",), **more)


def test_a_fired_run_gets_the_secrets_of_its_charge(armed: str) -> None:
    with probing(armed) as probe:
        made = secretive('echo "${#TOKEN} $TOKEN"', since=shown(armed))
        hold(probe, made, secrets={"TOKEN": "open-sesame"})
        forward(armed, 60)
        (accepted,) = probe.wait(lambda: fired(probe))
        assert ended(probe, accepted["run"])["phase"] == phases.SUCCESS
        assert probe.read_logs(accepted["run"])[("t", "s")] == b"11 ***\n"
        with open(os.path.join(armed, STATE, "probe", "journal")) as file:
            assert "sesame" not in file.read()


def test_after_a_restart_it_is_held_until_control_entrusts_again(armed: str) -> None:
    with probing(armed) as probe:
        made = secretive("true", since=shown(armed))
        hold(probe, made, secrets={"TOKEN": "open-sesame"})
        kill_daemon(probe)
        second = again(probe)
        forward(armed, 60)
        held = second.wait(lambda: next((e for e in second.events if e["type"] == "run.held"), None))
        assert held["reason"] == phases.SECRET_UNAVAILABLE
        entrust(second, made, secrets={"TOKEN": "open-sesame"})
        assert ended(second, held["run"])["phase"] == phases.SUCCESS
        second.close()


def test_newer_code_has_the_secrets_of_charges(armed: str) -> None:
    import shutil

    with probing(armed) as probe:
        hold(probe, secretive("true", since=shown(armed)), secrets={"TOKEN": "open-sesame"})
        newer = os.path.join(armed, "agent", "f" * 64)
        shutil.copytree(os.path.join(armed, "agent", probe.hello["version"]), newer)
        second = Probe(armed, journal=probe.hello["journal"], after=probe.events[-1]["n"], version="f" * 64)
        second.events = [*probe.events, *second.events]
        assert second.hello["version"] == "f" * 64
        forward(armed, 60)
        (accepted,) = second.wait(lambda: fired(second))
        assert ended(second, accepted["run"])["phase"] == phases.SUCCESS
        second.close()


def test_a_pipeline_that_comes_back_after_the_clock_did(armed: str) -> None:
    """It went away while the clock was days ahead: what it had accounted for by then must not silence it."""
    with probing(armed) as probe:
        hold(probe, charge(since=shown(armed)))
        forward(armed, 9 * 86400)
        probe.wait(lambda: len(fired(probe)) == 1)
        assign(probe)
        probe.wait(lambda: any(e["type"] == "assigned" and e["gone"] for e in probe.events))
        forward(armed, -9 * 86400)
        hold(probe, charge(since=shown(armed)))
        for count in (2, 3):
            forward(armed, 60)
            probe.wait(lambda: len(fired(probe)) == count)
            assert fired(probe)[-1]["fired"]["slot"] == last_minute(armed)


def test_charges_of_great_weight_are_several_records(probe: Probe) -> None:
    import random

    noise = "".join(random.Random(1).choices("0123456789abcdef", k=300_000))
    made = [charge(one_step("true", env={"NOISE": noise}), f"p{n}", since=time.time()) for n in range(4)]
    for each in made:
        entrust(probe, each)
    assign(probe, *made)
    probe.wait(lambda: all(confirmed(probe, each) for each in made))
    assert sum(event["type"] == "assigned" for event in probe.events) == 4
