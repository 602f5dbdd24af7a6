"""Charges: all that an agent needs to fire a pipeline, and nothing that changes by itself."""

from __future__ import annotations

from typing import Any

import pytest

from xene.model.charge import Charge
from xene.model.trigger import Cron
from xene.model.workflow import Placement
from xene.plan.charges import Entrusted, charge, digest

STEP = {"name": "s", "run": "true"}
SPEC = {
    "pipeline": {
        "params": {"level": {"type": "string", "default": "quick"}, "n": {"type": "integer", "default": 3}},
        "secrets": {"TOKEN": "deploy"},
        "gracePeriod": "20s",
        "tasks": {"one": {"steps": [{**STEP, "gracePeriod": "30s"}]}},
    }
}


def entrusted(**more: Any) -> Entrusted:
    usual: dict[str, Any] = {
        "workflow": "w", "pipeline": "p", "revision": "r", "spec": SPEC, "placement": Placement(), "agent": "a",
        "agent_env": {"A": "b"}, "agent_labels": {"os": "linux"},
        "triggers": [("t", Cron(("* * * * *",), params={"level": "full", "other": "x"}), 100.0)],
        "zones": {"UTC": "zone"}, "suspended": False,
    }  # fmt: skip
    return Entrusted(**{**usual, **more})


def test_params_are_those_that_the_pipeline_declares_with_its_defaults() -> None:
    assert charge(entrusted()).duties["t"].params == {"level": "full", "n": 3}


def test_it_holds_what_a_run_needs() -> None:
    made = charge(entrusted())
    assert (made.agent_env, made.agent_labels, made.secrets) == ({"A": "b"}, {"os": "linux"}, ("TOKEN",))
    assert (made.duties["t"].zone, made.duties["t"].since, made.suspended) == ("zone", 100.0, False)
    assert (made.lost_after, made.lease) == (None, None)
    assert Charge.from_json(made.to_json()) == made


def test_the_lease_is_shorter_than_lost_after_by_the_longest_grace() -> None:
    made = charge(entrusted(placement=Placement(lost_after=60.0, on_lost="replace"), triggers=[]))
    assert (made.lost_after, made.lease, made.duties) == (60.0, 26.0, {})


@pytest.mark.parametrize(
    "more",
    [{"suspended": True}, {"agent_env": {}}, {"zones": {"UTC": "x"}}, {"revision": "s"}, {"triggers": []}],
)
def test_its_digest_tells_every_change(more: dict[str, Any]) -> None:
    before, again = digest(charge(entrusted())), digest(charge(entrusted()))
    assert before == again != digest(charge(entrusted(**more)))
