"""Notices from end to end: a real controller that is killed while it tells them, and what commands say of them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.controlling import Controlling, controlling
from tests.fleet import Fleet, fleet, until
from tests.notify.test_notify import Inbox, inbox
from xene.store import db, notices

__all__ = ["inbox"]

FLOW = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {name: flow}
    spec:
      notify: [{on: [Error, Recovered], webhook: {url: "URL"}}]
      pipelines:
        one:
          params: {code: {type: string, default: "1"}}
          tasks: {it: {steps: [{name: it, env: {CODE: "${{ params.code }}"}, run: exit "$CODE"}]}}
    """


@pytest.fixture
def made(tmp_path: Path, inbox: Inbox) -> Iterator[Fleet]:
    with fleet(tmp_path, "local", count=1) as made:
        made.write("flow.yaml", FLOW.replace("URL", f"{inbox.url}/s3cret-door"))
        made.apply()
        yield made


def waiting(made: Fleet) -> list[notices.Notice]:
    with db.open_for_reading(str(made.home / "state.db")) as state:
        return notices.waiting(state.conn)


def keys(inbox: Inbox) -> list[str]:
    return [headers["Idempotency-Key"] for _, headers, _ in inbox.came]


def run(made: Fleet, code: int) -> Any:
    return made.xene("run", "flow/one", "--param", f"code={code}", "--wait", code=None)


def test_a_controller_killed_while_it_tells_loses_no_notice(made: Fleet, inbox: Inbox) -> None:
    inbox.answers = [30.0]
    with controlling(made) as controller:
        run(made, 1)
        until(lambda: len(inbox.came) == 1, "the request that is never answered")
        controller.kill()
        assert len(waiting(made)) == 1
        controller.start()
        until(lambda: not waiting(made), "that the next one has told it")
    assert len(keys(inbox)) == 2 and len(set(keys(inbox))) == 1
    assert inbox.json(0) == inbox.json(1)


def test_killed_again_and_again_each_end_is_told(made: Fleet, inbox: Inbox) -> None:
    with controlling(made) as controller:
        for code in (1, 0, 1, 0):
            run(made, code)
            controller.kill()
            controller.start()
        until(lambda: len(set(keys(inbox))) == 4 and not waiting(made), "all that there is to tell")
    kinds = {inbox.json(n)["id"]: inbox.json(n)["kind"] for n in range(len(inbox.came))}
    assert [kinds[n] for n in sorted(kinds)] == ["Error", "Recovered", "Error", "Recovered"]


def test_what_is_not_told_is_seen_and_is_told_by_the_next_controller(made: Fleet, inbox: Inbox) -> None:
    run(made, 1)
    (waits,) = made.xene("describe", "pipeline", "flow/one", "-o", "json").json["notices"]
    assert (waits["kind"], waits["to"], waits["tries"]) == ("Error", "127.0.0.1", 0)
    why = made.xene("why", "pipeline/flow/one").out
    assert "to 127.0.0.1 is not delivered yet" in why and "none is at work: xene controller" in why
    found = made.xene("doctor", code=1)
    assert "1 notice not delivered yet, and no controller is at work" in found.out
    page = made.xene("describe", "pipeline", "flow/one").out
    assert "Notices not delivered yet" in page and "s3cret" not in why + page + found.out
    with controlling(made):
        until(lambda: not waiting(made), "that it is told")
        assert "not delivered" not in made.xene("why", "pipeline/flow/one").out
    assert len(inbox.came) == 1


def hang_up(controller: Controlling) -> None:
    assert controller.child is not None
    controller.child.send_signal(signal.SIGHUP)


def put_off(made: Fleet) -> None:
    """No try comes by itself while this test lasts."""
    with db.open_state(str(made.home / "state.db")) as state, state.transaction() as conn:
        conn.execute("UPDATE notices SET next_at = next_at + 1000.0")


def test_what_failed_is_tried_at_once_after_sighup(made: Fleet, inbox: Inbox) -> None:
    inbox.answers = [500]
    with controlling(made) as controller:
        run(made, 1)
        until(lambda: waiting(made)[0].error, "the try that fails")
        put_off(made)
        found = made.xene("doctor", code=1).out
        assert "1 notice tried in vain, the newest: http://127.0.0.1" in found and "s3cret" not in found
        hang_up(controller)
        until(lambda: not waiting(made), "the try after the signal")
    assert len(inbox.came) == 2
    assert "s3cret" not in (made.root / "controller.log").read_text()
