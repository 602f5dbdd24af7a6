"""`xene run FILE`: on the spot, no state, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.commands.terminal import ROOT, Terminal, on_a_terminal
from xene.commands.run_file import file_of

HELLO = str(ROOT / "examples" / "workflows" / "hello.yaml")


def workflow(directory: Path, script: str, name: str = "one") -> str:
    path = directory / f"{name}.yaml"
    path.write_text(
        "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: one}\nspec:\n  pipelines:\n"
        "    a: {tasks: {t: {steps: [{name: s, run: SCRIPT}]}}}\n".replace("SCRIPT", f"'{script}'")
    )
    return str(path)


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("a.yaml", ("a.yaml", None)),
        ("d/a.yml:p", ("d/a.yml", "p")),
        ("a.YAML", ("a.YAML", None)),
        ("shop", None),
        ("shop/build", None),
        ("yaml", None),
    ],
)
def test_what_is_a_file(target: str, parts: tuple[str, str | None] | None) -> None:
    assert file_of(target) == parts


def test_it_follows_on_stderr_and_leaves_no_state(xene: Terminal) -> None:
    ended = xene("run", HELLO, "-p", "who=Ada", code=0)
    assert ended.out == "" and "greet/say | Hello, Ada, from " in ended.err
    assert "Success" in ended.err.splitlines()[-1] or "greet/say" in ended.err.splitlines()[-1]
    assert not xene.home.exists()


def test_json_is_the_ended_runs_alone(xene: Terminal) -> None:
    ended = xene("run", HELLO, "-q", "-o", "json", code=0)
    assert ended.err == ""
    (run,) = ended.json
    assert run["phase"] == "Success" and run["tasks"]["look"]["outputs"]["host"]


def test_a_failing_step_is_exit_1_and_says_its_code(xene: Terminal) -> None:
    path = workflow(xene.cwd, "exit 3")
    ended = xene("run", path, "-o", "json", code=1)
    step = ended.json[0]["tasks"]["t"]["steps"][0]
    assert (step["phase"], step["exitCode"]) == ("Error", 3)
    assert "Error" in xene("run", path, "-q", code=1).err


def test_one_pipeline_of_a_file(xene: Terminal) -> None:
    path = str(ROOT / "examples" / "workflows" / "backup.yaml")
    (run,) = xene("run", f"{path}:mail", "-q", "-o", "json", code=0).json
    assert run["pipeline"] == "mail"
    assert "did you mean mail" in xene("run", f"{path}:mial", code=4).err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nothing.yaml"], 4, "no such file"),
        ([HELLO, "-p", "who=Ada", "-p", "hwo=x"], 2, "who"),
        ([HELLO, "-p", "who"], 2, "write -p NAME=VALUE"),
        ([HELLO, "-p", "who=1;2"], 2, "who"),
        ([HELLO, "--timeout", "1s"], 2, "always waited for"),
    ],
)
def test_wrong_words(words: list[str], code: int, says: str, xene: Terminal) -> None:
    ended = xene("run", *words, code=code)
    assert says in ended.err and ended.out == "" and "Traceback" not in ended.err


def test_a_bad_manifest_is_exit_3_with_all_problems(xene: Terminal) -> None:
    path = workflow(xene.cwd, "true").replace(".yaml", "-bad.yaml")
    Path(path).write_text("apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: x}\nspec: {pipelins: {}}\n")
    ended = xene("run", path, code=3)
    assert "unknown-key" in ended.err and ended.out == ""


def test_ctrl_c_cancels(xene: Terminal) -> None:
    path = workflow(xene.cwd, "echo begun; sleep 60")
    words = xene.command("run", path)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=xene.environment()
    ) as process:
        assert process.stderr
        while "t/s | begun" not in (line := process.stderr.readline()):
            assert line, "it ended before it began"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert "cancelling; Ctrl-C again kills" in rest and "Cancelled" in rest and "Traceback" not in rest


def test_ctrl_c_on_a_terminal_says_what_it_does_above_the_tree(xene: Terminal) -> None:
    command = xene.command("run", workflow(xene.cwd, "echo begun; sleep 60"))
    code, shown = on_a_terminal(command, xene.environment(), b"\x03", after="begun")
    assert code == 130 and "cancelling; Ctrl-C again kills\r\n" in shown


def test_each_line_names_its_pipeline_where_there_are_several(xene: Terminal) -> None:
    path = xene.cwd / "many.yaml"
    tasks = "{tasks: {t: {steps: [{name: s, run: echo said}]}}}"
    path.write_text(
        "apiVersion: xene/v1\nkind: Workflow\nmetadata: {name: many}\nspec:\n  pipelines:\n"
        + "".join(f"    {name}: {tasks}\n" for name in "abcdef")
    )
    said = [line for line in xene("run", str(path), code=0).err.splitlines() if line.endswith("| said")]
    assert sorted(said) == [f"{name}:t/s | said" for name in "abcdef"]


def test_on_a_terminal_there_is_a_tree(xene: Terminal) -> None:
    code, shown = on_a_terminal(xene.command("run", HELLO), xene.environment())
    assert code == 0 and "✓" in shown and "greet/say | " in shown and "Traceback" not in shown
    code, shown = on_a_terminal(xene.command("run", HELLO, "--no-color"), xene.environment())
    assert code == 0 and "\x1b[32m" not in shown and "\x1b[36m" not in shown


def test_a_log_cannot_steer_the_terminal(xene: Terminal) -> None:
    path = workflow(xene.cwd, 'printf "\\033[31mred\\033[0m\\033]0;title\\007\\n"')
    code, shown = on_a_terminal(xene.command("run", path), xene.environment())
    assert code == 0 and "red" in shown and "\x1b]0;" not in shown and "\\x1b]0;title\\x07" in shown
