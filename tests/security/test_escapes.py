"""Nothing that a manifest, a host, an agent or a user says steers the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal, on_a_terminal
from tests.control.conftest import Host, agent, pipeline, workflow
from tests.instants import instant
from tests.security.test_rogue_agents import Rogue
from xene.commands import gc
from xene.commands.call import Call
from xene.control import reconcile as reconciling
from xene.control import sweeping
from xene.errors import NotTrusted
from xene.model import events as ev
from xene.model.agent import Ssh
from xene.transport import base, config, route

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x08\x7f\r\u202eevil\u2028\x00"
EVIL_ARG = EVIL.replace("\x00", "")
OURS = re.compile(
    r"\x1b\[[0-9;]*m|\r\n|\x1b\[\?25[lh]|\x1b\[\d*[AK]|\r"
)  # colours, and what redraws a live view
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
COMMANDS = [
    ("get", "agents"),
    ("get", "agents", "-o", "wide"),
    ("describe", "agent", "rogue"),
    ("why", "agent/rogue"),
    ("get", "agents", "-o", "json"),
    ("get", "runs"),
    ("get", "runs", "-o", "wide"),
    ("get", "runs", "-o", "yaml"),
    ("get", "runs", "-o", "json"),
    ("describe", "run", "{run}"),
    ("why", "{run}"),
    ("why", "shop/mine"),
    ("get", "events"),
    ("get", "events", "-o", "wide"),
    ("get", "pipelines"),
    ("describe", "workflow", "shop"),
    ("logs", "{run}"),
    ("logs", EVIL_ARG),
    ("run", EVIL_ARG),
    ("run", "shop", "-p", f"{EVIL_ARG}=1"),
    ("get", EVIL_ARG),
    ("describe", EVIL_ARG, "x"),
    ("describe", "run", EVIL_ARG),
    ("why", EVIL_ARG),
    ("cancel", EVIL_ARG),
    ("get", "runs", "-l", EVIL_ARG),
    (EVIL_ARG,),
    ("get", "runs", f"--{EVIL_ARG}"),
    ("validate", "{repo}"),
    ("apply", "--yes", "{repo}"),
    ("diff", "{repo}"),
    ("run", "{repo}/b.yaml"),
    ("explain", EVIL_ARG),
    ("doctor",),
    ("doctor", EVIL_ARG),
    ("backup", "{repo}/" + EVIL_ARG),
    ("--state", EVIL_ARG + "/x", "apply", "{repo}"),
]


def prepared(host: Host, tmp_path: Path) -> str:
    """A state in which a rogue agent has had its say everywhere; the id of its run."""
    host.fleet["rogue"] = rogue = Rogue("rogue")
    rogue.play, rogue.facts = "wait", {"cpus": 2, "hostname": EVIL, EVIL: EVIL}
    host.apply(workflow("shop", {"mine": pipeline("one", params={"n": {"type": "string", "default": EVIL}})}),
               agent("rogue", home=str(tmp_path / "agent")))  # fmt: skip
    (run,) = host.fire("shop").runs
    rogue.record(ev.task_started(instant(1002.0), run, "one", 1))
    rogue.record(ev.step_started(instant(1003.0), run, "one", "s1", 1, 1))
    rogue.record(ev.step_ended(1004.0, run, "one", "s1", 1, "Error", EVIL, EVIL, 3))
    rogue.record(ev.task_ended(1005.0, run, "one", 1, "Error", EVIL, EVIL, {EVIL: EVIL}))
    rogue.logs[run] = [("one", "s1", f"{EVIL}\n".encode())]
    rogue.end(run, "Error", EVIL)
    host.ended(run)
    rogue.first_words = [{"type": "refused", "code": EVIL, "message": EVIL}]
    reconciling.reconcile(host.place, open=host.open)
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / EVIL_ARG.replace("/", "")).with_suffix(".yaml").write_text(f"a: {{b: '{EVIL_ARG}'\n")
    (repo / "b.yaml").write_text(
        f'apiVersion: xene/v1\nkind: Workflow\nmetadata: {{name: "{json.dumps(EVIL)[1:-1]}"}}\n'
    )
    return run


def steering(shown: str) -> list[str]:
    return STEERS.findall(OURS.sub("", shown))


def test_no_command_prints_an_escape(host: Host, tmp_path: Path) -> None:
    run = prepared(host, tmp_path)
    xene = Terminal(home=tmp_path / "home", cwd=tmp_path, more={"HOME": str(tmp_path)})
    assert "MalformedReason" in xene("get", "runs", code=0).out
    found = {}
    for words in COMMANDS:
        argv = [word.format(run=run, repo=tmp_path / "repo") if "{" in word else word for word in words]
        if (
            words[0] != "logs" or words[1] == EVIL_ARG
        ):  # off a terminal a log is what the step wrote, byte by byte
            done = xene(*argv)
            found[words, "pipe"] = STEERS.findall(done.out + done.err) + re.findall("Traceback", done.err)
        _, shown = on_a_terminal(xene.command(*argv), xene.environment())
        found[words, "terminal"] = steering(shown) + re.findall("Traceback|evil.?\x1b\\[2J", shown)
    bad = {words: steers for words, steers in found.items() if steers}
    assert not bad, bad
    assert not (tmp_path / "agent").exists() and not (tmp_path / ".xene").exists()


def test_what_a_host_says_is_shown_harmless(host: Host, tmp_path: Path) -> None:
    """A banner, a complaint on stderr: they become the agent's message."""
    error = base.from_complaint("rogue", f"xene-agent: HomeUnusable: {EVIL_ARG}", NotTrusted("x"))
    host.fleet["rogue"].trouble = error
    host.apply(workflow("shop"), agent("rogue", home=str(tmp_path / "agent")))
    xene = Terminal(home=tmp_path / "home", cwd=tmp_path, more={"HOME": str(tmp_path)})
    for words in (
        ("get", "agents", "-o", "wide"),
        ("describe", "agent", "rogue"),
        ("why", "agent/rogue"),
        ("get", "events"),
    ):
        _, shown = on_a_terminal(xene.command(*words), xene.environment())
        assert "owned" in shown or words[0] == "get"
        assert steering(shown) == []


