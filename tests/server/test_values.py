"""Secrets that webhooks are verified with: read seldom, seen when they change, never told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from xene.model.secret import Secret
from xene.server.values import AGAIN, KEPT, Values

HOOK = Secret("hook", env="XENE_TEST_HOOK_OF_NOBODY")


class Safe:
    """`secrets.env` of a home, and the values that are kept of it, by a clock that is set."""

    def __init__(self, home: Path) -> None:
        self.home, self.now, self.said = home, 1000.0, list[str]()
        self.values = Values(str(home), self.said.append, lambda: self.now)

    def write(self, value: str) -> None:
        path = self.home / "secrets.env"
        path.write_text(f"{HOOK.env}='{value}'\n")
        path.chmod(0o600)

    def get(self, secret: Secret | None = HOOK, older_than: float = KEPT) -> bytes | None:
        return asyncio.run(self.values.get("hook", secret, older_than=older_than))


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    return Safe(tmp_path)


def test_a_value_is_kept_for_a_while(safe: Safe) -> None:
    safe.write("the first one")
    assert safe.get() == b"the first one"
    safe.write("the second one")
    safe.now += KEPT - 1
    assert safe.get() == b"the first one"
    safe.now += 1
    assert safe.get() == b"the second one"


def test_for_a_delivery_that_does_not_fit_it_is_read_again_but_not_for_each(safe: Safe) -> None:
    safe.write("the first one")
    assert safe.get() == b"the first one"
    safe.write("the second one")
    assert safe.get(older_than=AGAIN) == b"the first one"
    safe.now += AGAIN
    assert safe.get(older_than=AGAIN) == b"the second one"


def test_one_that_cannot_be_had_is_told_once_and_asked_for_again_soon(safe: Safe) -> None:
    assert [safe.get() for _ in range(5)] == [None] * 5
    assert len(safe.said) == 1 and HOOK.env is not None and HOOK.env in safe.said[0]
    safe.write("here it is")
    assert safe.get() is None
    safe.now += AGAIN
    assert safe.get() == b"here it is"


def test_another_source_is_read_at_once(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    safe.write("the first one")
    assert safe.get() == b"the first one"
    monkeypatch.setenv("XENE_TEST_OTHER_HOOK", "from elsewhere")
    assert safe.get(Secret("hook", env="XENE_TEST_OTHER_HOOK")) == b"from elsewhere"
    assert safe.get(None) is None and "there is no Secret hook" in safe.said[-1]


def test_files_that_others_may_read_and_a_broken_config_are_told_to_the_log_alone(safe: Safe) -> None:
    safe.write("the first one")
    (safe.home / "secrets.env").chmod(0o644)
    assert safe.get() is None and "0644" in safe.said[-1]
    (safe.home / "config.yaml").write_text("allow: {flies: []}\n")
    assert safe.get(Secret("hook", file="/etc/hostname")) is None and "flies" in safe.said[-1]


def test_it_is_never_shown(safe: Safe) -> None:
    safe.write("the first one")
    safe.get()
    assert "the first one" not in repr(safe.values) + repr(vars(safe.values))


def test_a_slow_one_holds_up_nobody_else(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    safe.write("the first one")

    async def both() -> bytes | None:
        gate = asyncio.Event()
        loop, read = asyncio.get_running_loop(), safe.values._read

        def slow(name: str, secret: Secret | None) -> bytes | None:
            if name == "slow":
                asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)
            return read(name, secret)

        monkeypatch.setattr(safe.values, "_read", slow)
        waiting = asyncio.create_task(safe.values.get("slow", HOOK))
        quick = await safe.values.get("hook", HOOK)
        assert not waiting.done()
        gate.set()
        assert await waiting == quick
        return quick

    assert asyncio.run(both()) == b"the first one"
