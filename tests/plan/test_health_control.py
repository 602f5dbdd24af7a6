"""The health of the control host: each check, well and broken."""

from __future__ import annotations

from typing import Any

import pytest

from xene.plan.health import OK, PROBLEM, SKIPPED, WARNING
from xene.plan.health.control import Facts, Mode, judge

WELL = Facts(
    state="/s/state.db",
    exists=True,
    network="",
    trouble="",
    holder=None,
    holder_program="",
    holder_stopped=False,
    free=50 * 2**30,
    inodes=1_000_000,
    synchronized="yes",
    now=1000.0,
    newest=990.0,
    modes=(Mode("/s", 0o700, 0o700, True), Mode("/s/state.db", 0o600, 0o600, True)),
)


def test_a_control_host_that_is_well() -> None:
    assert [(each.name, each.level) for each in judge(WELL)] == [
        ("state", OK), ("clock", OK), ("lock", OK), ("disk", OK), ("modes", OK),
        ("notices", OK),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "facts", "level", "message", "remedy"),
    [
        ("notices", {"waiting": 2, "watched": 1}, WARNING, "2 notices not delivered yet", "xene controller"),
        ("notices", {"watched": 1}, WARNING, "1 pipeline with notify, and no controller", "xene controller"),
        (
            "notices",
            {"controlled": True, "watched": 1, "waiting": 3, "failing": 2, "untold": "answered 500"},
            WARNING,
            "2 notices tried in vain, the newest: answered 500",
            "config.yaml",
        ),
        ("notices", {"controlled": True, "watched": 1, "waiting": 1}, OK, "1 pipeline with notify", ""),
        ("state", {"network": "nfs4"}, PROBLEM, "network file system (nfs4)", "local disk"),
        ("state", {"trouble": "/s is damaged"}, PROBLEM, "damaged", "backup"),
        ("state", {"exists": False}, OK, "no state", ""),
        ("clock", {"newest": 5000.0}, PROBLEM, "4000 s ahead", "timedatectl"),
        ("clock", {"newest": 1059.0}, OK, "in step", ""),
        ("clock", {"synchronized": "no"}, WARNING, "not kept in step", "set-ntp true"),
        ("clock", {"synchronized": ""}, SKIPPED, "nothing here tells", ""),
        ("lock", {"holder": 77, "holder_program": "xene"}, OK, "process 77 (xene)", ""),
        ("lock", {"holder": 77, "holder_stopped": True}, PROBLEM, "is stopped", "kill -CONT 77"),
        ("disk", {"free": 500 * 2**20}, WARNING, "500 Mi left", "xene gc"),
        ("disk", {"free": 2**20}, PROBLEM, "1 Mi left", "xene gc"),
        ("disk", {"inodes": 3}, PROBLEM, "3 more files", "xene gc"),
        ("disk", {"inodes": None}, OK, "free on", ""),
        ("modes", {"modes": (Mode("/s/secrets.env", 0o644, 0o600, True),)}, PROBLEM, "0644", "chmod 600"),
        ("modes", {"modes": (Mode("/s", 0o755, 0o700, True),)}, PROBLEM, "0755", "chmod 700 /s"),
        ("modes", {"modes": (Mode("/s", 0o700, 0o700, False),)}, PROBLEM, "another user", "chown"),
        ("modes", {"modes": (Mode("/s/config.yaml", 0o600, 0o644, True),)}, OK, "nobody else", ""),
    ],
)
def test_each(name: str, facts: dict[str, Any], level: str, message: str, remedy: str) -> None:
    (found,) = [each for each in judge(WELL._replace(**facts)) if each.name == name]
    assert found.level == level and message in found.message and remedy in found.remedy
    assert bool(found.remedy) == (level in (WARNING, PROBLEM))
