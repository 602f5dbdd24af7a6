"""Deliveries of webhooks as they are stored: all that one starts and that it has been, or nothing of it."""

from __future__ import annotations

import time
from typing import Any, Mapping

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from xene.control import deliver, fire, overriding, pruning, reconcile
from xene.control.deliver import Moved
from xene.errors import Conflict, NotFound, Unplaceable, Usage
from xene.plan.deliveries import asked
from xene.store import views
from xene.store.deliveries import KEPT, Answered, Delivery

HERE = {"agent": "a"}
HOOK = {"verify": "github", "secretRef": "hook", "params": {"n": "${{ event.body.n }}"}}


def shop(**more: Any) -> dict[str, Any]:
    """`push` starts one and two; after follows one, late follows two, both follows one and lone."""
    pipelines = {
        "one": pipeline("one", triggers=["push"], placement=HERE, params={"n": {"type": "integer", "default": 7}}),
        "two": pipeline("two", triggers=["push", "other"], placement=HERE, concurrencyPolicy="Forbid"),
        "lone": pipeline("lone", placement=HERE),
        "after": pipeline("after", needs=["one"], placement=HERE),
        "late": pipeline("late", needs=["two"], placement=HERE),
        "both": pipeline("both", needs=["one", {"pipeline": "lone", "on": ["skipped"]}], placement=HERE),
    }  # fmt: skip
    made = workflow("shop", pipelines)
    made["spec"] |= {"triggers": {"push": {"webhook": HOOK}, "other": {"webhook": HOOK}}, **more}
    return made


@pytest.fixture
def shopping(host: Host) -> Host:
    host.apply(shop(), agent("a"))
    return host


def send(
    host: Host, body: Any = None, trigger: str = "push", key: str | None = None, now: float | None = None
) -> Answered:
    """As `server.hooks` does once it is verified."""
    delivery = None if key is None else Delivery(f"/hooks/shop/triggers/{trigger}", "", key)
    with host.state() as state, state.transaction() as conn:
        found = asked(trigger, deliver.webhook(conn, "shop", trigger), body, {})
        raw = repr(body).encode()
        return deliver.to_trigger(conn, now or time.time(), "shop", trigger, found, delivery, raw)


def call(host: Host, name: str, given: Mapping[str, Any], source: str | None = None) -> Answered:
    with host.state() as state, state.transaction() as conn:
        return deliver.to_pipeline(conn, time.time(), "shop", name, given, source, None, b"")


def runs(host: Host) -> list[dict[str, Any]]:
    with host.state() as state:
        return views.runs(state)


def counts(host: Host) -> dict[str, int]:
    """Rows of all that a delivery may store."""
    with host.state() as state:
        tables = ("fires", "followers", "runs", "tasks", "deliveries", "events")
        return {name: state.conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def test_all_that_name_it_start_and_what_follows_comes_after(shopping: Host) -> None:
    answer = send(shopping, {"n": 5})
    assert answer.status == 202
    first = {row["pipeline"]: row for row in runs(shopping)}
    assert set(first) == {"one", "two"} and {row["id"] for row in first.values()} == set(answer.runs)
    assert first["one"]["params"] == {"n": 5} and first["two"]["params"] == {}
    assert {row["trigger"] for row in first.values()} == {"push"}
    assert len({row["fire"] for row in first.values()}) == 1

    def followed() -> bool:
        reconcile.reconcile(shopping.place, open=shopping.open)
        return {row["pipeline"] for row in runs(shopping)} == {"one", "two", "after", "late", "both"}

    eventually(followed, "what follows, also what waits for a pipeline that has no part in it")
    assert {row["trigger"] for row in runs(shopping) if row["pipeline"] == "both"} == {"pipeline"}


def test_null_leaves_a_default(shopping: Host) -> None:
    send(shopping, {})
    assert [row["params"] for row in runs(shopping) if row["pipeline"] == "one"] == [{"n": 7}]


def test_one_that_comes_again_starts_nothing_until_a_week_is_over(shopping: Host) -> None:
    now = time.time()
    first = send(shopping, {"n": 1}, "push", "k", now)
    before = counts(shopping)
    shopping.ended(*first.runs)
    assert send(shopping, {"n": 1}, "push", "k", now + KEPT - 1) == first
    with pytest.raises(Conflict, match="another body"):
        send(shopping, {"n": 2}, "push", "k", now)
    assert counts(shopping)["deliveries"] == before["deliveries"] == 1
    assert send(shopping, {"n": 1}, "other", "k", now).runs != first.runs
    pruning.prune(shopping.place, shopping.state(), now + KEPT + 1)
    assert counts(shopping)["deliveries"] == 0


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [({"n": "many"}, Usage, "'many' is not an integer"), ({"n": [1]}, Usage, r"'\[1\]' is not an integer")],
)
def test_bad_params_store_nothing(shopping: Host, body: Any, error: type[Exception], words: str) -> None:
    before = counts(shopping)
    with pytest.raises(error, match=words):
        send(shopping, body, key="k")
    assert counts(shopping) == before


