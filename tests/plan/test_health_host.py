"""The health of a host: each check, well and broken, from what its script says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.plan.health import OK, PROBLEM, SKIPPED, WARNING, Check
from xene.plan.health.host import SKEW, Facts, Wants, judge

SENT, HEARD = 1000.0, 1000.5
WELL: dict[str, list[str]] = {
    "now": ["1000.25"],
    "user": ["ann"],
    "uid": ["1000"],
    "python": ["3.11.7"],
    "home": ["/home/ann/.xene"],
    "home_mode": ["700 1000"],
    "home_disk": ["/dev/sda1 100000000 5000 90000000 1% /"],
    "home_inodes": ["/dev/sda1 6000000 5000 5995000 1% /"],
    "home_type": ["ext2/ext3"],
    "home_runs": ["ok"],
    "tmp": ["/tmp"],
    "tmp_runs": ["ok"],
    "kill_user_processes": ["b false"],
    "linger": ["no"],
    "cron_daemon": ["cron"],
    "crontab_lines": ["1"],
    "daemon": ["77 state-1/build-1"],
    "engine": ["podman 0 version"],
    "done": ["yes"],
}
WANTS = Wants("build-1", "state-1")
CRON = WANTS._replace(clocked=True, starts="cron")


def checks(
    wants: Wants = WANTS, noise: str = "", facts: Facts | None = None, **more: list[str]
) -> dict[str, Check]:
    found = {**(WELL if facts is None else facts), **more}
    return {each.name: each for each in judge(wants, noise, found, SENT, HEARD)}


def test_a_host_that_is_well() -> None:
    found = checks()
    assert [each.level for each in found.values()] == [OK] * 10
    assert not any(each.remedy for each in found.values())
    assert set(found) == {
        "login-shell", "python", "clock", "home", "disk", "tmp", "lingering", "autostart", "daemons", "engine",
    }  # fmt: skip


BROKEN = [
    ("python", {"python": []}, PROBLEM, "no such Python", "install Python 3.9"),
    ("python", {"python": ["3.8.19"]}, PROBLEM, "3.8.19", "spec.python"),
    ("python", {"python": ["2.7.18"]}, PROBLEM, "older than 3.9", "spec.python"),
    ("python", {"python": ["Illegal instruction"]}, PROBLEM, "does not work", "spec.python"),
    ("clock", {"now": ["1060.0"]}, PROBLEM, "60 s ahead of", "NTP"),
    ("clock", {"now": ["400.25"]}, PROBLEM, "600 s behind", "timedatectl"),
    ("clock", {"now": []}, SKIPPED, "what time", ""),
    ("clock", {"now": ["nan"]}, SKIPPED, "what time", ""),
    ("clock", {"now": ["1e300"]}, SKIPPED, "what time", ""),
    ("home", {"home_type": ["nfs"]}, PROBLEM, "network file system (nfs)", "spec.home"),
    ("home", {"home_mode": ["777 1000"]}, PROBLEM, "mode 777", "chmod 700"),
    ("home", {"home_mode": ["720 1000"]}, PROBLEM, "mode 720", "chmod 700"),
    ("home", {"home_mode": ["700 0"]}, PROBLEM, "another user", "spec.home"),
    ("home", {"home_runs": ["unwritable"]}, PROBLEM, "cannot be written", "spec.home"),
    ("home", {"home_runs": ["noexec"]}, WARNING, "noexec", "spec.home"),
    ("disk", {"home_disk": ["/dev/sda1 100 5 512000 1% /"]}, WARNING, "500 Mi left", "xene gc"),
    ("disk", {"home_disk": ["/dev/sda1 100 5 10 99% /"]}, PROBLEM, "0 Mi left", "xene gc"),
    ("disk", {"home_inodes": ["/dev/sda1 100 95 5 95% /"]}, PROBLEM, "5 more files", "xene gc"),
    ("disk", {"home_disk": ["df: what?"]}, SKIPPED, "did not say", ""),
    ("tmp", {"tmp_runs": ["noexec"]}, WARNING, "/tmp runs no programs", "TMPDIR"),
    ("tmp", {"tmp_runs": ["unwritable"]}, WARNING, "nothing can be written", "TMPDIR"),
    ("lingering", {"kill_user_processes": ["b true"]}, PROBLEM, "KillUser", "loginctl enable-linger ann"),
    ("lingering", {"kill_user_processes": []}, SKIPPED, "no systemd-logind", ""),
    ("daemons", {"daemon": ["77 old/x", "78 older/y"]}, WARNING, "old/x (process 77) and 1 more", "kill 77"),
]


@pytest.mark.parametrize(("name", "facts", "level", "message", "remedy"), BROKEN)
def test_what_is_not_well(
    name: str, facts: dict[str, list[str]], level: str, message: str, remedy: str
) -> None:
    found = checks(**facts)
    assert found[name].level == level
    assert message in found[name].message
    assert remedy in found[name].remedy
    assert all(each.level == OK for other, each in found.items() if other != name)


@pytest.mark.parametrize(
    ("wants", "facts", "level", "words"),
    [
        (CRON, {}, OK, "(cron)"),
        (CRON, {"cron_daemon": []}, PROBLEM, "no cron daemon"),
        (CRON, {"crontab_lines": ["0"]}, PROBLEM, "is gone from its user's crontab"),
        (CRON, {"crontab_lines": []}, PROBLEM, "is gone from its user's crontab"),
        (CRON._replace(starts=None), {}, PROBLEM, "nothing starts it"),
        (CRON._replace(starts="none"), {}, PROBLEM, "nothing starts it"),
        (CRON._replace(autostart="none"), {}, WARNING, "autostart: none"),
        (CRON._replace(starts="systemd"), {"linger": ["yes"]}, OK, "(systemd)"),
        (CRON._replace(starts="systemd"), {}, PROBLEM, "only when its user logs in"),
        (WANTS._replace(starts="none"), {}, OK, "holds no cron trigger"),
    ],
)
def test_autostart(wants: Wants, facts: dict[str, list[str]], level: str, words: str) -> None:
    found = checks(wants, **facts)["autostart"]
    assert found.level == level and words in found.message
    assert bool(found.remedy) == (level != OK)


@pytest.mark.parametrize(
    ("contained", "engines", "level", "words"),
    [
        (True, ["podman 0 x", "docker 1 x"], OK, "podman can be used"),
        (True, [], PROBLEM, "no podman and no docker"),
        (True, ["docker 1 permission denied"], PROBLEM, "it said: permission denied"),
        (True, ["docker 124"], PROBLEM, "does not work"),
        (False, ["docker 1 permission denied"], OK, "no pipeline here wants one"),
        (False, [], OK, "no pipeline here wants one"),
    ],
)
def test_engine(contained: bool, engines: list[str], level: str, words: str) -> None:
    found = checks(WANTS._replace(contained=contained), engine=engines)["engine"]
    assert found.level == level and words in found.message


def test_lingering_that_is_there_is_enough() -> None:
    assert checks(kill_user_processes=["b true"], linger=["no", "yes"])["lingering"].level == OK


def test_a_login_shell_that_talks_or_runs_nothing() -> None:
    talks = checks(noise="Welcome!\nmail for you")["login-shell"]
    assert (talks.level, "mail for you" in talks.message) == (WARNING, True) and "-t 1" in talks.remedy
    (dumb,) = judge(WANTS, "This account is not available", {}, SENT, HEARD)
    assert dumb.level == PROBLEM and "not available" in dumb.message and "ssh HOST true" in dumb.remedy


@given(st.floats(-1e6, 1e6, allow_nan=False), st.floats(0, 30), st.floats(0, 30))
def test_a_slow_line_makes_no_clock_wrong_and_hides_no_more_than_its_own_time(
    skew: float, there: float, back: float
) -> None:
    now = SENT + there + skew
    (found,) = [
        each
        for each in judge(WANTS, "", {**WELL, "now": [repr(now)]}, SENT, SENT + there + back)
        if each.name == "clock"
    ]
    if abs(skew) <= SKEW:
        assert found.level == OK
    if abs(skew) > SKEW + there + back + 1:
        assert found.level == PROBLEM


KEYS = st.sampled_from(sorted(WELL))


@given(st.dictionaries(KEYS, st.lists(st.text(max_size=40), max_size=3), min_size=1), st.text(max_size=40))
def test_whatever_a_host_says_is_judged(facts: dict[str, list[str]], noise: str) -> None:
    found = judge(CRON._replace(contained=True), noise, facts, SENT, HEARD)
    assert len(found) == 10
    assert all(bool(each.remedy) == (each.level in (WARNING, PROBLEM)) for each in found)
