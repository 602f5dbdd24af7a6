"""Webhooks over a real controller: verified, deduplicated, started once; and nothing where anything is wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import urlencode

import pytest

from tests.fleet import fleet, until
from tests.server.conftest import Answer, Caller, Serving

SECRET = b"correct horse battery staple"
HOOKED = """
    apiVersion: xene/v1
    kind: Workflow
    metadata: {name: hooked}
    spec:
      triggers:
        push:
          webhook:
            verify: github
            secretRef: hook
            when: event.body.ref == 'refs/heads/main'
            params: {sha: "${{ event.body.after }}", kind: "${{ event.headers['X-GitHub-Event'] }}"}
        merged: {webhook: {verify: gitlab, secretRef: hook, params: {sha: "${{ event.body.checkout_sha }}"}}}
        signed: {webhook: {verify: hmac-sha256, secretRef: hook}}
        plain: {webhook: {verify: bearer, secretRef: hook}}
        lost: {webhook: {verify: bearer, secretRef: nowhere}}
        alone: {webhook: {verify: bearer, secretRef: hook}}
        nightly: {cron: {schedule: "0 0 1 1 *"}}
      pipelines:
        build:
          triggers: [push, merged, signed, plain, lost, nightly]
          params:
            sha: {type: string, pattern: "[0-9a-f]{7,40}|HEAD", default: HEAD}
            kind: {type: string, default: none}
          tasks: {t: {steps: [{name: s, run: 'echo "$XENE_TRIGGER $XENE_PARAM_SHA $XENE_PARAM_KIND"'}]}}
        other: {tasks: {t: {steps: [{name: s, run: "true"}]}}}
        after: {needs: [build], tasks: {t: {steps: [{name: s, run: "true"}]}}}
        report: {needs: [{pipeline: build, on: any}, {pipeline: other, on: [success, skipped]}],
                 tasks: {t: {steps: [{name: s, run: "true"}]}}}
        single:
          triggers: [alone]
          concurrencyPolicy: Forbid
          tasks: {t: {steps: [{name: s, run: "until [ -e GO ]; do sleep 0.05; done"}]}}
        nowhere:
          placement: {agentSelector: {matchLabels: {no: where}}}
          tasks: {t: {steps: [{name: s, run: "true"}]}}
    ---
    apiVersion: xene/v1
    kind: Secret
    metadata: {name: hook}
    spec: {env: HOOK}
    ---
    apiVersion: xene/v1
    kind: Secret
    metadata: {name: nowhere}
    spec: {env: NO_SUCH_VARIABLE}
"""


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    root = tmp_path_factory.mktemp("hooked")
    with fleet(root, "local", count=1) as hosts:
        hosts.home.mkdir(mode=0o700)
        keep_secret(hosts.home, SECRET)
        hosts.write("hooked.yaml", HOOKED.replace("GO", str(root / "go")))
        hosts.apply()
        found = Serving(hosts)
        found.start()
        try:
            yield found
        finally:
            assert found.stop() == 0, found.log.read_text()
        assert SECRET.decode() not in found.log.read_text()


def keep_secret(home: Path, value: bytes) -> None:
    path = home / "secrets.env"
    path.write_bytes(b"HOOK='" + value + b"'\n")
    path.chmod(0o600)


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def as_github(hooked: Serving, payload: Any, *, form: bool = False, **headers: str) -> Answer:
    """As GitHub's documentation has a delivery."""
    body = json.dumps(payload).encode()
    if form:
        body = urlencode({"payload": body.decode()}).encode()
    asked = {
        "Content_Type": "application/x-www-form-urlencoded" if form else "application/json",
        "X_Hub_Signature_256": signed(body),
        "X_GitHub_Event": "push",
        **headers,
    }
    return Caller(hooked.url).post("/hooks/hooked/triggers/push", body, **asked)


