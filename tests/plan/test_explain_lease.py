"""`why` of leases, in words."""

from __future__ import annotations

import pytest

from xene.plan import explain_lease
from xene.plan.explain_lease import Held
from xene.plan.leases import Clock, Lease

NOW = Clock("b1", 1000.0, 5000.0)
HELD = Held("shop/tick", "a", 60.0, None, 46.0)


@pytest.mark.parametrize(
    ("lease", "lines"),
    [
        (Lease("a", "b1", 988.0, 4988.0), ["granted 12s ago, ends in 34s unless it is renewed"]),
        (
            Lease("a", "b1", 900.0, 4900.0),
            ["granted 1m40s ago, ended 54s ago (it lasts 46s): nothing of it runs there"],
        ),
        (
            Lease("a", "b1", 988.0, 4988.0, 990.0),
            [
                "granted 12s ago, ends in 34s unless it is renewed",
                "silent for 10s; another agent may have it in 48s",
            ],
        ),
        (
            Lease("a", "b1", 900.0, 4900.0, 910.0),
            [
                "granted 1m40s ago, ended 54s ago (it lasts 46s): nothing of it runs there",
                "silent for 1m30s, and lost: another agent gets it as soon as one can take it",
            ],
        ),
        (
            Lease("a", "b0", 7.0, 4900.0),
            ["granted before this host was booted; it counts from the next pass on"],
        ),
        (
            None,
            [
                "none was granted yet, so that nothing fires or starts there; an agent asks when it is in touch"
            ],
        ),
    ],
)
def test_a_lease(lease: Lease | None, lines: list[str]) -> None:
    assert explain_lease.agent([HELD], lease, NOW) == [f"  lease: {line}" for line in lines]
    known = {} if lease is None else {"a": lease}
    assert explain_lease.pipeline("a", [HELD], known, NOW) == [f"  its lease at a: {line}" for line in lines]


def test_what_was_lost() -> None:
    fenced = HELD._replace(fenced_at=60.0)
    rest = (
        "having fired nothing after 1970-01-01T00:01:00.000Z, and gets no lease until it was heard and let go"
        " of it"
    )
    assert explain_lease.agent([fenced], None, NOW) == [f"  fenced: it has lost shop/tick, {rest}"]
    assert explain_lease.pipeline("b", [fenced, HELD._replace(agent="b")], {}, NOW) == [
        f"  fenced: agent a has lost shop/tick, {rest}",
        "  its lease at b: none was granted yet, so that nothing fires or starts there; an agent asks when it is in"
        " touch",
    ]
    never = HELD._replace(fenced_at=0.0)
    assert "having fired nothing, and" in explain_lease.agent([never], None, NOW)[0]


def test_what_wants_no_lease_is_not_told_of() -> None:
    assert explain_lease.agent([HELD._replace(bound=None)], None, NOW) == []
    assert explain_lease.pipeline("a", [], {}, NOW) == []
