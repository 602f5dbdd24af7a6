"""The command that is run on a host: its text, without a host."""

import json
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hosts import agent_python
from xene.transport import bootstrap

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def line(**changes):
    fields = {"python": "python3", "home": "~/.xene", "state": "s", "agent": "a", "sha": "0" * 64, "size": 7}
    return bootstrap.command(**{**fields, **changes})


def test_the_program_has_nothing_that_a_shell_would_touch():
    packed = shlex.split(line())[4]
    assert packed == f"exec({json.dumps(bootstrap.PROGRAM)})"
    assert not set(packed) & set("'!")
    assert "\n" not in packed
    assert "\\" not in bootstrap.PROGRAM
    assert packed.isascii()


def test_the_command():
    words = shlex.split(line())
    assert words[:4] == ["python3", "-I", "-S", "-c"]
    assert words[5:] == ["~/.xene", "0" * 64, "7", "--state", "s", "--agent", "a", "--python", "python3"]


@given(home=TEXT, state=TEXT, agent=TEXT, python=TEXT.filter(lambda text: not text.startswith("~/")))
def test_data_stays_data(home, state, agent, python):
    words = shlex.split(line(home=home, state=state, agent=agent, python=python))
    assert words[0] == words[-1] == python
    assert [words[5], words[9], words[11]] == [home, state, agent]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "nasty", [*"'\"\\$`;&|<>(){}[]*?#~!^%@=:, \t\n", "$(id)", "a'b\"c", "-x", "\U0001f600", ""]
)
def test_a_real_shell_passes_it_unharmed(tmp_path, shell, nasty):
    program = tmp_path / "print arguments"
    program.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    program.chmod(0o755)
    command = line(python=str(program), home=nasty, agent=nasty)
    out = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=True).stdout.split(
        "\0"
    )
    assert out[:-1] == shlex.split(command)[1:]
    assert (out[4], out[10]) == (nasty, nasty)


def test_the_users_home_is_left_to_the_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my python").symlink_to("/bin/echo")
    command = line(python="~/my python")
    assert command.startswith("~/'my python' -I")
    out = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert out.startswith("-I -S -c")


def test_it_runs_under_the_oldest_python(tmp_path):
    """Without an upload: it asks for the bytes, and says what is wrong when none come."""
    command = line(python=agent_python(), home=str(tmp_path / "home"))
    done = subprocess.run(["sh", "-c", command], input="", capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.encode() == bootstrap.SEND
    assert done.stderr == "xene-agent: UploadFailed: the connection ended during the upload\n"
    assert list((tmp_path / "home" / "agent").iterdir()) == []
