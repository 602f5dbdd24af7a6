"""Webhooks under load, with a controller that is killed: every 202 has its run, none is lost, none is doubled."""

from __future__ import annotations

import collections
import threading
from pathlib import Path

from tests.controlling import Controlling, controlling
from tests.fleet import Fleet, fleet, until
from tests.forge import Delivery, Door, send_all
from xene.store import db

COUNT, CONNECTIONS = 400, 50

FLOW = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: flow}
spec:
  pipelines:
    one:
      concurrencyPolicy: Allow
      params: {n: {type: integer}}
      tasks: {t: {steps: [{name: s, exec: ["true"]}]}}
"""


def storm(made: Fleet, controller: Controlling, count: int, connections: int) -> list[Delivery]:
    """Send so many deliveries while the controller is killed and started again, twice; those with their answers."""
    door = Door(f"{controller.url}/hooks/flow/pipelines/one", controller.token("forge", "trigger"))
    sent = [Delivery(f"delivery-{n}", {"n": str(n)}) for n in range(count)]
    client = threading.Thread(target=send_all, args=(door, sent, connections))
    client.start()
    for part in (1, 2):
        until(lambda part=part: _answered(sent) > part * count // 3, f"part {part} of the answers")
        controller.kill()
        controller.start()
    client.join()
    return sent


def _answered(sent: list[Delivery]) -> int:
    return sum(1 for delivery in sent if delivery.status)


def stored(made: Fleet) -> collections.Counter[str]:
    """How often each delivery's number is among the runs."""
    with db.open_for_reading(str(made.home / "state.db")) as state:
        rows = state.conn.execute("SELECT json_extract(params, '$.n') FROM runs").fetchall()
    return collections.Counter(str(row[0]) for row in rows)


def test_a_killed_controller_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("flow.yaml", FLOW)
        made.apply()
        with controlling(made) as controller:
            sent = storm(made, controller, COUNT, CONNECTIONS)
            assert {delivery.status for delivery in sent} == {202}
            assert len({delivery.runs[0] for delivery in sent}) == COUNT
            assert stored(made) == {str(n): 1 for n in range(COUNT)}
            assert max(delivery.tries for delivery in sent) > 1, "nobody noticed that it was killed"
            until(lambda: _open_runs(made) == 0, "the end of all runs")


def _open_runs(made: Fleet) -> int:
    with db.open_for_reading(str(made.home / "state.db")) as state:
        return int(state.conn.execute("SELECT count(*) FROM runs WHERE phase <> 'Success'").fetchone()[0])
