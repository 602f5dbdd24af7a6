"""/metrics of a real controller, read by Prometheus' own parser; what a scrape costs; the alerts of the example."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.commands.terminal import ROOT
from tests.fleet import until
from tests.large import fill
from tests.server.conftest import Caller, Serving, alone
from xene import __version__
from xene.server import progress
from xene.server.loopback import is_loopback, names_loopback
from xene.server.metrics import LATE
from xene.server.weighing import Weight, size
from xene.store import counts, db

EXAMPLES = ROOT / "examples" / "monitoring"
ELSEWHERE = {"X_Forwarded_For": "203.0.113.7"}
Scrape = dict[tuple[str, str], float]


def samples(caller: Caller, **headers: str) -> list[Any]:
    answer = caller.get("/metrics", **headers)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    return [sample for family in families for sample in family.samples]


def scraped(caller: Caller, **headers: str) -> Scrape:
    """By name and the value of the first label."""
    found = samples(caller, **headers)
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in found}


@pytest.fixture(scope="module")
def here(serving: Serving) -> Caller:
    return Caller(serving.url)


def test_what_a_scrape_tells(serving: Serving, here: Caller) -> None:
    before = scraped(here)
    serving.hosts.xene("run", "shop/build", "--wait")
    after = scraped(here)
    grown = {key: after[key] - before[key] for key in before}
    assert grown["xene_runs", "Success"] == grown["xene_runs_ended_total", "success"] == 1
    assert grown["xene_queue_seconds_count", ""] == grown["xene_dispatch_seconds_count", ""] == 1
    assert grown["xene_queue_seconds_sum", ""] >= 0.0
    passes = "xene_reconcile_seconds_count", ""
    until(lambda: scraped(here)[passes] > before[passes], "the pass that sent it to end")
    (agent,) = serving.hosts.xene("get", "agents", "-o", "json").json
    assert after["xene_agents", "Ready"] == after["xene_agent_ready", agent["name"]] == 1
    assert after["xene_agent_last_seen_timestamp_seconds", agent["name"]] > 1.7e9
    assert after["xene_agents", "Unreachable"] == after["xene_slots", "missed"] == 0
    assert after["xene_pipelines", "Scheduled"] == 4 and after["xene_notices_waiting", ""] == 0
    assert after["xene_lock_held", ""] == 1 and after["xene_epoch", ""] >= 1


def test_a_scrape_says_who_is_at_work(serving: Serving, here: Caller) -> None:
    assert serving.child is not None
    labels = {sample.name: sample.labels for sample in samples(here)}
    assert labels["xene_info"]["version"] == __version__
    assert labels["xene_lock_info"] == {"pid": str(serving.child.pid), "role": "controller"}
    assert not [name for name in labels if name.endswith("_created")]


def test_a_run_that_waits_is_seen_until_it_starts_and_counts_when_it_ends(
    serving: Serving, here: Caller
) -> None:
    """One that waits behind another is not forgotten when those after it start."""
    run = serving.hosts.xene
    long = run("run", "shop/long", "-o", "json").json[0]["id"]
    waits = run("run", "shop/long", "-o", "json").json[0]["id"]
    until(lambda: scraped(here)["xene_runs", "Queued"] == 1, "the second one to wait")
    run("run", "other", "--wait")
    before = scraped(here)
    assert before["xene_queue_oldest_seconds", ""] > 0
    (serving.hosts.root / "go").touch()
    for each in (long, waits):
        run("wait", each)
    after = scraped(here)
    assert after["xene_queue_seconds_count", ""] == before["xene_queue_seconds_count", ""] + 1
    assert after["xene_runs_ended_total", "success"] == before["xene_runs_ended_total", "success"] + 2
    assert after["xene_queue_oldest_seconds", ""] == 0
    assert scraped(here)["xene_runs_ended_total", "success"] == after["xene_runs_ended_total", "success"]


def test_what_is_not_of_this_host_wants_a_token(serving: Serving, here: Caller) -> None:
    for headers in (ELSEWHERE, {"Forwarded": "for=203.0.113.7"}, {"Via": "1.1 p"}, {"Host": "evil.example"}):
        assert here.get("/metrics", **headers).status == 401, headers
    assert scraped(serving.caller("scraper", "read"), **ELSEWHERE)
    assert serving.caller("starter", "trigger").get("/metrics", **ELSEWHERE).status == 403


def test_a_token_for_one_workflow_does_not_see_all(serving: Serving) -> None:
    narrow = serving.caller("narrow", "read", "--for", "shop")
    assert narrow.get("/metrics", **ELSEWHERE).status == 403


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("localhost:8080", True), ("127.0.0.1:8080", True), ("127.9.9.9", True),
        ("[::1]:8080", True), ("", False), ("evil.example", False), ("localhost.evil.example", False),
        ("203.0.113.7", False), ("[::1", False), ("127.0.0.1@evil.example", False),
    ],
)  # fmt: skip
def test_names_of_this_host(host: str, expected: bool) -> None:
    assert names_loopback(host) is expected
    assert not is_loopback("") and not is_loopback("203.0.113.7") and is_loopback("::1")


# -- what a scrape reads


def plans(conn: Any, act: Callable[[], Any]) -> list[tuple[str, str]]:
    """Each step of each statement of `act`, as SQLite plans it."""
    seen: list[str] = []
    conn.set_trace_callback(seen.append)
    act()
    conn.set_trace_callback(None)
    assert len(seen) >= 5
    return [(row[3], each) for each in seen for row in conn.execute(f"EXPLAIN QUERY PLAN {each}")]


def test_a_scrape_of_a_long_history_reads_indexes_alone(tmp_path: Path) -> None:
    with db.open_state(str(tmp_path / "state.db")) as state:
        fill(state, 50, 20_000)
        followed = progress.Progress(since=4e9)
        found = plans(
            state.conn, lambda: (counts.counts(state.conn, LATE, 0.0), *map(followed.look, [state.conn] * 2))
        )
        for step, statement in found:
            if statement in (counts.AGENTS, counts.PIPELINES):
                continue  # as many as there are hosts, and manifests
            assert "B-TREE" not in step, (step, statement)
            if step.startswith("SEARCH"):  # that of a min() without an index says no more than this word
                assert re.search("INDEX|PRIMARY KEY", step), (step, statement)
            if step.startswith("SCAN"):
                assert re.search("COVERING INDEX|INDEX (runs_open|notices_waiting)|json_each", step), (
                    step,
                    statement,
                )


def test_as_much_work_however_long_the_history(tmp_path: Path) -> None:
    """Of what ended long ago a scrape reads the index of phases, and no row."""
    with db.open_state(str(tmp_path / "state.db")) as state:
        fill(state, 50, 20_000)
        conn = state.conn
        assert sum(counts.counts(conn, LATE, 0.0).runs.values()) == 20_000
        followed = progress.Progress(since=4e9)
        assert followed.look(conn) == followed.look(conn) == ([], [])
        assert len(counts.open_runs(conn)) == 20


# -- what became of runs


class Rows:
    """A state with runs that are moved by hand."""

    def __init__(self, state: db.State) -> None:
        self.conn = state.conn
        fill(state, 10, 10, now=1000.0)
        self.conn.execute("DELETE FROM runs")

    def add(self, created: float) -> int:
        row = self.conn.execute(
            "INSERT INTO runs (id, fire, workflow, pipeline, revision, size, agent, trigger, params, phase,"
            " phase_since, created_at) SELECT 'r' || (SELECT count(*) FROM runs), 'f1', workflow, name, revision,"
            " 1, agent, 'manual', '{}', 'Queued', ?, ? FROM pipelines LIMIT 1",
            (created, created),
        )
        return int(row.lastrowid or 0)

    def set(self, seq: int, **values: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self.conn.execute(f"UPDATE runs SET {names} WHERE seq = ?", (*values.values(), seq))


def numbers(found: progress.Moves) -> tuple[list[int], list[int]]:
    return sorted(run.seq for run in found.started), sorted(run.seq for run in found.ended)


@pytest.fixture
def rows(tmp_path: Path) -> Any:
    with db.open_state(str(tmp_path / "state.db")) as state:
        yield Rows(state)


def test_each_start_and_end_is_seen_once(rows: Rows) -> None:
    old, slow = rows.add(10.0), rows.add(20.0)
    rows.set(old, started_at=11.0)
    followed = progress.Progress(since=15.0)
    assert numbers(followed.look(rows.conn)) == ([], [])  # it started before this process did
    quick = rows.add(30.0)
    rows.set(quick, started_at=31.0, ended=1, phase="Success")
    assert numbers(followed.look(rows.conn)) == ([quick], [quick])
    rows.set(slow, started_at=40.0)
    rows.set(old, ended=1, phase="Error")
    assert numbers(followed.look(rows.conn)) == ([slow], [old])
    assert numbers(followed.look(rows.conn)) == ([], [])


def test_what_waited_before_this_process_was_there_counts_when_it_starts(rows: Rows) -> None:
    waits = rows.add(10.0)
    followed = progress.Progress(since=15.0)
    followed.look(rows.conn)
    rows.set(waits, started_at=20.0)
    assert numbers(followed.look(rows.conn)) == ([waits], [])


def test_a_retry_ends_again_and_starts_nothing(rows: Rows) -> None:
    run = rows.add(10.0)
    rows.set(run, started_at=11.0, ended=1, phase="Error")
    followed = progress.Progress(since=15.0)
    followed.look(rows.conn)
    rows.set(run, ended=0, attempt=2, phase="Queued", started_at=None)
    assert numbers(followed.look(rows.conn)) == ([], [])
    rows.set(run, ended=1, phase="Success", started_at=20.0)
    assert numbers(followed.look(rows.conn)) == ([], [run])


def test_a_flood_is_counted_in_lots_and_what_is_gone_is_not_waited_for(rows: Rows) -> None:
    followed = progress.Progress(since=5.0, most=2)
    followed.look(rows.conn)
    runs = [rows.add(10.0 + number) for number in range(5)]
    for run in runs[1:]:
        rows.set(run, started_at=20.0)
    assert numbers(followed.look(rows.conn)) == (runs[1:2], [])
    rows.conn.execute("DELETE FROM runs WHERE seq = ?", (runs[0],))
    assert numbers(followed.look(rows.conn)) == (runs[2:4], [])
    assert numbers(followed.look(rows.conn)) == (runs[4:], [])


# -- the archive


def test_the_archive_is_weighed(tmp_path: Path) -> None:
    assert size(str(tmp_path / "none")) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"x" * 1000)
    (tmp_path / "a" / "b" / "two").write_bytes(b"x" * 234)
    (tmp_path / "a" / "dangling").symlink_to("nowhere")
    assert size(str(tmp_path)) == 1234 + len("nowhere")
    assert size(str(tmp_path), lambda: True) is None


def test_a_scrape_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    """`closing` is asked for each directory, and is as slow as the disk here."""
    (tmp_path / "one").write_bytes(b"x" * 77)
    gate = threading.Event()
    weight = Weight(str(tmp_path), lambda: not gate.wait(60), print, patience=0.0)

    async def scrapes() -> None:
        await weight.freshen()
        assert weight.bytes is None
        gate.set()
        while weight.bytes is None:
            await weight.freshen()
        (tmp_path / "two").write_bytes(b"x")
        await weight.freshen()

    asyncio.run(scrapes())
    assert weight.bytes == 77  # it is not weighed again so soon


def test_an_archive_that_cannot_be_read_is_said_and_not_shown_as_empty(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no directory")
    said: list[str] = []
    weight = Weight(str(tmp_path / "logs"), lambda: False, said.append)
    asyncio.run(weight.freshen())
    assert weight.bytes is None and "cannot be weighed" in said[0]


def test_the_archive_stands_among_the_metrics(tmp_path: Path) -> None:
    with alone(tmp_path) as found:
        logs = Path(found.place.logs(found.uuid))
        logs.mkdir(parents=True)
        (logs / "run.zip").write_bytes(b"x" * 4321)
        assert scraped(found.call)["xene_archived_log_bytes", ""] == 4321
        assert scraped(found.call)["xene_lock_held", ""] == 0  # nobody is at work here


# -- the examples


def loaded(name: str) -> Any:
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load((EXAMPLES / name).read_text())))


def rules() -> list[dict[str, Any]]:
    (group,) = loaded("alerts.yml")["groups"]
    return list(group["rules"])


def test_the_alerts_ask_for_what_there_is(here: Caller) -> None:
    """Every metric of an expression is there, and every value of a label, though it be 0."""
    found = samples(here)
    job = loaded("prometheus.yml")["scrape_configs"][0]["job_name"]
    there = {(each.name, key, value) for each in found for key, value in each.labels.items()}
    names = {each.name for each in found} | {"up"}
    for rule in rules():
        expression = rule["expr"]
        assert set(re.findall(r"\b(?:xene_\w+|up)\b", expression)) <= names and "xene" in expression
        for name, key, values in re.findall(r'(\w+)\{(\w+)=~?"([^"]*)"\}', expression):
            expected = {("up", "job", job)} | there
            assert all((name, key, value) in expected for value in values.split("|")), expression
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]
        assert re.fullmatch(r"\d+m", rule.get("for", "0m"))


def test_there_are_alerts_for_what_matters() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    wanted = {"XeneControllerDown", "XeneSlotsMissed", "XeneSlotsUnknown", "XeneRunsUnknown", "XeneAgentLost"}
    assert wanted <= set(names)


def test_the_commands_that_alerts_name_work(serving: Serving) -> None:
    commands = [found[1] for rule in rules() if (found := re.search(r": xene (.*)$", _summary(rule)))]
    assert len(commands) >= 5
    for command in commands:
        serving.hosts.xene(*command.split())


def _summary(rule: dict[str, Any]) -> str:
    return str(rule["annotations"]["summary"])


def test_the_scrape_config_fits(serving: Serving) -> None:
    config = loaded("prometheus.yml")
    (job,) = config["scrape_configs"]
    assert all((EXAMPLES / name).is_file() for name in config["rule_files"])
    assert Caller(serving.url).get(job["metrics_path"]).status == 200


PROMTOOL = shutil.which("promtool")
if PROMTOOL is not None:  # who knows best looks too, where it is there

    def test_promtool_finds_nothing_wrong() -> None:
        assert PROMTOOL is not None
        for what, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
            words = [PROMTOOL, "check", what, *(["--syntax-only"] if what == "config" else [])]
            subprocess.run([*words, str(EXAMPLES / name)], check=True)
