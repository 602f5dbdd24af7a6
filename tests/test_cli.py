"""The command line's door: help, usage errors, and every error turned into one exit code."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.terminal import Terminal
from xene import __version__, cli, errors
from xene.commands import crash, parser
from xene.commands.table import table


@pytest.fixture
def xene(tmp_path: Path) -> Terminal:
    return Terminal(home=tmp_path / "home", cwd=tmp_path, anew=True)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls in this process leave nothing in the user's home either."""
    monkeypatch.setenv("XENE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XENE_STATE", raising=False)


def paths(rows: parser.Table, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command as the words that call it."""
    out = []
    for name, entry in rows.items():
        out.append((*before, name))
        if isinstance(entry, parser.Branch):
            out += paths(entry.verbs, (*before, name))
    return out


def test_version_is_quick_and_alone_on_stdout(xene: Terminal) -> None:
    for words in (["version"], ["--version"]):
        ended = xene(*words, code=0)
        assert (ended.out, ended.err) == (f"xene {__version__}\n", "")


def test_version_imports_no_typer(xene: Terminal) -> None:
    code = "import sys; from xene.cli import main; main(['version']); "
    code += "print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=xene.environment(), check=True
    )
    heavy = {"typer", "click", "rich", "paramiko", "ruamel", "sqlite3", "jsonschema", "pydantic"}
    assert not heavy & set(eval(done.stdout.splitlines()[-1]))


def test_no_words_show_help_and_touch_nothing(xene: Terminal) -> None:
    ended = xene(code=0)
    assert "Usage: xene" in ended.out and "apply" in ended.out and ended.err == ""
    assert not xene.home.exists()


@pytest.mark.parametrize("words", paths(table()), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--help"]) == 0
    printed = capsys.readouterr()
    assert f"Usage: xene {' '.join(words)}" in printed.out and printed.err == ""


def test_summaries_fit_a_help_page() -> None:
    for words in paths(table()):
        entry: object = table()[words[0]]
        for word in words[1:]:
            entry = entry.verbs[word]  # type: ignore[attr-defined]
        assert len(entry.summary) < 62, words  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["vresion"], "no such command: vresion", "did you mean 'version'?"),
        (["agent", "trsut"], "no such command: trsut", "did you mean 'trust'?"),
        (["version", "--stat", "x"], "no such option: --stat", "did you mean --state?"),
        (["--verbos", "version"], "no such option: --verbos", "did you mean --verbose?"),
        (["schema"], "missing argument 'KIND'", "'xene schema --help' lists what it takes"),
        (["version", "-o", "xml"], "-o xml is not known here", "use one of table, json, yaml"),
        (
            ["schema", "Workflow", "-o", "json"],
            "no such option: -o",
            "'xene schema --help' lists what it takes",
        ),
        (["-o", "json", "schema", "Workflow"], "'xene schema' prints no objects, so it takes no -o", ""),
        (["schema", "Workfow"], "no such kind of manifest: Workfow", "did you mean 'Workflow'?"),
    ],
)
def test_wrong_words_are_exit_2(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: {message}\n" + (f"hint: {hint}\n" if hint else "")


def test_common_options_before_and_after_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--state", "/tmp/a.db", "-o", "json", "version"]) == 0
    assert '"state": "/tmp/a.db"' in capsys.readouterr().out
    assert (
        cli.main(["-o", "json", "--state", "/tmp/a.db", "version", "-o", "yaml", "--state", "/tmp/b.db"]) == 0
    )
    assert "state: /tmp/b.db\n" in capsys.readouterr().out


def test_the_state_by_environment(xene: Terminal) -> None:
    assert xene("version", "-o", "json", XENE_STATE="/tmp/c.db").json["state"] == "/tmp/c.db"
    assert xene("version", "-o", "json").json["state"] == str(xene.home / "state.db")
    moved = xene("version", "-o", "json", XENE_HOME="", XDG_STATE_HOME="/tmp/xdg").json
    assert moved["home"] == "/tmp/xdg/xene"


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code of a command that raises `error`."""

    def dispatch(words: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    return cli.main(["get", "runs"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Usage("x"), 2),
        (errors.InvalidManifest("x"), 3),
        (errors.NotFound("x"), 4),
        (errors.Unplaceable("x"), 5),
        (errors.Unreachable("x"), 5),
        (errors.TimedOut("x"), 6),
        (errors.Conflict("x"), 7),
        (errors.NotTrusted("x"), 8),
        (errors.Storage("x"), 74),
        (errors.Detached("x"), 130),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 74),
        (OSError(errno.ENOSPC, "full", "/some/file"), 74),
        (PermissionError(errno.EACCES, "no", "/some/file"), 8),
        (sqlite3.DatabaseError("malformed"), 74),
    ],
)
def test_errors_have_their_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(monkeypatch, error) == code
    printed = capsys.readouterr()
    assert printed.out == "" and "Traceback" not in printed.err and len(printed.err.splitlines()) <= 2


