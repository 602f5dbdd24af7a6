"""What can be read and done over HTTP, against a real controller with a real agent."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.fleet import Fleet, fleet, until
from tests.server.conftest import OTHER, SHOP, Caller, Serving
from tests.test_contract import AGENT, PIPELINE, RUN, STEP, TASK, WORKFLOW
from xene.server.logs import LOG_HEADER, STREAMS

NO_RUN = "20261123-023000-k7q2m4xa"


@pytest.fixture(scope="module")
def admin(serving: Serving) -> Caller:
    return serving.caller("boss", "admin")


@pytest.fixture(scope="module")
def built(serving: Serving) -> str:
    """A run of shop/build that has ended in Success."""
    run: str = serving.hosts.xene("run", "shop/build", "--wait", "-o", "json").json[0]["id"]
    return run


@pytest.fixture(scope="module")
def failed(serving: Serving) -> str:
    """A run of shop/build that has ended in Error."""
    done = serving.hosts.xene("run", "shop/build", "-p", "level=full", "--wait", "-o", "json", code=1)
    run: str = done.json[0]["id"]
    return run


# -- reading


def test_the_json_is_that_of_get(serving: Serving, admin: Caller, built: str) -> None:
    for kind, fields in (("runs", RUN), ("workflows", WORKFLOW), ("pipelines", PIPELINE), ("agents", AGENT)):
        rows = admin.get(f"/v1/{kind}").json
        assert rows and all(fields <= set(row) for row in rows), kind
    run = admin.get(f"/v1/runs/{built}").json
    assert run == serving.hosts.get("runs", built)
    assert all(TASK <= set(task) for task in run["tasks"].values())
    assert all(STEP <= set(step) for task in run["tasks"].values() for step in task["steps"])
    assert admin.get("/v1/slots").json == []


def test_lists_are_filtered(admin: Caller, built: str, failed: str) -> None:
    def ids(query: str) -> list[str]:
        return [row["id"] for row in admin.get(f"/v1/runs?{query}").json]

    assert failed in ids("outcome=error") and built not in ids("outcome=error")
    assert built in ids("phase=Success&workflow=shop&pipeline=build&agent=host-1")
    assert ids("workflow=other") == [] and ids("selector=team%3Dops") == []
    assert built in ids("selector=team+in+(web,ops)&since=1h")
    assert ids("since=2099-01-01T00:00:00Z") == []
    assert len(ids("limit=1")) == 1
    assert [row["name"] for row in admin.get("/v1/pipelines?workflow=other").json] == ["p"]
    assert [row["name"] for row in admin.get("/v1/workflows?workflow=shop").json] == ["shop"]
    assert admin.get("/v1/agents?phase=Unreachable").json == []


@pytest.mark.parametrize(
    "query",
    ["limt=1", "limit=0", "limit=x", "limit=1001", "limit=1&limit=2", "phase=running", "outcome=good",
     "since=yesterday", "since=2026-01-01T00:00:00", "selector=%3D%3D", "limit=%D9%A1"],
)  # fmt: skip
def test_a_query_that_is_wrong_is_refused(admin: Caller, query: str) -> None:
    answer = admin.get(f"/v1/runs?{query}")
    assert answer.status == 400, answer
    assert answer.json["error"]


def test_slots_of_a_pipeline(admin: Caller) -> None:
    assert admin.get("/v1/slots?pipeline=build").json == []
    assert admin.get("/v1/slots?pipeline=build&workflow=shop&trigger=none").json == []


def test_no_such_run(admin: Caller, built: str) -> None:
    for path in (f"/v1/runs/{NO_RUN}", f"/v1/runs/{NO_RUN}/logs", f"/v1/runs/{built[:-2]}", "/v1/runs/%00"):
        answer = admin.get(path)
        assert (answer.status, answer.json["code"]) == (404, "not-found"), path


def test_a_scope_narrows_lists_and_refuses_the_rest(serving: Serving, built: str) -> None:
    shop = serving.caller("of-shop", "read", "--for", "shop")
    gated = serving.caller("of-gated", "read", "--for", "shop/gated")
    other = serving.caller("of-other", "read", "--for", "other")
    assert built in [row["id"] for row in shop.get("/v1/runs").json]
    assert [row["id"] for row in other.get("/v1/runs").json] == gated.get("/v1/runs").json == []
    assert [row["name"] for row in shop.get("/v1/workflows").json] == ["shop"]
    assert [row["name"] for row in gated.get("/v1/pipelines").json] == ["gated"]
    assert gated.get("/v1/workflows").status == 403, "the other pipelines stand in it"
    assert shop.get("/v1/runs?workflow=other").status == 403
    assert gated.get("/v1/runs?pipeline=build").status == 403
    assert shop.get("/v1/agents").status == 403
    for path in (f"/v1/runs/{built}", f"/v1/runs/{built}/logs"):
        assert [each.get(path).status for each in (shop, gated, other)] == [200, 403, 403]


# -- logs


def test_a_log_is_what_the_steps_said(serving: Serving, admin: Caller, built: str) -> None:
    answer = admin.get(f"/v1/runs/{built}/logs")
    assert answer.body.decode() == serving.hosts.xene("logs", built).out
    assert answer.body.decode().splitlines()[0] == "make/one | made"
    assert answer.headers[LOG_HEADER] == "complete"
    assert admin.get(f"/v1/runs/{built}/logs?task=make&step=one").body == b"made\ntwice\n"
    assert admin.get(f"/v1/runs/{built}/logs?step=two").body == b"more\n"
    assert admin.get(f"/v1/runs/{built}/logs?task=test").body == b"tested\n"
    assert admin.get(f"/v1/runs/{built}/logs?task=make&step=one&tail=1&attempt=1").body == b"twice\n"
    assert admin.get(f"/v1/runs/{built}/logs?follow=true").body == answer.body, (
        "it has ended: so does following"
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("task=mkae", 404),
        ("task=make&step=three", 404),
        ("step=three", 404),
        ("tail=-1", 400),
        ("follow=perhaps", 400),
    ],
)
def test_what_a_log_does_not_have(admin: Caller, built: str, query: str, status: int) -> None:
    assert admin.get(f"/v1/runs/{built}/logs?{query}").status == status


@pytest.fixture
def going(serving: Serving) -> Iterator[str]:
    """A run of shop/long that is under way, and ends when the file `go` is there."""
    (serving.hosts.root / "go").unlink(missing_ok=True)
    run = serving.hosts.xene("run", "shop/long", "-o", "json").json[0]["id"]
    until(lambda: serving.hosts.get("runs", run)["phase"] == "Running", "it to run")
    yield run
    (serving.hosts.root / "go").touch()
    serving.ended(run)


def follow(call: Caller, path: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(*call.address, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {call.token}"})
    return connection, connection.getresponse()


def test_a_log_is_followed_until_the_run_has_ended(serving: Serving, admin: Caller, going: str) -> None:
    until(lambda: admin.get(f"/v1/runs/{going}/logs").body == b"begun\n", "what it says so far")
    connection, answer = follow(admin, f"/v1/runs/{going}/logs?follow=true")
    assert answer.readline() == b"begun\n"
    (serving.hosts.root / "go").touch()
    assert answer.read() == b"over\n"
    connection.close()
    assert admin.get(f"/v1/runs/{going}").json["phase"] == "Success"


def test_more_than_may_follow_at_once_are_told_so(serving: Serving, admin: Caller, going: str) -> None:
    """And who goes makes room, each time."""
    path = f"/v1/runs/{going}/logs?follow=true"
    held = [follow(admin, path) for _ in range(STREAMS)]
    try:
        assert [answer.readline() for _, answer in held] == [b"begun\n"] * STREAMS
        refused = admin.get(path)
        assert (refused.status, refused.json["code"]) == (503, "busy") and "Retry-After" in refused.headers
    finally:
        for connection, answer in held:
            answer.close()
            connection.close()
    for _ in range(STREAMS + 1):
        until(lambda: begins(admin, path), "a place")


def begins(call: Caller, path: str) -> bool:
    connection, answer = follow(call, path)
    try:
        return answer.status == 200 and answer.readline() == b"begun\n"
    finally:
        answer.close()
        connection.close()


# -- acts


def test_cancel_and_kill(serving: Serving, admin: Caller, going: str) -> None:
    answer = admin.post(f"/v1/runs/{going}/cancel")
    assert (answer.status, answer.json) == (202, {"runs": [going]})
    ended = serving.ended(going)
    assert (ended["phase"], ended["reason"]) == ("Error", "Cancelled")
    assert "cancel by token boss" in [
        event["message"] for event in serving.hosts.get("events", f"run/{going}")
    ]
    for verb in ("cancel", "kill"):
        again = admin.post(f"/v1/runs/{going}/{verb}")
        assert (again.status, again.json["code"]) == (409, "conflict"), "it has ended already"


def test_retry_is_another_attempt_of_the_run(serving: Serving, admin: Caller, failed: str) -> None:
    assert admin.post(f"/v1/runs/{failed}/retry", {"from": "nothing"}).status == 404
    answer = admin.post(f"/v1/runs/{failed}/retry", {"from": "make"}, Idempotency_Key="retry-1")
    assert (answer.status, answer.json) == (202, {"runs": [failed]})
    ended = until(
        lambda: (row := serving.hosts.get("runs", failed))["attempt"] == 2 and row["finishedAt"] and row,
        "the retry",
    )
    assert ended["phase"] == "Error" and ended["tasks"]["make"]["attempt"] == 2
    again = admin.post(f"/v1/runs/{failed}/retry", {"from": "make"}, Idempotency_Key="retry-1")
    assert (again.status, again.json) == (202, {"runs": [failed]})
    assert serving.hosts.get("runs", failed)["attempt"] == 2, "the same key does it once"


def test_a_run_that_ended_in_success_has_nothing_to_retry(admin: Caller, built: str) -> None:
    assert admin.post(f"/v1/runs/{built}/retry").status == 409


def test_rerun_is_a_new_run_once_for_each_key(serving: Serving, admin: Caller, built: str) -> None:
    first, second = (admin.post(f"/v1/runs/{built}/rerun", Idempotency_Key="one") for _ in range(2))
    assert first.status == second.status == 202
    assert first.json == second.json and first.json["runs"] != [built]
    other = admin.post(f"/v1/runs/{built}/rerun", {"revision": "latest"}, Idempotency_Key="two")
    assert other.json != first.json
    assert admin.post(f"/v1/runs/{built}/rerun", {"revision": "latest"}, Idempotency_Key="one").status == 409
    ended = serving.ended(first.json["runs"][0])
    assert (ended["trigger"], ended["params"]) == ("rerun", {"level": "quick"})


def test_a_client_that_hangs_up_gets_the_same_run_when_it_comes_again(admin: Caller, built: str) -> None:
    before = {row["id"] for row in admin.get("/v1/runs").json}
    with admin.connect() as sock:
        head = f"POST /v1/runs/{built}/rerun HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nIdempotency-Key: gone\r\n"
        sock.sendall(f"{head}Authorization: Bearer {admin.token}\r\n\r\n".encode())
    new = until(lambda: {row["id"] for row in admin.get("/v1/runs").json} - before, "the run")
    assert admin.post(f"/v1/runs/{built}/rerun", Idempotency_Key="gone").json["runs"] == list(new)
    assert {row["id"] for row in admin.get("/v1/runs").json} - before == new


@pytest.mark.parametrize(("verb", "phase"), [("approve", "Success"), ("reject", "Error")])
def test_an_approval_is_answered(serving: Serving, admin: Caller, verb: str, phase: str) -> None:
    run = serving.hosts.xene("run", "shop/gated", "-o", "json").json[0]["id"]
    path = f"/v1/runs/{run}/{verb}"
    until(
        lambda: serving.hosts.get("runs", run)["tasks"]["ship"]["reason"] == "WaitingForApproval",
        "the question",
    )
    assert admin.post(path).status == 400
    assert admin.post(path, {"task": "sihp"}).status == 404
    answer = admin.post(path, {"task": "ship", "message": "looks good"})
    assert (answer.status, answer.json) == (202, {"runs": [run]})
    assert serving.ended(run)["phase"] == phase
    events = serving.hosts.get("events", f"run/{run}")
    assert any("by token boss: looks good" in (event["message"] or "") for event in events)
    assert admin.post(path, {"task": "ship"}).status == 409


@pytest.mark.parametrize("body", [{"tsk": "a"}, {"task": 1}, {"task": "a", "message": "x" * 1001}, {}])
def test_a_body_that_is_wrong_is_refused(admin: Caller, built: str, body: dict[str, Any]) -> None:
    answer = admin.post(f"/v1/runs/{built}/approve", body)
    assert (answer.status, answer.json["code"]) == (400, "bad-body")


def test_an_act_out_of_scope_is_refused_and_not_done(serving: Serving, going: str) -> None:
    other = serving.caller("admin-of-other", "admin", "--for", "other")
    assert other.post(f"/v1/runs/{going}/cancel").status == 403
    assert serving.hosts.get("runs", going)["phase"] == "Running"
    assert serving.hosts.get("events", f"run/{going}") == [] or all(
        event["reason"] != "CancelAsked" for event in serving.hosts.get("events", f"run/{going}")
    )


# -- the controller's own ends


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path, "local", count=1) as hosts:
        hosts.write("shop.yaml", SHOP.replace("GO", str(tmp_path / "go")))
        hosts.write("other.yaml", OTHER)
        hosts.apply()
        yield hosts


def test_a_follower_is_cut_off_at_the_end_and_knows_it(shop: Fleet) -> None:
    found = Serving(shop)
    found.start()
    ask = found.caller("boss", "admin")
    run = shop.xene("run", "shop/long", "-o", "json").json[0]["id"]
    until(lambda: shop.get("runs", run)["phase"] == "Running", "it to run")
    connection, answer = follow(ask, f"/v1/runs/{run}/logs?follow=true")
    assert answer.readline() == b"begun\n"
    ended: list[int] = []
    ending = threading.Thread(target=lambda: ended.append(found.stop()))
    ending.start()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()
    ending.join(20)
    assert ended == [0], found.log.read_text()
    (shop.root / "go").touch()
    assert shop.xene("wait", run, "-o", "json").json["phase"] == "Success", "the agent went on"


def test_killed_and_begun_again_nothing_that_was_accepted_is_lost(shop: Fleet) -> None:
    """Killed twice with requests under way; who hears nothing asks again with the same key."""
    found = Serving(shop)
    found.start()
    ask = found.caller("boss", "admin")
    base = shop.xene("run", "other", "--wait", "-o", "json").json[0]["id"]
    accepted: dict[str, str] = {}

    def client(keys: list[str]) -> None:
        for key in keys:
            while key not in accepted:
                try:
                    answer = ask.post(f"/v1/runs/{base}/rerun", Idempotency_Key=key)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.02)
                    continue
                assert answer.status == 202, answer
                accepted[key] = answer.json["runs"][0]

    clients = [threading.Thread(target=client, args=([f"{who}-{n}" for n in range(20)],)) for who in range(4)]
    for each in clients:
        each.start()
    for answered in (15, 45):
        until(lambda answered=answered: len(accepted) >= answered, "requests to be under way")
        found.stop(signal.SIGKILL)
        found.start()
    for each in clients:
        each.join(30)
    assert len(accepted) == len(set(accepted.values())) == 80
    again = {key: ask.post(f"/v1/runs/{base}/rerun", Idempotency_Key=key).json["runs"][0] for key in accepted}
    assert again == accepted

    def rows() -> list[Any]:
        return list(ask.get("/v1/runs?workflow=other&limit=1000").json)

    until(lambda: all(row["phase"] == "Success" for row in rows()), "all of them")
    assert {row["id"] for row in rows()} == {base, *accepted.values()}, "each once, and no other"
    assert found.stop() == 0


def test_a_disk_that_is_full_is_503_and_lived_through(shop: Fleet) -> None:
    """Files that may not grow stand for the disk: the same controller goes on when they may again."""
    found = Serving(shop)
    found.start()
    assert found.child is not None
    ask = found.caller("boss", "admin")
    base = shop.xene("run", "other", "--wait", "-o", "json").json[0]["id"]
    free = resource.prlimit(found.child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(found.child.pid, resource.RLIMIT_FSIZE, (8192, free[1]))
    path = f"/v1/runs/{base}/rerun"
    refused = until(
        lambda: (got := ask.post(path, Idempotency_Key="a")).status == 503 and got, "it to be refused"
    )
    assert refused.json["code"] == "storage" and "Retry-After" in refused.headers
    assert ask.get("/healthz").status == ask.get(f"/v1/runs/{base}").status == 200
    assert [row["id"] for row in ask.get("/v1/runs?workflow=other").json] == [base], "nothing was stored"
    resource.prlimit(found.child.pid, resource.RLIMIT_FSIZE, free)
    answer = until(
        lambda: (got := ask.post(path, Idempotency_Key="a")).status == 202 and got, "it to be taken"
    )
    (run,) = answer.json["runs"]
    until(lambda: ask.get(f"/v1/runs/{run}").json["phase"] == "Success", "the run")
    assert found.stop() == 0


def test_nothing_is_served_while_it_stands_by(shop: Fleet, tmp_path: Path) -> None:
    first, second = Serving(shop), Serving(shop)
    second.log = tmp_path / "second.log"
    first.start()
    waiting = threading.Thread(target=second.start)
    waiting.start()
    until(
        lambda: second.log.exists() and "standing by" in second.log.read_text(), "the second one to stand by"
    )
    assert "listens on" not in second.log.read_text()
    os.kill(first.child.pid, signal.SIGKILL)  # type: ignore[union-attr]
    first.child.wait(20)  # type: ignore[union-attr]
    waiting.join(20)
    assert Caller(second.url).get("/readyz").status == 200
    assert second.stop() == 0
