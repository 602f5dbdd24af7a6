"""Targets that nobody thought of, a clock that jumps, backlogs: the notifier lives on, and nobody waits."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.control.conftest import agent, eventually
from tests.controlling import free_port
from tests.notify.test_notify import At, Inbox, at, fail, inbox, quick, shop
from xene.notify import companion, sender
from xene.store import db, notices

__all__ = ["at", "inbox", "quick"]


def insert(conn: sqlite3.Connection, target: str, next_at: float, many: int = 1) -> None:
    """Notices as the state's triggers make them, for a pipeline that has since gone."""
    rows = [(f"run-{target}-{n}", json.dumps({"webhook": {"url": target}}), next_at) for n in range(many)]
    conn.executemany(
        "INSERT INTO notices (kind, workflow, pipeline, run, attempt, target, made_at, next_at)"
        " VALUES ('Error', 'shop', 'build', ?, 1, ?, 0, ?)",
        rows,
    )


def failure(at: At) -> str:
    """What the one waiting notice came to nothing of."""
    eventually(lambda: at.waiting()[0].error is not None, "a try that failed")
    assert at.notifier.failed is None
    return str(at.waiting()[0].error)


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "http://a\u2024b..c/", "http://x:99999999/"])
def test_a_url_that_is_none_does_not_end_the_notifier(at: At, url: str) -> None:
    at.host.apply(shop([{"on": ["Error"], "webhook": {"url": url}}]), agent("a"))
    fail(at.host)
    assert failure(at)


def test_a_program_that_is_none_does_not_end_the_notifier(at: At, tmp_path: Path) -> None:
    program = tmp_path / "garbage"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    config = Path(at.host.place.home) / "config.yaml"
    config.write_text(f"allow: {{commands: [{program}]}}\n")
    config.chmod(0o600)
    at.host.apply(shop([{"on": ["Error"], "command": [str(program)]}]), agent("a"))
    fail(at.host)
    assert "garbage" in failure(at)


def test_a_sender_that_is_none_does_not_end_the_notifier(at: At) -> None:
    config = Path(at.host.place.home) / "config.yaml"
    config.write_text(f'smtp: {{host: 127.0.0.1, port: {free_port()}, from: "a@b\\nBcc: c@d"}}\n')
    config.chmod(0o600)
    at.host.apply(shop([{"on": ["Error"], "email": {"to": ["a@b"]}}]), agent("a"))
    fail(at.host)
    assert failure(at)


def test_many_that_wait_for_a_dead_target_do_not_hide_another(at: At, inbox: Inbox) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with at.host.state() as state, state.transaction() as conn:
        insert(conn, dead, 1.0, 1000)
        insert(conn, inbox.url, 2.0)
    with db.open_for_reading(at.host.place.state) as state:
        found = notices.due(state.conn, time.time(), 2)
    assert [each.target["webhook"]["url"] for each in found].count(inbox.url) <= 1
    eventually(lambda: len(inbox.came) == 1, "the one that is not dead")


def test_a_clock_that_went_back_holds_up_nothing(at: At, inbox: Inbox) -> None:
    with at.host.state() as state, state.transaction() as conn:
        insert(conn, inbox.url, time.time() + 86400.0 * 365)
    eventually(lambda: len(inbox.came) == 1, "what was due in a year by the clock of before")


def test_a_notice_that_waited_long_for_a_controller_is_not_given_up_at_the_first_try(
    at: At, inbox: Inbox
) -> None:
    inbox.answers = [503]
    with at.host.state() as state, state.transaction() as conn:
        insert(conn, inbox.url, 1.0)  # made in 1970
    eventually(lambda: not at.waiting() and len(inbox.came) == 2, "the second try")
    assert "NotifyFailed" not in at.host.reasons("Pipeline")


