"""`xene import crontab`: what it reads, what it prints, and that its jobs do what they did under cron."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.test_docs import blocks

CRONTABS = ROOT / "tests" / "manifest" / "crontabs"
REAL = sorted(
    str(path.relative_to(CRONTABS)) for path in CRONTABS.rglob("*") if path.suffix == "" and path.is_file()
)
ME = getpass.getuser()


@pytest.fixture(scope="module")
def host(control_host: Terminal) -> Terminal:
    return control_host


@pytest.mark.parametrize("name", REAL)
def test_a_real_one_is_printed_and_valid(name: str, host: Terminal) -> None:
    made = host("import", "crontab", str(CRONTABS / name), code=0)
    (host.cwd / "real.yaml").write_text(made.out)
    host("validate", "real.yaml", code=0)
    assert ("a user's crontab" if name == "sysstat-example" else "a system crontab") in made.out
    assert " pipeline" in made.err
    assert not host("import", "crontab", str(CRONTABS / name), "-q", code=0).err


def jobs(host: Terminal, text: str, name: str, *words: str) -> None:
    """Import a crontab from stdin and apply it as the workflow `name`."""
    made = host("import", "crontab", "-", *words, stdin=text, code=0).out
    (host.cwd / f"{name}.yaml").write_text(made.replace("name: crontab\n", f"name: {name}\n"))
    host("validate", f"{name}.yaml", code=0)
    host("apply", f"{name}.yaml", "--source", name, code=0)


def said(host: Terminal, pipeline: str, code: int = 0) -> str:
    host("run", pipeline, "--wait", code=code)
    return host("logs", pipeline, "job/run", code=0).out


def test_a_job_runs_as_under_cron(host: Terminal) -> None:
    """The shell, the directory, the variables, the input; no set -eu; and a failed command is not the end."""
    text = (
        "GREETING=good 'day'\n"
        '0 0 1 1 * pwd -P; false; echo "$UNSET$GREETING $SHELL $PATH"\n'
        "0 0 1 1 * tr a-z A-Z; cat%one%two \\% three\n"
        "SHELL=/bin/bash\n"
        "HOME=/\n"
        "0 0 1 1 * pwd; [[ x == x ]] && echo $SHELL\n"
    )
    jobs(host, text, "plain")
    here = os.path.realpath(os.path.expanduser("~"))
    assert said(host, "plain/pwd") == f"{here}\ngood 'day' /bin/sh /usr/bin:/bin\n"
    assert said(host, "plain/tr") == "ONE\nTWO % THREE\n"
    assert said(host, "plain/pwd-2") == "/\n/bin/bash\n"


def test_a_job_of_a_package_runs(host: Terminal) -> None:
    text = (CRONTABS / "cron.d" / "mdadm").read_text().replace(" root ", f" {ME} ")
    jobs(host, text, "mdadm", "--format", "system")
    assert said(host, "mdadm/checkarray") == ""
    (run,) = host("get", "runs", "-o", "json", "--limit", "1", code=0).json
    assert (run["workflow"], run["phase"]) == ("mdadm", "Success")


def test_what_was_another_users_is_not_run(host: Terminal) -> None:
    jobs(host, "0 0 1 1 * nobody-here touch must-not-be\n", "others", "--format", "system")
    assert f"cron ran this as nobody-here, and this agent is {ME}" in said(host, "others/touch", code=1)
    assert not Path("~/must-not-be").expanduser().exists()


def test_the_page_shows_what_is_printed(host: Terminal) -> None:
    """docs/from-cron.md: a crontab, and what becomes of it."""
    page = (ROOT / "docs" / "from-cron.md").read_text()
    before, after = (each for each in blocks(page) if each.startswith(("MAILTO", "# Made")))
    made = host(
        "import", "crontab", "-", stdin=after if before.startswith("#") else before, TZ="Europe/Berlin"
    )
    assert made.out.rstrip() == (before if before.startswith("#") else after).rstrip()


def test_pinned_to_an_agent(host: Terminal) -> None:
    made = host("import", "crontab", "-", "--agent", "web-1", stdin="0 * * * * x\n", code=0)
    assert "agent: web-1" in made.out and "web-1 must be declared" in made.err
    agent = "apiVersion: xene/v1\nkind: Agent\nmetadata: {name: web-1}\nspec: {local: {}}\n"
    (host.cwd / "pinned.yaml").write_text(f"{made.out}---\n{agent}")
    host("validate", "pinned.yaml", code=0)


def test_times_are_those_of_the_machine(host: Terminal) -> None:
    made = host("import", "crontab", "-", stdin="0 * * * * x\n", code=0, TZ="Asia/Tokyo").out
    assert "timeZone: Asia/Tokyo" in made and "Times are those of Asia/Tokyo" in made
    made = host("import", "crontab", "-", stdin="CRON_TZ=Europe/Paris\n0 * * * * x\n", code=0).out
    assert "timeZone: Europe/Paris" in made and "Times are" not in made


def test_whose_format_it_is(host: Terminal) -> None:
    line = "0 * * * * root backup\n"
    assert "a system crontab" in host("import", "crontab", "-", stdin=line, code=0).out
    assert "a user's crontab" in host("import", "crontab", "-", "--format", "user", stdin=line, code=0).out
    (host.cwd / "cron.d").mkdir()
    (host.cwd / "cron.d" / "x").write_text("0 * * * * nobody-here backup\n")
    assert "a system crontab" in host("import", "crontab", "cron.d/x", code=0).out
    assert "name: x\n" in host("import", "crontab", "cron.d/x", code=0).out


def test_without_a_file_it_is_the_users_own(host: Terminal, tmp_path: Path) -> None:
    program = tmp_path / "crontab"
    program.write_text('#!/bin/sh\n[ "$1" = -l ] && echo "0 5 * * * root-like thing"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert "# Line 1: 0 5 * * * root-like thing" in host("import", "crontab", code=0, PATH=path).out
    program.write_text("#!/bin/sh\necho 'no crontab for you' >&2; exit 1\n")
    assert "no crontab for you" in host("import", "crontab", code=4, PATH=path).err
    program.unlink()
    assert "there is no program crontab" in host("import", "crontab", code=4, PATH=str(tmp_path)).err


def test_lines_that_are_not_kept_are_named(host: Terminal) -> None:
    made = host("import", "crontab", "-", stdin="@reboot x\n0 0 * * * y\nnonsense\n", code=0)
    assert "1 pipeline from 3 lines" in made.err and "not kept, as the comments say: 1, 3" in made.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["none"], 4, "none: No such file or directory"),
        (["."], 4, "Is a directory"),
        (["bad"], 2, "bad: line 2 is not UTF-8"),
        (["nul"], 2, "it holds NUL"),
        (["large"], 2, "larger than a crontab can be"),
        (["-", "--agent", "Web_1"], 2, "cannot name an agent"),
        (["-", "--format", "vixie"], 2, "--format is user or system"),
    ],
)
def test_what_is_refused(words: list[str], code: int, told: str, host: Terminal) -> None:
    (host.cwd / "bad").write_bytes(b"# x\n* * * * * caf\xe9\n")
    (host.cwd / "nul").write_bytes(b"* * * * * x\0\n")
    (host.cwd / "large").write_bytes(b"#" * (1 << 20) + b"\n")
    ended = host("import", "crontab", *words, code=code)
    assert told in ended.err and not ended.out