PUSH = {"ref": "refs/heads/main", "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "commits": []}


def count(hooked: Serving) -> int:
    """Runs that were started from outside; those that follow come when they come."""
    return sum(row["trigger"] != "pipeline" for row in hooked.hosts.get("runs", "--limit", "1000"))


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
def test_a_push_of_github_starts_what_names_the_trigger(hooked: Serving, form: bool) -> None:
    answer = as_github(hooked, PUSH, form=form)
    assert answer.status == 202
    (run,) = answer.json["runs"]
    row = hooked.ended(run)
    assert (row["phase"], row["pipeline"], row["trigger"]) == ("Success", "build", "push")
    assert row["params"] == {"sha": PUSH["after"], "kind": "push"}
    assert hooked.hosts.xene("logs", run, "t/s").out == f"push {PUSH['after']} push\n"

    def followers() -> Any:
        rows = hooked.hosts.get("runs", "--limit", "1000")
        return {each["pipeline"] for each in rows if each["fire"] == row["fire"]} == {
            "build",
            "after",
            "report",
        }

    until(followers, "what follows from it, and nothing else")


def test_another_branch_starts_nothing_and_neither_does_a_ping(hooked: Serving) -> None:
    before = count(hooked)
    for answer in (
        as_github(hooked, {**PUSH, "ref": "refs/heads/other"}),
        as_github(hooked, {"zen": "Speak like a human."}, X_GitHub_Event="ping"),
        as_github(hooked, {"no": "ref"}),
    ):
        assert (answer.status, answer.json) == (200, {"runs": []})
    assert count(hooked) == before


def test_a_delivery_that_comes_again_starts_nothing_more(hooked: Serving) -> None:
    first = as_github(hooked, PUSH, X_GitHub_Delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958")
    again = as_github(hooked, PUSH, X_GitHub_Delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert first.status == again.status == 202 and first.json == again.json
    other = as_github(
        hooked, {**PUSH, "commits": [1]}, X_GitHub_Delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958"
    )
    assert other.status == 409
    assert as_github(hooked, PUSH, X_GitHub_Delivery="another").json != first.json


def test_gitlab_hmac_and_bearer(hooked: Serving) -> None:
    call, body = Caller(hooked.url), b'{"checkout_sha": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"}'
    gitlab = {
        "X_Gitlab_Token": SECRET.decode(),
        "X_Gitlab_Event_UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
    }
    first = call.post("/hooks/hooked/triggers/merged", body, **gitlab)
    assert first.status == 202
    assert call.post("/hooks/hooked/triggers/merged", body, **gitlab).json == first.json
    row = hooked.hosts.get("run", first.json["runs"][0])
    assert row["params"]["sha"] == "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"
    assert call.post("/hooks/hooked/triggers/signed", body, X_Signature_256=signed(body)).status == 202
    upper = "sha256=" + signed(body)[7:].upper()
    assert call.post("/hooks/hooked/triggers/signed", b"", X_Signature_256=signed(b"")).status == 202
    assert call.post("/hooks/hooked/triggers/signed", body, X_Signature_256=upper).status == 202
    assert Caller(hooked.url, SECRET.decode()).post("/hooks/hooked/triggers/plain").status == 202


def test_what_is_not_verified_starts_nothing(hooked: Serving) -> None:
    before, call, body = count(hooked), Caller(hooked.url), json.dumps(PUSH).encode()
    wrong = [
        ("push", {}),
        ("push", {"X_Hub_Signature_256": signed(body, b"another secret")}),
        ("push", {"X_Hub_Signature_256": signed(body + b" ")}),
        ("push", {"X_Hub_Signature_256": signed(body)[7:]}),
        ("push", {"X_Hub_Signature_256": "sha256="}),
        ("push", {"X_Hub_Signature": "sha1=" + hmac.new(SECRET, body, hashlib.sha1).hexdigest()}),
        ("push", {"X_Gitlab_Token": SECRET.decode()}),
        ("merged", {"X_Gitlab_Token": SECRET.decode()[:-1]}),
        ("merged", {"X_Gitlab_Token": ""}),
        ("signed", {"X_Hub_Signature_256": signed(body)}),
        ("plain", {"Authorization": "Bearer"}),
        ("plain", {"Authorization": f"Basic {SECRET.decode()}"}),
    ]
    for trigger, headers in wrong:
        answer = call.post(f"/hooks/hooked/triggers/{trigger}", body, **headers)
        assert answer.status in (401, 429), (trigger, headers, answer)
        assert SECRET.decode() not in answer.body.decode()
    assert count(hooked) == before


def test_the_key_is_looked_up_only_after_verification(hooked: Serving) -> None:
    assert as_github(hooked, PUSH, X_GitHub_Delivery="known").status == 202
    answer = as_github(hooked, PUSH, X_GitHub_Delivery="known", X_Hub_Signature_256="sha256=00")
    assert answer.status in (401, 429)


def test_bodies_that_are_none(hooked: Serving) -> None:
    before, call = count(hooked), Caller(hooked.url)
    for body in (b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'"\\ud800"'):
        answer = call.post("/hooks/hooked/triggers/push", body, X_Hub_Signature_256=signed(body))
        assert answer.status == 400 and answer.json["code"] == "bad-body", body[:20]
    for form in (b"payload=%7B", b"other=1", b"payload=1&payload=2", b"payload", b"\xff"):
        headers = {"X_Hub_Signature_256": signed(form), "Content_Type": "application/x-www-form-urlencoded"}
        assert call.post("/hooks/hooked/triggers/push", form, **headers).status == 400, form
    big = b" " * (1024 * 1024 + 1)
    assert call.post("/hooks/hooked/triggers/push", big, X_Hub_Signature_256=signed(big)).status == 413
    assert count(hooked) == before


def test_params_that_do_not_fit_are_refused_with_the_reason(hooked: Serving) -> None:
    before = count(hooked)
    answer = as_github(hooked, {**PUSH, "after": "$(reboot)"})
    assert answer.status == 400 and "pattern" in answer.json["error"]
    assert count(hooked) == before


def test_suspended_it_answers_and_starts_nothing(hooked: Serving) -> None:
    hooked.hosts.xene("suspend", "hooked/build")
    try:
        assert (as_github(hooked, PUSH).status, as_github(hooked, PUSH).json) == (200, {"runs": []})
        token = hooked.token("manual", "trigger")
        assert Caller(hooked.url, token).post("/hooks/hooked/pipelines/build").status == 202
    finally:
        hooked.hosts.xene("resume", "hooked/build")
    assert as_github(hooked, PUSH).status == 202


def test_the_default_webhook(hooked: Serving) -> None:
    call = Caller(hooked.url, hooked.token("ci", "trigger", "--for", "hooked/build"))
    path, body = "/hooks/hooked/pipelines/build", {"params": {"sha": "abcdef0"}}
    answer = call.post(path, body, Idempotency_Key="one")
    assert answer.status == 202
    assert call.post(path, body, Idempotency_Key="one").json == answer.json
    row = hooked.ended(answer.json["runs"][0])
    assert (row["trigger"], row["params"]["sha"], row["phase"]) == ("webhook", "abcdef0", "Success")
    wrong = call.post("/hooks/hooked/pipelines/build", {"params": {"shaa": "x"}})
    assert wrong.status == 400 and wrong.json["code"] == "bad-params" and "-p " not in wrong.json["hint"]
    assert call.post("/hooks/hooked/pipelines/build", {"parms": {}}).status == 400
    assert call.post("/hooks/hooked/pipelines/build", {"params": []}).status == 400
    assert call.post("/hooks/hooked/pipelines/build", {"artifactsFrom": "nothing"}).status == 404
    assert call.post("/hooks/hooked/pipelines/other").status == 403
    assert (
        Caller(hooked.url, hooked.token("seer", "read")).post("/hooks/hooked/pipelines/build").status == 403
    )
    assert Caller(hooked.url).post("/hooks/hooked/pipelines/build").status == 401


def test_what_there_is_not_and_what_is_on_no_agent(hooked: Serving) -> None:
    call = Caller(hooked.url, hooked.token("all", "trigger"))
    assert call.post("/hooks/hooked/pipelines/nothing").status == 404
    assert call.post("/hooks/nothing/pipelines/build").status == 404
    assert call.post("/hooks/hooked/triggers/nightly").status == 404
    assert call.post("/hooks/hooked/triggers/nothing").status == 404
    answer = call.post("/hooks/hooked/pipelines/nowhere")
    assert answer.status == 503 and "not scheduled" in answer.json["error"] and answer.headers["Retry-After"]


def test_forbid_is_a_conflict_and_stores_nothing(hooked: Serving, tmp_path: Path) -> None:
    call = Caller(hooked.url, SECRET.decode())
    (run,) = call.post("/hooks/hooked/triggers/alone", Idempotency_Key="f1").json["runs"]
    before = count(hooked)
    assert call.post("/hooks/hooked/triggers/alone", Idempotency_Key="f2").status == 409
    assert call.post("/hooks/hooked/triggers/alone", Idempotency_Key="f1").json == {"runs": [run]}
    assert count(hooked) == before
    (hooked.hosts.root / "go").touch()
    assert hooked.ended(run)["phase"] == "Success"
    assert call.post("/hooks/hooked/triggers/alone", Idempotency_Key="f2").status == 202


def test_a_secret_that_is_missing_is_told_to_the_log_alone(hooked: Serving) -> None:
    answer = Caller(hooked.url, "whatever").post("/hooks/hooked/triggers/lost")
    assert (answer.status, answer.json["code"]) == (503, "secret-missing")
    assert "NO_SUCH_VARIABLE" not in answer.body.decode() and "NO_SUCH_VARIABLE" in hooked.log.read_text()


def test_a_secret_that_was_changed_is_seen_at_once(hooked: Serving) -> None:
    body = json.dumps(PUSH).encode()
    assert as_github(hooked, PUSH).status == 202
    new = b"a new secret, as good"
    keep_secret(hooked.hosts.home, new)
    try:
        headers = {"X_Hub_Signature_256": signed(body, new), "X_GitHub_Event": "push"}

        def taken() -> bool:
            return Caller(hooked.url).post("/hooks/hooked/triggers/push", body, **headers).status == 202

        until(taken, "the new secret")
    finally:
        keep_secret(hooked.hosts.home, SECRET)
    until(lambda: as_github(hooked, PUSH).status == 202, "the old one again")


def test_what_people_see_of_webhook_triggers(hooked: Serving) -> None:
    """Last, since it suspends a pipeline."""
    xene = hooked.hosts.xene
    workflow = xene("describe", "workflow", "hooked").out
    (line,) = [each for each in workflow.splitlines() if "build/push" in each]
    assert (
        line.split()[1:4] == ["github", "hook", "/hooks/hooked/triggers/push"] and "refs/heads/main" in line
    )
    assert "/hooks/hooked/triggers/alone" in xene("describe", "pipeline", "hooked/single").out
    rows = xene("describe", "pipeline", "hooked/build", "-o", "json").json["webhooks"]
    assert [row["name"] for row in rows] == ["push", "merged", "signed", "plain", "lost"]
    assert rows[2] == {
        "pipeline": "build", "name": "signed", "verify": "hmac-sha256", "secretRef": "hook", "when": None,
        "params": {}, "path": "/hooks/hooked/triggers/signed",
    }  # fmt: skip
    assert xene("describe", "pipeline", "hooked/other", "-o", "json").json["webhooks"] == []
    why = "trigger alone starts it: POST /hooks/hooked/triggers/alone, verified by bearer with secret hook\n"
    assert why in xene("why", "pipeline/hooked/single").out
    xene("suspend", "hooked/single")
    assert "trigger alone starts nothing, since it is suspended" in xene("why", "pipeline/hooked/single").out
    assert "verify" in xene("explain", "workflow.spec.triggers.webhook").out
    path = hooked.hosts.repository / "hooked.yaml"
    changed = path.read_text().replace("verify: gitlab", "verify: bearer")
    path.write_text(changed)
    plan = xene("diff", str(hooked.hosts.repository), code=1).out
    assert "spec.triggers.merged.webhook.verify" in plan and "gitlab" in plan and "bearer" in plan