def test_forbid_holds_back_all_of_a_delivery(shopping: Host) -> None:
    """The other pipeline of the trigger does not start either: it is sent again, and then starts both."""
    shopping.fleet["a"].play = "wait"
    send(shopping, {}, "other")
    before = counts(shopping)
    with pytest.raises(Conflict, match="Forbid"):
        send(shopping, {}, key="k")
    assert counts(shopping) == before


def test_on_no_agent_it_stores_nothing(host: Host) -> None:
    host.apply(shop(), agent("b"))
    before = counts(host)
    with pytest.raises(Unplaceable, match="shop/one is not scheduled"):
        send(host, {}, key="k")
    assert counts(host) == before


def test_suspended_pipelines_are_left_out(shopping: Host) -> None:
    overriding.suspend(shopping.place, "shop/one", True)
    (run,) = send(shopping, {"n": 5}, key="k").runs
    assert shopping.run(run)["pipeline"] == "two"
    overriding.suspend(shopping.place, "shop", True)
    overriding.suspend(shopping.place, "shop/one", True)
    assert send(shopping, {}, key="l") == Answered(200, ())
    assert send(shopping, {}, key="l") == Answered(200, ())
    assert call(shopping, "one", {}).status == 202


def test_a_trigger_that_was_changed_after_verification_starts_nothing(shopping: Host) -> None:
    """Its secret may be another one now."""
    with shopping.state() as state:
        found = asked("push", deliver.webhook(state.conn, "shop", "push"), {}, {})
    shopping.apply(
        shop(triggers={"push": {"webhook": {**HOOK, "secretRef": "new"}}, "other": {"webhook": HOOK}})
    )
    before = counts(shopping)
    with pytest.raises(Moved), shopping.state() as state, state.transaction() as conn:
        deliver.to_trigger(conn, time.time(), "shop", "push", found, None, b"")
    assert counts(shopping) == before


def test_what_is_not_there(shopping: Host) -> None:
    with pytest.raises(NotFound, match="no webhook trigger nightly"):
        send(shopping, {}, "nightly")
    with pytest.raises(NotFound, match="no pipeline three"):
        call(shopping, "three", {})


def test_what_is_rolled_back_was_never_there(shopping: Host) -> None:
    """As when the controller dies before it answers: the sender repeats it, and it starts once."""
    before = counts(shopping)
    with pytest.raises(ZeroDivisionError), shopping.state() as state, state.transaction() as conn:
        found = asked("push", deliver.webhook(conn, "shop", "push"), {}, {})
        deliver.to_trigger(
            conn, time.time(), "shop", "push", found, Delivery("/hooks/shop/triggers/push", "", "k"), b"None"
        )
        raise ZeroDivisionError
    assert counts(shopping) == before
    assert send(shopping, None, key="k").status == 202
    assert counts(shopping)["fires"] == before["fires"] + 1


def test_artifacts_of_a_run_that_has_not_ended_are_waited_for_by_whoever_sends(host: Host) -> None:
    needs = [{"pipeline": "make", "artifacts": ["it"]}]
    making = pipeline("make", placement=HERE)
    making["tasks"]["one"]["artifacts"] = {"it": "x"}
    host.apply(
        workflow("shop", {"make": making, "use": pipeline("use", needs=needs, placement=HERE)}), agent("a")
    )
    with pytest.raises(Usage, match="takes artifacts of make"):
        call(host, "use", {})
    host.fleet["a"].artifacts = {"one": {"it": b"made"}}
    with host.state() as state, state.transaction() as conn:
        (source,) = fire.begin(conn, time.time(), "shop", "manual", {}, only="make")[0].runs
    with pytest.raises(Conflict, match="has not ended"):
        call(host, "use", {}, source)
    host.ended(source)

    def taken() -> Answered | None:
        reconcile.reconcile(host.place, open=host.open)
        with host.state() as state:
            here = state.conn.execute("SELECT state FROM artifacts").fetchall() == [("kept",)]
        return call(host, "use", {}, source) if here else None

    answer = eventually(taken, "its artifacts")
    assert host.run(answer.runs[0])["trigger"] == "webhook"
