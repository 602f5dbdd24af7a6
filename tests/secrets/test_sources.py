"""Where values come from: every source, what is refused, and that no error shows a value."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from xene.control.settings import settings, sources
from xene.errors import InvalidManifest, NotTrusted, XeneError
from xene.model.secret import Secret
from xene.secrets import seal
from xene.secrets.config import Allow
from xene.secrets.sources import Sources, parse

VALUE = "correct-horse battery"


def plain(home: Path, allow: Allow | None = None, **environ: str) -> Sources:
    return Sources(str(home), lambda: allow or Allow(), {"PATH": os.environ["PATH"], **environ})


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def refused(found: Sources, secret: Secret, error: type[XeneError] = XeneError) -> str:
    with pytest.raises(error) as caught:
        found.value(secret)
    told = f"{caught.value.message} {caught.value.hint}"
    assert secret.name in told and caught.value.hint and VALUE not in told
    return told


def test_from_the_environment_first_then_from_the_file(tmp_path: Path) -> None:
    private(
        tmp_path / "secrets.env", f"# ours\nexport A='{VALUE}'\nB=\"line 1\\nline 2\"\nC=unquoted-1 # no\n"
    )
    assert plain(tmp_path, A="of-process").value(Secret("a", env="A")) == "of-process"
    found = plain(tmp_path)
    secrets = {name: Secret(name, env=name.upper()) for name in "abc"}
    assert found.values(secrets, "abc") == {"a": VALUE, "b": "line 1\nline 2", "c": "unquoted-1"}
    assert "there is no variable D" in refused(found, Secret("d", env="D"))
    with pytest.raises(XeneError, match="there is no Secret z"):
        found.values(secrets, ["z"])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_secrets_env_is_for_its_owner_alone(mode: int, tmp_path: Path) -> None:
    private(tmp_path / "secrets.env", f"A={VALUE}\n", mode)
    with pytest.raises(NotTrusted, match="mode") as caught:
        plain(tmp_path).value(Secret("a", env="A"))
    assert caught.value.exit_code == 8 and "chmod 0600" in caught.value.hint


@pytest.mark.parametrize("line", [f"A {VALUE}", f"A='{VALUE}", f'A="{VALUE}" x', f"1A={VALUE}"])
def test_a_line_that_is_none_is_named_by_its_number(line: str) -> None:
    with pytest.raises(XeneError) as caught:
        parse(f"\nA=b\n{line}\n".encode(), "f")
    assert "f:3" in caught.value.message and "horse" not in caught.value.message + caught.value.hint


def test_files_only_where_they_are_allowed(tmp_path: Path) -> None:
    inside = private(tmp_path / "in" / "token", VALUE + "\n")
    outside = private(tmp_path / "out" / "token", VALUE)
    (tmp_path / "in" / "link").symlink_to(outside)
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    found = plain(tmp_path, Allow((f"{tmp_path}/alias/*",)))
    assert found.value(Secret("a", file=str(inside))) == VALUE
    assert found.value(Secret("a", file=str(tmp_path / "alias" / "token"))) == VALUE
    for path in (outside, tmp_path / "in" / "link", tmp_path / "in" / ".." / "out" / "token"):
        assert "config.yaml" in refused(found, Secret("b", file=str(path)), NotTrusted)
    assert "No such file" in refused(found, Secret("c", file=str(tmp_path / "in" / "none")))
    os.mkfifo(tmp_path / "in" / "pipe")
    assert "plain file" in refused(found, Secret("d", file=str(tmp_path / "in" / "pipe")))


def test_globs(tmp_path: Path) -> None:
    allow = Allow(("/a/*/c", "/deep/**/x", "/all/**"))
    assert [allow.covers(path) for path in ("/a/b/c", "/deep/x", "/deep/1/2/x", "/all/1/2")] == [True] * 4
    assert [allow.covers(path) for path in ("/a/b/d/c", "/a/c", "/deep/1", "/alle/1")] == [False] * 4


def test_commands_only_where_they_are_allowed(tmp_path: Path) -> None:
    words = ("printf", "%s\n", VALUE)
    assert "config.yaml" in refused(plain(tmp_path), Secret("a", command=words), NotTrusted)
    assert plain(tmp_path, Allow((), ("printf",))).value(Secret("a", command=words)) == VALUE
    by_path = Allow((), ("/usr/bin/printf",))
    assert plain(tmp_path, by_path).value(Secret("a", command=("/usr/bin/printf", VALUE))) == VALUE
    told = refused(
        plain(tmp_path, Allow((), ("sh",))), Secret("a", command=("sh", "-c", f"echo {VALUE} >&2; exit 3"))
    )
    assert "exit code 3" in told and VALUE not in told


def test_a_command_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xene.secrets.sources.SECONDS", 0.3)
    found = plain(tmp_path, Allow((), ("sh",)))
    for script in ("exec sleep 60", "sleep 60 & echo 12345678", "exec >&-; exec sleep 60"):
        assert "took longer" in refused(found, Secret("a", command=("sh", "-c", script)))


@pytest.mark.parametrize(
    ("value", "says"),
    [("", "empty"), ("1234567", "too short"), ("1234567\n", "too short"), ("x" * 65537, "64 KiB")],
)
def test_what_is_no_secret(value: str, says: str, tmp_path: Path) -> None:
    assert says in refused(plain(tmp_path, A=value), Secret("a", env="A"))


def test_one_newline_goes(tmp_path: Path) -> None:
    assert plain(tmp_path, A="12345678\n\n").value(Secret("a", env="A")) == "12345678\n"
    path = private(tmp_path / "binary", "")
    path.write_bytes(b"\xff" * 9)
    assert "not text" in refused(plain(tmp_path, Allow((str(path),))), Secret("a", file=str(path)))


def test_sealed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    armour = seal.seal(str(home), VALUE + "\n")
    assert VALUE not in armour
    assert plain(home).value(Secret("a", age=armour)) == VALUE
    identity = home / "identity.age"
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600 and stat.S_IMODE(home.stat().st_mode) == 0o700
    assert "xene secret seal a" in refused(plain(tmp_path / "other"), Secret("a", age=armour))
    seal.seal(str(tmp_path / "third"), VALUE)
    assert "cannot be opened" in refused(plain(tmp_path / "third"), Secret("a", age=armour))
    identity.chmod(0o644)
    with pytest.raises(NotTrusted):
        plain(home).value(Secret("a", age=armour))
    identity.chmod(0o600)
    identity.write_text("nothing")
    with pytest.raises(NotTrusted, match="holds no age identity"):
        seal.seal(str(home), VALUE)


def test_config(tmp_path: Path) -> None:
    assert settings(str(tmp_path)) == {}
    text = "allow: {files: [/run/secrets/*], commands: [pass]}\nsmtp: {host: mail, from: a@b.c, secretRef: mail}\n"
    path = private(tmp_path / "config.yaml", text, 0o644)
    assert settings(str(tmp_path))["smtp"]["secretRef"] == "mail"
    path.write_text("allow: {file: [/x]}\n")
    with pytest.raises(InvalidManifest, match=r"config.yaml:1:9: unknown-key"):
        settings(str(tmp_path))
    path.chmod(0o666)
    with pytest.raises(NotTrusted):
        sources(str(tmp_path)).value(Secret("a", file="/x/y"))
