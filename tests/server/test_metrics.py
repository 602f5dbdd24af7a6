"""/metrics of a real controller, read by Prometheus' own parser; what a scrape costs; the alerts of the example."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.large import fill
from tests.server.conftest import Caller, Serving
from tests.test_docs import ROOT
from xene.store import counts, db

EXAMPLES = ROOT / "examples" / "monitoring"


def scraped(caller: Caller, **headers: str) -> dict[tuple[str, str], float]:
    """By name and the value of the first label."""
    answer = caller.get("/metrics", **headers)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_a_scrape_tells(serving: Serving) -> None:
    before = scraped(Caller(serving.url))
    serving.hosts.xene("run", "shop/build", "--wait")
    after = scraped(Caller(serving.url))
    assert after["xene_runs", "Success"] == before["xene_runs", "Success"] + 1
    assert after["xene_queue_seconds_count", ""] == before["xene_queue_seconds_count", ""] + 1
    assert after["xene_reconcile_seconds_count", ""] > before["xene_reconcile_seconds_count", ""]
    assert after["xene_agents", "Ready"] == 1 and after["xene_agents", "Unreachable"] == 0
    assert after["xene_slots", "missed"] == 0 and after["xene_lock_held", ""] == 1
    assert after["xene_archived_log_bytes", ""] >= 0 and after["xene_notices_waiting", ""] == 0


def test_through_a_proxy_it_wants_a_token(serving: Serving) -> None:
    assert Caller(serving.url).get("/metrics", X_Forwarded_For="203.0.113.7").status == 401
    reader = serving.caller("scraper", "read")
    assert scraped(reader, X_Forwarded_For="203.0.113.7")
    assert serving.caller("starter", "trigger").get("/metrics", X_Forwarded_For="203.0.113.7").status == 403


def test_a_scrape_of_a_long_history_reads_indexes_alone(tmp_path: Path) -> None:
    with db.open_state(str(tmp_path / "state.db")) as state:
        fill(state, 50, 2_000)
        assert sum(counts.counts(state.conn).runs.values()) == 2_000
        for statement, values in (
            (counts.RUNS, ()), (counts.SLOTS, ()), (counts.NOTICES, ()), (counts.RECENT, (5, 10)),
        ):  # fmt: skip
            for row in state.conn.execute(f"EXPLAIN QUERY PLAN {statement}", values):
                assert "INDEX" in row[3] or "PRIMARY KEY" in row[3], (statement, row[3])
                assert "TEMP B-TREE" not in row[3], statement


def test_the_alerts_name_metrics_that_there_are(serving: Serving) -> None:
    names = {name for name, _ in scraped(Caller(serving.url))}
    rules = (EXAMPLES / "alerts.yml").read_text()
    named = set(re.findall(r"\bxene_\w+", rules))
    assert named and named <= names
    for outcome in ("missed", "expired", "unknown"):
        assert outcome in rules
    promtool = shutil.which("promtool")
    if promtool is not None:  # a look by who knows best, where it is there
        subprocess.run([promtool, "check", "rules", str(EXAMPLES / "alerts.yml")], check=True)
    assert loaded(rules)["groups"][0]["rules"]


def loaded(text: str) -> Any:
    from ruamel.yaml import YAML

    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))