def test_what_a_host_says_it_has_freed_is_shown_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    swept = sweeping.Swept("rogue", sweeping._believed([{"what": EVIL, "count": 1, "bytes": 1}]), EVIL)
    gc.show(Call("/s"), [], [swept], dry=True)
    Call("/s", form="json").put_value(gc.as_value([], [swept], True))
    shown = capsys.readouterr()
    assert "owned" in shown.out and STEERS.findall(shown.out + shown.err) == []


# -- names on their way to a shell of this host


@pytest.mark.parametrize(
    "host_name",
    ["x;id", "x$(id)", "x`id`", "x|id", "x&id", "x\nid", "-oProxyCommand=id", "x id", "'x", "[x]"],
)
@pytest.mark.parametrize("line", ["ProxyCommand nc %h %p", 'Match exec "test -n %n"\n  Port 7'])
def test_a_name_that_a_shell_would_understand_never_reaches_one(
    tmp_path: Path, host_name: str, line: str
) -> None:
    (tmp_path / "config").write_text(line + "\n")
    with pytest.raises(NotTrusted) as caught:
        route.route(Ssh(host=host_name), files=(str(tmp_path / "config"),))
    assert caught.value.code == "SshConfigUnsafe"


def test_honest_names_do(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("ProxyCommand nc '%h' %p # %r\n")
    (hop,) = route.route(Ssh(host="build-1.example.com", user="a.b@c"), files=(str(tmp_path / "config"),))
    assert hop.proxy_command == "nc 'build-1.example.com' 22 # a.b@c"
    assert config.expand_command("%h", {"h": "fe80::1%eth0"}) == "fe80::1%eth0"
