"""Notices over a real state, told to real servers: HTTP, SMTP and a program; once each, and never lost."""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator

import pytest
from aiosmtpd.controller import Controller as Smtp

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from tests.controlling import free_port
from xene.control.daemon import Context
from xene.notify import companion, sender
from xene.notify.companion import Notifier, pause
from xene.store import db, notices, slots
from xene.store.slots import Slot


class Inbox:
    """An HTTP server that keeps what comes; `answers` are taken first, then 200."""

    HELD = -1  # no answer before `held` is set

    def __init__(self) -> None:
        self.held = threading.Event()
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int | float] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.came.append((self.path, dict(self.headers), body))
                answer = inbox.answers.pop(0) if inbox.answers else 200
                if answer == inbox.HELD:
                    inbox.held.wait(30.0)
                    answer = 200
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = 200
                self.send_response(answer)
                self.send_header("Location", f"{inbox.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def json(self, number: int = 0) -> Any:
        return json.loads(self.came[number][2])


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "LOOK", 0.05)
    monkeypatch.setattr(companion, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(companion, "LONGEST_PAUSE", 0.2)


class At:
    """A host with a notifier that can be killed: what it has under way is forgotten."""

    def __init__(self, host: Host) -> None:
        self.host, self.said = host, list[str]()
        self.notifier = Notifier(self.said.append)
        self.start()

    def start(self) -> None:
        with self.host.state() as state:
            self.notifier.start(Context(self.host.place, state.uuid, lambda: None))

    def waiting(self) -> list[notices.Notice]:
        with db.open_for_reading(self.host.place.state) as state:
            return notices.waiting(state.conn)


@pytest.fixture
def at(host: Host, quick: None) -> Iterator[At]:
    host.apply(workflow("shop"), agent("a"))
    made = At(host)
    yield made
    made.notifier.stop()

    assert made.notifier.failed is None


def shop(notify: list[Any], **more: Any) -> dict[str, Any]:
    return workflow("shop", {"build": pipeline("x", notify=notify, **more)})


def fail(host: Host) -> str:
    host.fleet["a"].play = "fail"
    return end_of(host, "Error")


def succeed(host: Host) -> str:
    host.fleet["a"].play = "finish"
    return end_of(host, "Success")


def end_of(host: Host, phase: str) -> str:
    (run,) = host.fire("shop").runs
    assert host.ended(run)[0]["phase"] == phase
    return run


def test_an_error_is_told_and_a_recovery_and_nothing_else(at: At, inbox: Inbox) -> None:
    at.host.apply(shop([{"on": ["Error", "Recovered"], "webhook": {"url": f"{inbox.url}/hook"}}]), agent("a"))
    succeed(at.host)
    failed = fail(at.host)
    eventually(lambda: len(inbox.came) == 1, "the error")
    again = succeed(at.host)
    eventually(lambda: len(inbox.came) == 2, "the recovery")
    succeed(at.host)
    eventually(lambda: not at.waiting(), "that all is told")
    first, second = inbox.json(0), inbox.json(1)
    assert (first["kind"], first["run"], first["phase"]) == ("Error", failed, "Error")
    assert (second["kind"], second["run"]) == ("Recovered", again) and len(inbox.came) == 2
    assert first["text"].startswith("shop/build: Error") and failed in first["text"]
    path, headers, _ = inbox.came[0]
    assert path == "/hook" and headers["Idempotency-Key"] and headers["Content-Type"] == "application/json"


def test_it_is_told_again_until_it_is_taken_and_no_redirect_is_followed(at: At, inbox: Inbox) -> None:
    inbox.answers = [500, 302, 429]
    at.host.apply(shop([{"on": ["Error"], "webhook": {"url": inbox.url}}]), agent("a"))
    fail(at.host)
    eventually(lambda: len(inbox.came) == 4, "the fourth try")
    eventually(lambda: not at.waiting(), "that it is marked")
    assert len({headers["Idempotency-Key"] for _, headers, _ in inbox.came}) == 1
    assert {path for path, _, _ in inbox.came} == {"/"}
    assert any("answered 500" in line for line in at.said)


def test_a_slow_target_holds_up_nobody(at: At, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "SECONDS", 0.5)
    slow = Inbox()
    slow.answers = [2.0, 2.0, 2.0]
    targets = [{"on": ["Error"], "webhook": {"url": each.url}} for each in (slow, inbox)]
    at.host.apply(shop(targets), agent("a"))
    fail(at.host)
    eventually(lambda: len(inbox.came) == 1, "the quick one")
    eventually(lambda: [each.target["webhook"]["url"] for each in at.waiting()] == [slow.url], "its mark")
    slow.answers = []
    eventually(lambda: not at.waiting(), "the slow one")
    slow.server.shutdown()
    slow.server.server_close()


def test_a_template_and_a_url_that_is_a_secret(at: At, inbox: Inbox) -> None:
    (Path(at.host.place.home) / "secrets.env").write_text(f"CHAT={inbox.url}/s3cret-path\n")
    os.chmod(Path(at.host.place.home) / "secrets.env", 0o600)
    template = '{"msg": ${{ toJson(notice.text) }}, "run": "${{ notice.run }}"}'
    secret = {
        "apiVersion": "xene/v1",
        "kind": "Secret",
        "metadata": {"name": "chat"},
        "spec": {"env": "CHAT"},
    }
    inbox.answers = [500]
    at.host.apply(
        shop([{"on": ["Error"], "webhook": {"secretRef": "chat", "template": template}}]), agent("a"), secret
    )
    fail(at.host)
    eventually(lambda: len(inbox.came) == 2 and not at.waiting(), "it")
    assert inbox.came[1][0] == "/s3cret-path" and inbox.json(1)["msg"].startswith("shop/build: Error")
    state = Path(at.host.place.state).read_bytes()
    assert b"s3cret" not in state and not any("s3cret" in line for line in at.said) and at.said


def test_slots_that_are_missed_are_one_notice(at: At, inbox: Inbox) -> None:
    at.host.apply(shop([{"on": ["Missed"], "webhook": {"url": inbox.url}}]), agent("a"))
    at.notifier.stop()
    now = time.time() - 10
    rows = [Slot("shop", "build", "tick", 60.0 * n, "missed", "Late", "m") for n in range(1, 1001)]
    with at.host.state() as state, state.transaction() as conn:
        slots.guess(conn, now, [rows[0]._replace(outcome="unknown")])
        slots.settle(conn, now, rows)
        slots.settle(conn, now, [Slot("shop", "build", "tick", 120_000.0, "skipped", "Suspended", "m")])
    assert [each.slots for each in at.waiting()] == [1000]
    at.start()
    eventually(lambda: not at.waiting(), "it")
    (told,) = [json.loads(body) for _, _, body in inbox.came]
    assert (told["kind"], told["trigger"], told["count"]) == ("Missed", "tick", 1000)
    assert "1000 slots of trigger tick missed" in told["text"]


def test_a_mail(at: At) -> None:
    mails: list[Any] = []

    class Box:
        async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
            mails.append(envelope)
            return "250 ok"

    server = Smtp(Box(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        config = Path(at.host.place.home) / "config.yaml"
        config.write_text(f"smtp: {{host: 127.0.0.1, port: {server.port}, from: xene@example.com}}\n")
        config.chmod(0o600)
        at.host.apply(
            shop([{"on": ["Error"], "email": {"to": ["ops@example.com", "b@example.com"]}}]), agent("a")
        )
        run = fail(at.host)
        eventually(lambda: mails and not at.waiting(), "the mail")
    finally:
        server.stop()
    text = mails[0].content.decode()
    assert (
        mails[0].rcpt_tos == ["ops@example.com", "b@example.com"] and mails[0].mail_from == "xene@example.com"
    )
    assert "Subject: [xene] shop/build: Error" in text and run in text and "Message-ID: <" in text


def test_a_program_only_where_it_is_allowed(at: At, tmp_path: Path) -> None:
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/told.part && mv {tmp_path}/told.part {tmp_path}/told\n")
    program.chmod(0o755)
    at.host.apply(shop([{"on": ["Error"], "command": [str(program), "$(id)"]}]), agent("a"))
    run = fail(at.host)
    eventually(lambda: any("does not allow it" in line for line in at.said), "that it is refused")
    assert not (tmp_path / "told").exists()
    config = Path(at.host.place.home) / "config.yaml"
    config.write_text(f"allow: {{commands: [{program}]}}\n")
    config.chmod(0o600)
    eventually(lambda: not at.waiting(), "that it is told")
    assert json.loads((tmp_path / "told").read_text())["run"] == run


def test_what_a_killed_notifier_had_begun_is_told_by_the_next(host: Host, inbox: Inbox, quick: None) -> None:
    """A try is written down before it is made, and is no delivery."""
    host.apply(shop([{"on": ["Error"], "webhook": {"url": inbox.url}}]), agent("a"))
    fail(host)
    with host.state() as state, state.transaction() as conn:
        (due,) = notices.due(conn, time.time(), 10)
        notices.trying(conn, [(due.id, time.time() + 0.2)])
    made = At(host)
    eventually(lambda: not made.waiting(), "it")
    made.notifier.stop()
    assert len(inbox.came) == 1


def test_it_is_given_up_after_three_days_and_said(
    at: At, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "PATIENCE", -1.0)
    monkeypatch.setattr(companion, "LEAST_TRIES", 2)
    inbox.answers = [500, 500]
    at.host.apply(shop([{"on": ["Error"], "webhook": {"url": inbox.url}}]), agent("a"))
    fail(at.host)
    eventually(lambda: not at.waiting(), "that it is given up")
    assert "NotifyFailed" in at.host.reasons("Pipeline") and len(inbox.came) == 2


def test_who_is_told_changes_no_revision(host: Host) -> None:
    host.apply(shop([]), agent("a"))
    before = host.pipelines()["shop/build"]["revision"]
    host.apply(shop([{"on": ["Error"], "email": {"to": ["a@b"]}}]), agent("a"))
    assert host.pipelines()["shop/build"]["revision"] == before


def test_pauses_grow_and_have_an_end() -> None:
    found = [pause(tries, 0.0) for tries in range(30)]
    assert (
        found == sorted(found) and found[0] == companion.FIRST_PAUSE and found[-1] == companion.LONGEST_PAUSE
    )
    assert all(0.7 * pause(n, 0.0) <= pause(n, 0.99) <= pause(n, 0.0) for n in range(5))


def test_what_is_under_way_is_not_begun_again_and_one_target_gets_few_at_once() -> None:
    def notice(number: int, target: str) -> notices.Notice:
        return notices.Notice(
            number, "Error", "w", "p", "r", 1, None, None, None, 1, {"webhook": {"url": target}}, 0.0, 0, None
        )

    due = [notice(n, f"http://{n % 3}") for n in range(60)]
    first = companion.choose(due, [])
    assert [each.id for each in first] == [0, 1, 2, 3, 4, 5]
    assert companion.choose(due, first) == []
    assert [each.id for each in companion.choose(due[6:], first[1:])] == [6]
    assert len(companion.choose([notice(n, f"http://{n}") for n in range(60)], [])) == companion.AT_ONCE