def test_a_message_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, errors.NotFound("no \x1b[2Jworkflow \u202e", hint="\x07ring"))
    assert capsys.readouterr().err == "error: no \\x1b[2Jworkflow \\u202e\nhint: \\x07ring\n"


def test_a_bug_leaves_a_private_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XENE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    old = os.umask(0)
    try:
        assert raising(monkeypatch, ValueError("odd: hunter2hunter2")) == 70
    finally:
        os.umask(old)
    printed = capsys.readouterr().err
    found = re.search(r"a report is in (\S+)", printed)
    assert found and "Traceback" not in printed and "hunter2" not in printed
    report = Path(found.group(1))
    assert report.parent == tmp_path / "home" / "crashes"
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert (
        stat.S_IMODE(report.parent.stat().st_mode)
        == stat.S_IMODE((tmp_path / "home").stat().st_mode)
        == 0o700
    )
    text = report.read_text()
    assert "Traceback" in text and "odd: ***" in text and "hunter2" not in text


def test_a_report_goes_to_the_temporary_directory_where_home_cannot_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XENE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert Path(crash.write(ValueError("x"), [])).parent == tmp_path


def test_a_report_has_no_params() -> None:
    text = crash.report(ValueError("x"), ["run", "shop", "-p", "password=geheim", "-ptoken=geheim", "--yes"])
    assert "geheim" not in text and "password=***" in text and "-ptoken=***" in text and "--yes" in text


@pytest.mark.parametrize("words", [("schema", "Workflow"), ("--help",), ("get", "--help"), ()])
def test_a_reader_that_leaves_is_no_error(words: tuple[str, ...], xene: Terminal) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        xene.command(*words),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=xene.environment(),
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (cli.BROKEN_PIPE, "")


def test_completion_offers_commands_without_a_state(xene: Terminal) -> None:
    ended = xene(_XENE_COMPLETE="complete_bash", COMP_WORDS="xene va", COMP_CWORD="1")
    assert ended.out.split() == ["validate"]
    assert not xene.home.exists()


def shell(xene: Terminal, line: str, **env: str) -> tuple[int, str, str]:
    """Run a line of sh in which `xene` is the command."""
    words = "xene() { " + " ".join(xene.command()) + ' "$@"; }; ' + line
    done = subprocess.run(
        ["sh", "-c", words],
        capture_output=True,
        env=xene.environment(**env),
        cwd=xene.cwd,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def test_a_full_disk_is_74_and_no_traceback(xene: Terminal) -> None:
    code, _, err = shell(xene, "xene schema Workflow > /dev/full")
    assert code == 74 and "No space left" in err and "Traceback" not in err and "Exception ignored" not in err


def test_a_message_that_cannot_be_written_leaves_the_exit_code_as_it_is(xene: Terminal) -> None:
    assert shell(xene, "xene get nothing-of-the-kind 2> /dev/full")[0] == 2
    assert shell(xene, "xene get run nothing > /dev/full 2> /dev/full")[0] == 4


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_bug(redirection: str, xene: Terminal) -> None:
    code, _, err = shell(xene, f"xene explain workflow {redirection}")
    assert (code, err) == (0, "")
    code, _, err = shell(xene, f"xene get run nothing {redirection}")
    assert code == 4 and "bug" not in err


def test_other_encodings(xene: Terminal) -> None:
    code, out, err = shell(
        xene, "xene validate \"$(printf 'na\\377me\\303\\251')\"", PYTHONIOENCODING="ascii"
    )
    assert code == 4 and "Traceback" not in err and "bug" not in err and out == ""
    code, out, _ = shell(xene, "xene schema Workflow", PYTHONIOENCODING="ascii")
    assert code == 0 and out.isascii()


def test_a_damaged_state_is_74(xene: Terminal) -> None:
    (xene.cwd / "bad.db").write_text("this is no database\n" * 1000)
    for words in (["get", "runs"], ["run", "x"], ["reconcile"], ["wait", "x"]):
        ended = xene(*words, "--state", "bad.db", code=74)
        assert ended.out == "" and "bad.db" in ended.err and "hint:" in ended.err