def test_what_was_told_while_the_state_took_no_writes_is_not_told_again(
    at: At, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "BUSY", 0.05)
    inbox.answers = [inbox.HELD]
    with at.host.state() as state:
        with state.transaction() as conn:
            insert(conn, inbox.url, 1.0)
        eventually(lambda: len(inbox.came) == 1, "the request")
        with state.transaction() as conn:
            conn.execute("UPDATE notices SET next_at = 1.0")  # another try were due long ago
            inbox.held.set()
            eventually(lambda: at.said, "that it cannot be written down")
    eventually(lambda: not at.waiting(), "that it is written down")
    assert len(inbox.came) == 1


def test_a_number_is_never_given_twice(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the Idempotency-Key of a new notice would be that of an old one, and its receiver would drop it."""
    at.notifier.stop()
    with at.host.state() as state, state.transaction() as conn:
        insert(conn, "http://one", 1.0)
        (first,) = notices.waiting(conn)
        notices.delivered(conn, 1.0, first.id)
        notices.prune(conn, time.time())
        insert(conn, "http://two", 1.0)
        (second,) = notices.waiting(conn)
    assert second.id > first.id


def test_a_state_restored_from_a_backup_gives_no_key_again(at: At) -> None:
    at.notifier.stop()
    with at.host.state() as state, state.transaction() as conn:
        insert(conn, "http://one", 1.0)
        (lost,) = notices.waiting(conn)
    again = lost._replace(made_at=lost.made_at + 0.5)  # the number is given once more, after the restore
    tried = lost._replace(tries=3, error="answered 500")
    assert companion.key_of("u", again) != companion.key_of("u", lost) == companion.key_of("u", tried)


def test_a_password_is_in_no_error_however_the_server_says_it(at: At) -> None:
    password = "correct horse battery"
    coded = base64.b64encode(f"\0xene\0{password}".encode()).decode()
    words = Path(at.host.place.home) / "secrets.env"
    words.write_text(f"SMTP_PASSWORD={password}\n")
    words.chmod(0o600)
    with Rude(f"535 I do not take {coded}, nor {password}") as rude:
        config = Path(at.host.place.home) / "config.yaml"
        config.write_text(
            f"smtp: {{host: 127.0.0.1, port: {rude.port}, user: xene, secretRef: pw, from: a@b}}\n"
        )
        config.chmod(0o600)
        secret: dict[str, Any] = {
            "apiVersion": "xene/v1",
            "kind": "Secret",
            "metadata": {"name": "pw"},
            "spec": {"env": "SMTP_PASSWORD"},
        }
        at.host.apply(shop([{"on": ["Error"], "email": {"to": ["a@b"]}}]), agent("a"), secret)
        fail(at.host)
        why = failure(at)
    assert "535" in why and rude.heard
    assert password not in why and coded not in why
    assert not any(password in line or coded in line for line in at.said)


class Rude:
    """A mail server that takes AUTH, and answers it with these words."""

    def __init__(self, words: str) -> None:
        import socketserver

        rude, self.heard = self, list[bytes]()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 rude\r\n")
                for line in self.rfile:
                    if line[:4].upper() == b"EHLO":
                        self.wfile.write(b"250-rude\r\n250 AUTH PLAIN\r\n")
                    elif line[:4].upper() == b"AUTH":
                        rude.heard.append(line)
                        self.wfile.write(words.encode() + b"\r\n")
                    elif line[:4].upper() == b"QUIT":
                        return
                    else:
                        self.wfile.write(b"502 no\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]

    def __enter__(self) -> Rude:
        import threading

        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_password_is_not_sent_in_the_clear_to_another_host() -> None:
    assert sender.start_tls("mail.example.com", 587, password=True) is True
    assert sender.start_tls("10.0.0.1", 25, password=True) is True
    assert sender.start_tls("127.0.0.1", 587, password=True) is None
    assert sender.start_tls("mail.example.com", 25, password=False) is None
    assert sender.start_tls("mail.example.com", 465, password=True) is None  # it is TLS already


def test_given_up_are_those_that_are_old_and_were_tried_often() -> None:
    assert companion.is_over(age=companion.PATIENCE, tries=companion.LEAST_TRIES)
    assert not companion.is_over(age=companion.PATIENCE - 1.0, tries=1000)
    assert not companion.is_over(age=companion.PATIENCE * 9, tries=companion.LEAST_TRIES - 1)
