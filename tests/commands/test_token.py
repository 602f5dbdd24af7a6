"""`xene token create|rm`, `xene get tokens`, and the words of `xene controller --listen`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from tests.test_contract import INSTANT, TOKEN
from xene.commands import listening
from xene.commands.listening import Door
from xene.errors import Usage

WORD = re.compile(r"xene_[a-z2-7]{16}_[A-Za-z0-9_-]{43}\n")


def test_a_token_is_printed_once_and_alone(xene: Terminal) -> None:
    made = xene(
        "token", "create", "ci", "--role", "trigger", "--for", "shop/build", "--expires", "1h", code=0
    )
    assert WORD.fullmatch(made.out)
    assert "not shown again" in made.err and "there is no pipeline shop/build yet" in made.err
    (row,) = xene("get", "tokens", "-o", "json", code=0).json
    assert {key: row[key] for key in ("name", "role", "for", "lastUsedAt")} == {
        "name": "ci",
        "role": "trigger",
        "for": "shop/build",
        "lastUsedAt": None,
    }
    assert set(row) == TOKEN
    assert INSTANT.fullmatch(row["createdAt"]) and INSTANT.fullmatch(row["expiresAt"])
    assert row == xene("get", "token", "ci", "-o", "json", code=0).json
    for words in (("get", "tokens", "-o", "wide"), ("describe", "token", "ci"), ("get", "events")):
        shown = xene(*words, code=0)
        assert made.out.strip() not in shown.out and "ci" in shown.out
    secret = made.out.strip().split("_", 2)[2].encode()
    assert secret not in (xene.home / "state.db").read_bytes()


def test_every_token_is_another(xene: Terminal) -> None:
    words = {xene("token", "create", name, "--role", "read", code=0).out for name in ("a", "b")}
    assert len(words) == 2
    assert [row["name"] for row in xene("get", "tok", "-o", "json").json] == ["a", "b"]
    assert xene("get", "tokens", "-o", "name").out == "token/a\ntoken/b\n"


def test_a_name_is_taken_until_its_token_is_removed(xene: Terminal) -> None:
    xene("token", "create", "ci", "--role", "read", code=0)
    assert "xene token rm ci" in xene("token", "create", "ci", "--role", "admin", code=7).err
    assert [row["role"] for row in xene("get", "tokens", "-o", "json").json] == ["read"]
    xene("token", "rm", "ci", code=0)
    assert xene("get", "tokens", "-o", "json").json == []
    xene("token", "rm", "ci", code=4)
    xene("token", "create", "ci", "--role", "admin", code=0)


@pytest.mark.parametrize(
    "words",
    [
        ("Ci", "--role", "read"),
        ("ci", "--role", "write"),
        ("ci",),
        ("ci", "--role", "read", "--for", "shop/"),
        ("ci", "--role", "read", "--for", "shop/build/x"),
        ("ci", "--role", "read", "--expires", "soon"),
        ("ci", "--role", "read", "--expires", "0s"),
        ("ci", "--role", "read", "-o", "json"),
    ],
)
def test_words_that_are_wrong_make_none(xene: Terminal, words: tuple[str, ...]) -> None:
    ended = xene("token", "create", *words, code=2)
    assert ended.out == "" and "error: " in ended.err
    assert not (xene.home / "state.db").exists()


def test_no_state_yet_has_no_token_to_remove(xene: Terminal) -> None:
    xene("token", "rm", "ci", code=4)
    assert xene("get", "tokens", "-o", "json", code=0).json == []
    assert not (xene.home / "state.db").exists()


# -- listening


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:0", ("::1", 0)),
        (":8443", ("", 8443)),
        ("xene.example.com:65535", ("xene.example.com", 65535)),
    ],
)
def test_an_address(text: str, found: tuple[str, int]) -> None:
    assert listening.address(text) == found


@pytest.mark.parametrize(
    "text", ["8080", "", "host", "::1:80", "host:", "host:http", "host:65536", "host:-1", "h:٣"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(Usage):
        listening.address(text)


def test_beyond_this_host_it_wants_tls_or_a_word_that_it_may_do_without() -> None:
    for host in ("0.0.0.0:80", ":80", "192.0.2.7:80", "[::]:80"):
        with pytest.raises(Usage, match="in the clear") as refused:
            Door(host, None, None, False).listening()
        assert "--insecure" in refused.value.hint
        found = Door(host, None, None, True).listening()
        assert found is not None and found.port == 80
    for host in ("127.0.0.1:80", "[::1]:80", "localhost:80"):
        assert Door(host, None, None, False).listening() is not None


@pytest.mark.parametrize(
    "door",
    [
        Door(None, "cert", "key", False),
        Door(None, None, None, True),
        Door(":80", "cert", None, False),
        Door(":80", None, "key", False),
        Door(":80", "cert", "key", True),
    ],
)
def test_words_that_do_not_belong_together(door: Door) -> None:
    with pytest.raises(Usage):
        door.listening()


def test_a_controller_that_cannot_listen_ends_at_once(xene: Terminal) -> None:
    for words in (
        ("--listen", ":80"),
        ("--listen", "127.0.0.1:0", "--tls-cert", "none", "--tls-key", "none"),
    ):
        ended = xene("controller", *words, code=2)
        assert "hint: " in ended.err and "Traceback" not in ended.err


def test_the_unit_says_where_it_listens(xene: Terminal, tmp_path: Path) -> None:
    words = ("--listen", ":8443", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    unit = xene("controller", "install", "--user", "--dry-run", *words, code=0).out
    assert f"--listen :8443 --tls-cert {xene.cwd}/cert.pem --tls-key {xene.cwd}/key.pem" in unit
