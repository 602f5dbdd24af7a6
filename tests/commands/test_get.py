"""`get`, `describe` and completion over a real state: forms, filters, names, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from tests.commands.terminal import Terminal
from xene import cli
from xene.model import codec
from xene.store import db, fires, objects, runs

IDS = ("20261123-023000-aaaaaaaa", "20261123-023100-bbbbbbbb")
ALPHA = {
    "apiVersion": "xene/v1",
    "kind": "Workflow",
    "metadata": {"name": "alpha", "labels": {"team": "web"}},
    "spec": {
        "pipelines": {
            "one": {"tasks": {"t": {"steps": [{"name": "s", "run": "true"}]}}},
            "two": {"tasks": {"t": {"steps": [{"name": "s", "run": "true"}]}}},
        }
    },
}
BETA = {**ALPHA, "metadata": {"name": "beta"}}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[str]:
    """Two workflows, two runs of alpha/one."""
    path = str(tmp_path / "state.db")
    with db.open_state(path) as opened, opened.transaction() as conn:
        for thing in (ALPHA, BETA):
            labels = thing["metadata"].get("labels", {})  # type: ignore[attr-defined]
            name, text = thing["metadata"]["name"], json.dumps(thing)  # type: ignore[index]
            objects.put(
                conn,
                1.0,
                "Workflow",
                name,
                source="test",
                labels=labels,
                revision=codec.digest(thing),
                text=text,
            )
        spec = codec.executable_spec(ALPHA, "one")
        revision = objects.put_revision(conn, 1.0, spec)
        for number, run in enumerate(IDS):
            fires.create(conn, 2.0 + number, f"fire-{number}", "alpha", "manual", {})
            runs.create(
                conn, 2.0 + number, run, fire=f"fire-{number}", workflow="alpha", pipeline="one",
                revision=revision, spec=spec, agent="local", trigger="manual", params={},
            )  # fmt: skip
        runs.end(conn, 9.0, IDS[0], "AgentLost", "gone", log="gone")
    yield path


def xene(capsys: pytest.CaptureFixture[str], state: str, *words: str, code: int = 0) -> tuple[str, str]:
    assert cli.main(["--state", state, *words]) == code, capsys.readouterr()
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_forms(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = xene(capsys, state, "get", "workflows")
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "alpha", "beta"] and err == ""
    out, _ = xene(capsys, state, "get", "workflow", "-o", "json")
    assert [row["name"] for row in json.loads(out)] == ["alpha", "beta"]
    out, _ = xene(capsys, state, "get", "wf", "beta", "-o", "json")
    assert json.loads(out)["name"] == "beta"
    out, _ = xene(capsys, state, "get", "wf", "beta", "-o", "yaml")
    assert out.startswith("name: beta\n")
    out, _ = xene(capsys, state, "get", "runs", "-o", "name")
    assert out.splitlines() == [f"run/{IDS[1]}", f"run/{IDS[0]}"]
    out, _ = xene(capsys, state, "get", "wf", "-o", "wide")
    assert "team=web" in out


def test_filters(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*words: str) -> list[str]:
        return xene(capsys, state, "get", *words, "-o", "name")[0].split()

    assert names("wf", "-l", "team=web") == ["workflow/alpha"]
    assert names("pl", "-l", "team!=web") == ["pipeline/beta/one", "pipeline/beta/two"]
    assert names("runs", "--phase", "queued") == [f"run/{IDS[1]}"]
    assert names("runs", "--outcome", "error") == [f"run/{IDS[0]}"]
    assert names("runs", "--limit", "1") == [f"run/{IDS[1]}"]
    assert len(names("runs", "--limit", "0")) == 2
    assert names("runs", "--since", "1970-01-01T00:00:02.5Z") == [f"run/{IDS[1]}"]
    assert names("runs", "--since", "1h") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "runs", "--phase", "Runing"], "did you mean 'Running'"),
        (["get", "runs", "--outcome", "good"], "there are success, error"),
        (["get", "agents", "--since", "1h"], "agents cannot be listed by since"),
        (["get", "wf", "--phase", "Ready"], "workflows cannot be listed by phase"),
        (["get", "runs", "--since", "yesterday"], "neither a duration nor a time"),
        (["get", "runs", "--since", "2026-11-23T02:30:00"], "has no offset"),
        (["get", "workfows"], "did you mean 'workflows'"),
        (["get", "wf", "-l", "a in b"], "hint:"),
        (["describe", "evnt", "x"], "did you mean 'event'"),
    ],
)
def test_wrong_filters_are_refused(
    words: list[str], says: str, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = xene(capsys, state, *words, code=2)
    assert says in err and out == ""


@pytest.mark.parametrize("name", [IDS[1], IDS[1][:16], "alpha/one"])
def test_a_run_by_any_name(name: str, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(xene(capsys, state, "get", "run", name, "-o", "json")[0])["id"] == IDS[1]


def test_what_is_not_there_is_exit_4(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["wf", "alpa"], ["pl", "alpha/on"], ["run", "2027"], ["agents", "nobody"]):
        out, err = xene(capsys, state, "get", *words, code=4)
        assert out == "" and err.startswith("error: ") and "hint: " in err
    assert "did you mean 'alpha'?" in xene(capsys, state, "get", "wf", "alpa", code=4)[1]


def test_no_state_reads_as_empty_and_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "none" / "state.db")
    for kind in ("workflows", "pipelines", "runs", "agents", "events"):
        assert xene(capsys, path, "get", kind, "-o", "json") == ("[]\n", "")
        assert xene(capsys, path, "get", kind) == ("", f"no {kind}\n")
        assert xene(capsys, path, "-q", "get", kind) == ("", "")
    assert not (tmp_path / "none").exists()


def test_describe(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = xene(capsys, state, "describe", "workflow", "alpha")
    assert "Pipeline one" in out and "Last runs" in out
    out, _ = xene(capsys, state, "describe", "pipeline", "alpha/one")
    assert IDS[1] in out
    out, _ = xene(capsys, state, "describe", "run", IDS[0])
    assert "AgentLost" in out
    data = json.loads(xene(capsys, state, "describe", "run", IDS[0], "-o", "json")[0])
    assert data["id"] == IDS[0] and data["events"][0]["name"] == IDS[0]
    xene(capsys, state, "describe", "agent", "nobody", code=4)


def test_events_of_one_object(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (IDS[0], f"run/{IDS[0]}"):
        data = json.loads(xene(capsys, state, "get", "events", name, "-o", "json")[0])
        assert {(row["kind"], row["name"]) for row in data} == {("Run", IDS[0])}
    assert json.loads(xene(capsys, state, "get", "events", "wf/zzz", "-o", "json")[0]) == []
    assert f"Name:     {IDS[0]}" in xene(capsys, state, "describe", "event", IDS[0])[0]
    assert json.loads(xene(capsys, state, "describe", "events", f"run/{IDS[0]}", "-o", "json")[0])
    xene(capsys, state, "describe", "event", "zzz", code=4)


def test_watch_prints_what_changes(state: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", tmp_path)
    words = terminal.command("--state", state, "get", "runs", "-w", "-o", "json")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=terminal.environment()
    ) as process:
        assert process.stdout and process.stderr
        first = [json.loads(process.stdout.readline())["id"] for _ in IDS]
        assert first == list(IDS)
        with db.open_state(state) as opened, opened.transaction() as conn:
            runs.end(conn, 10.0, IDS[1], "AgentLost", "gone", log="gone")
        changed = json.loads(process.stdout.readline())
        assert (changed["id"], changed["phase"]) == (IDS[1], "Error")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130 and "Traceback" not in process.stderr.read()


def test_a_watch_ends_with_its_reader(state: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home", tmp_path)
    words = terminal.command("--state", state, "get", "runs", "-w", "-o", "name")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=terminal.environment()
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == f"run/{IDS[0]}\n"
        process.stdout.close()
        assert process.wait(30) == cli.BROKEN_PIPE and process.stderr.read() == ""


def complete(tmp_path: Path, state: str, line: str) -> list[str]:
    terminal = Terminal(tmp_path / "home", tmp_path)
    words = line.split(" ")
    ended = terminal(
        _XENE_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), XENE_STATE=state
    )
    assert ended.err == ""
    return ended.out.split()


def test_names_are_completed_from_the_state(state: str, tmp_path: Path) -> None:
    assert complete(tmp_path, state, "xene get work") == ["workflows"]
    assert complete(tmp_path, state, "xene get workflows al") == ["alpha"]
    assert complete(tmp_path, state, "xene describe run 2026") == [IDS[1], IDS[0]]
    assert complete(tmp_path, state, "xene describe pipeline beta/") == ["beta/one", "beta/two"]
    assert complete(tmp_path, str(tmp_path / "none.db"), "xene get workflows al") == []
    (tmp_path / "broken.db").write_text("not a database" * 100)
    assert complete(tmp_path, str(tmp_path / "broken.db"), "xene get workflows al") == []


def test_why(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = xene(capsys, state, "why", "pipeline/alpha/one")
    assert out.startswith("pipeline alpha/one is NotScheduled") and err == ""
    assert xene(capsys, state, "why", "wf/alpha")[0].startswith("workflow alpha: 0 of 2")
    assert xene(capsys, state, "why", "run/alpha/one")[0].startswith(f"run {IDS[1]} of alpha/one is Queued")
    assert xene(capsys, state, "why", f"run/{IDS[0]}")[0].startswith(f"run {IDS[0]} of alpha/one is Error")
    assert xene(capsys, state, "why", "agent/local")[0].startswith("agent local is ")
    data = json.loads(xene(capsys, state, "why", "run/alpha/one", "-o", "json")[0])
    assert data["kind"] == "run" and data["phase"] == "Queued" and len(data["lines"]) > 1
    xene(capsys, state, "why", "run/zzz", code=4)
    xene(capsys, state, "why", "alpha", code=2)
    xene(capsys, state, "why", "event/x", code=2)
