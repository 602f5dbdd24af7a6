"""`xene secret seal`, and Secrets in `validate`, `apply`, `get` and `describe`: never a value anywhere."""

from __future__ import annotations

import os
import pty
import subprocess

from tests.commands.terminal import Terminal

VALUE = "correct-horse-battery"


def test_sealed_applied_and_listed(xene: Terminal) -> None:
    sealed = xene("secret", "seal", "deploy-token", stdin=VALUE + "\n", code=0)
    assert "age: |" in sealed.out and VALUE not in sealed.out + sealed.err
    (xene.cwd / "token.yaml").write_text(sealed.out)
    (xene.cwd / "env.yaml").write_text(
        "apiVersion: xene/v1\nkind: Secret\nmetadata: {name: mail, labels: {team: web}}\n"
        "spec: {env: MAIL_PASSWORD}\n"
    )
    xene("validate", ".", code=0)
    xene("apply", ".", code=0)
    rows = xene("get", "secrets", "-o", "json", code=0).json
    assert [(row["name"], row["from"]) for row in rows] == [("deploy-token", "age"), ("mail", "env")]
    assert all(set(row) >= {"name", "source", "digest"} for row in rows)
    assert [row["name"] for row in xene("get", "secrets", "-l", "team=web", "-o", "json", code=0).json] == [
        "mail"
    ]
    assert xene("get", "secret", "mail", "-o", "json", code=0).json["name"] == "mail"
    shown = xene("describe", "secret", "deploy-token", code=0).out
    assert "From:" in shown and "BEGIN AGE" not in shown
    assert xene("get", "secrets", code=0).out.startswith("NAME")
    xene("get", "secret", "nobody", code=4)
    for folder, _, names in os.walk(xene.home):
        for name in (name for name in names if not name.endswith((".sock", ".wake"))):
            with open(os.path.join(folder, name), "rb") as file:
                assert VALUE.encode() not in file.read()


def test_what_is_refused(xene: Terminal) -> None:
    assert "8 characters" in xene("secret", "seal", "a", stdin="short\n", code=2).err
    assert "cannot name" in xene("secret", "seal", "A_b", stdin=VALUE, code=2).err
    xene("secret", "seal", code=2)
    assert not (xene.home / "identity.age").exists()


def test_on_a_terminal_it_asks_and_shows_nothing(xene: Terminal) -> None:
    ours, theirs = pty.openpty()
    words, env = xene.command("secret", "seal", "a"), {**xene.environment(), "TERM": "xterm"}
    with subprocess.Popen(words, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=env) as process:
        os.close(theirs)
        shown = b""
        while b"value of a:" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, f"{VALUE}\n".encode())
        assert process.stdout and b"BEGIN AGE" in process.stdout.read()
        assert process.wait(30) == 0
        try:
            while piece := os.read(ours, 1000):
                shown += piece
        except OSError:
            pass  # EIO: the other side has closed
    os.close(ours)
    assert VALUE.encode() not in shown


def test_schema_and_explain(xene: Terminal) -> None:
    assert xene("schema", "secret", code=0).json["title"] == "Secret"
    assert "Has exactly one of" in xene("explain", "secret.spec", code=0).out
    assert "Globs" in xene("explain", "config.allow", code=0).out
