"""`agent trust` over a real sshd where there is one; what it refuses without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal, on_a_terminal
from tests.hosts import sshd_hosts
from xene import cli
from xene.commands import agent_trust
from xene.errors import NotTrusted
from xene.store import agents, db, objects
from xene.transport.hostkeys import HostKey

KEY = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIJ0d0Yr1bZ2ZpXo6mY3nq1q4r9l0v5n2s8k7j6h5g4f3")


def declare(path: Path, name: str, spec: dict[str, object]) -> str:
    thing = {"apiVersion": "xene/v1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}
    with db.open_state(str(path)) as state, state.transaction() as conn:
        objects.put(conn, 1.0, "Agent", name, source="t", labels={}, revision="r", text=json.dumps(thing))
    return str(path)


def test_only_the_right_fingerprint_is_agreed_to() -> None:
    agent_trust.agree("a", KEY, KEY.fingerprint)
    agent_trust.agree("a", KEY, KEY.fingerprint.removeprefix("SHA256:") + "=")
    with pytest.raises(NotTrusted, match="not SHA256:other"):
        agent_trust.agree("a", KEY, "SHA256:other")


def test_without_a_terminal_nothing_is_asked_and_nothing_trusted() -> None:
    with pytest.raises(NotTrusted) as caught:
        agent_trust.agree("a", KEY, None)
    assert caught.value.hint.endswith(f"--fingerprint {KEY.fingerprint}")


def test_it_is_written_down(tmp_path: Path) -> None:
    path = declare(tmp_path / "state.db", "a", {"ssh": {"host": "h"}})
    agent_trust.accept(path, "a", KEY)
    with db.open_for_reading(path) as state:
        found = agents.read(state.conn, "a")
        assert found and found.trusted == (str(KEY),)


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        ({"local": {}}, 2, "no key to trust"),
        ({"ssh": {"host": "h", "hostKey": str(KEY)}}, 7, "pins its host key"),
        ({"ssh": {"host": "127.0.0.1", "port": 1, "user": "u"}}, 5, "127.0.0.1"),
    ],
)
def test_what_cannot_be_trusted(
    spec: dict[str, object], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = declare(tmp_path / "state.db", "a", spec)
    assert cli.main(["--state", path, "agent", "trust", "a"]) == code
    printed = capsys.readouterr()
    assert says in printed.err and printed.out == ""
    assert cli.main(["--state", path, "agent", "trust", "b"]) == 4


def test_over_a_real_host(tmp_path: Path) -> None:
    with sshd_hosts(tmp_path, 1) as hosts:
        (tmp_path / "user").mkdir()
        xene = Terminal(tmp_path / "home", tmp_path, {"HOME": str(tmp_path / "user")})
        manifest = hosts[0].agent_manifest("a").replace(f', "hostKey": "{hosts[0].host_key}"', "")
        assert "hostKey" not in manifest
        (tmp_path / "a.yaml").write_text(manifest)
        applied = xene("apply", "a.yaml", code=5)
        assert "Untrusted" in applied.err and "xene agent trust a" in applied.err
        refused = xene("agent", "trust", "a", code=8)
        fingerprint = refused.err.split("--fingerprint ")[1].strip()
        assert fingerprint.startswith("SHA256:") and refused.out == ""
        xene("agent", "trust", "a", "--fingerprint", "SHA256:" + "A" * 43, code=8)
        code, shown = on_a_terminal(xene.command("agent", "trust", "a"), xene.environment(), b"n\n")
        assert code == 8 and fingerprint in shown
        assert xene("get", "agent", "a", "-o", "json", code=0).json["phase"] == "Untrusted"
        code, shown = on_a_terminal(xene.command("agent", "trust", "a"), xene.environment(), b"y\n")
        assert code == 0 and "is trusted now" in shown
        assert "agent a is Ready" in shown
        assert xene("get", "agent", "a", "-o", "json", code=0).json["phase"] == "Ready"
        again = xene("agent", "trust", "a", "-o", "json", code=0)
        assert again.json == {
            "agent": "a",
            "type": "ssh-ed25519",
            "fingerprint": fingerprint,
            "trusted": True,
        }
