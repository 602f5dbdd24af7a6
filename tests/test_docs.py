"""What the documentation shows is true: its commands run, its manifests are valid, its links lead somewhere.

A command that a page shows is either run here, with the answer that the page promises, or on the list `ELSEWHERE`
with the test that runs it (or why nothing can).
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Iterator

import pytest

from tests.commands.terminal import ROOT, Terminal
from tests.hosts import agent_homes, sshd_hosts
from xene.commands import parser
from xene.commands.table import table
from xene.model import phases

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [page for page in PAGES if page.name != "cli.md"]  # that one is generated from the app
ELSEWHERE = {
    "make demo": "installs into .venv: run by hand and by CI",
    "make test": "this is it",
    "git clone": "wants the network",
    ". .venv/bin/activate": "the shell's own",
    "xene reconcile --take-over": "tests/commands/test_runs.py",
    "xene run FILE": "tests/commands/test_run_file.py",
    "xene kill": "tests/commands/test_runs.py",
    "xene cancel": "tests/commands/test_runs.py",
    "xene secret seal": "tests/commands/test_secret.py",
    "xene schema": "tests/commands/test_init.py",
    "xene explain": "tests/commands/test_reference.py",
    "xene get -o json": "tests/test_contract.py",
    "xene get slots": "tests/test_triggers.py",
    "xene describe slot": "tests/test_triggers.py",
    "xene why slot/": "tests/test_triggers.py",
    "xene agent rm --lost": "tests/commands/test_apply.py",
    "xene apply shop.yaml": "tests/test_carrying.py",
    "xene run shop/": "tests/test_carrying.py",
    "xene artifacts": "tests/test_carrying.py",
    "xene run shop --wait": "tests/test_guides.py",
    "xene apply schema.yaml": "tests/test_guides.py",
    "xene run schema": "tests/test_guides.py",
    "xene approve": "tests/test_guides.py",
    "xene wait": "tests/test_guides.py",
    "xene agent trust": "below, with a name",
    "xene why agent/NAME": "below, with a name",
    "xene why pipeline/NAME": "below, with a name",
    "xene validate PATH": "below, with a path",
    "xene doctor": "tests/test_doctor.py",
    "xene gc": "tests/commands/test_gc.py",
    "xene backup": "tests/commands/test_backup.py",
    "xene graph": "tests/commands/test_graph.py",
    "xene import crontab": "tests/commands/test_import_crontab.py",
    "xene apply figures.yaml": "tests/test_guides.py",
    "xene suspend figures": "tests/test_guides.py",
    "xene resume figures": "tests/test_guides.py",
    "xene cordon": "tests/commands/test_overrides.py",
    "xene uncordon": "tests/commands/test_overrides.py",
    "xene drain": "tests/commands/test_overrides.py",
    "xene schedule": "tests/test_schedule_guide.py",
    "xene backfill": "tests/test_schedule_guide.py",
    "xene timeline": "tests/commands/test_graph.py",
    "xene token create": "tests/test_http_guide.py",
    "xene controller --listen": "tests/test_http_guide.py",
    "xene controller --repo ops": "tests/test_controller.py",
    "xene controller install": "tests/commands/test_controller.py",
    "xene controller": "tests/test_controller.py",
    "xene apply ops --watch": "tests/test_controller.py",
    "xene status": "tests/commands/test_status.py",
    "xene token create me": "tests/tui/test_serving.py",
    "xene status --serve": "tests/tui/test_serving.py",
}
COMING: set[str] = set()  # pages that are named before they are there
RUN_HERE = {
    "xene init ops", "xene validate .", "xene apply .", "xene run hello --follow", "xene get runs",
    "xene logs hello/greet", "xene run workflows/hello.yaml", "xene agent trust web-1", "xene get agents",
    "xene why pipeline/hello/greet",
}  # fmt: skip


def blocks(text: str) -> Iterator[str]:
    """Code of a page: what is indented by four, and what stands between fences."""
    for match in re.finditer(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match.group(1)
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for match in re.finditer(r"(?:^    .*\n(?:[ \t]*\n(?=    ))*)+", bare, re.MULTILINE):
        yield textwrap.dedent(match.group())


def lines_of_shell(text: str) -> Iterator[str]:
    """Command lines in the blocks of a page, without comments, `&&` taken apart."""
    for block in blocks(text):
        for line in block.splitlines():
            for part in re.split(r"&&|#", line)[: 1 + line.split("#")[0].count("&&")]:
                if re.match(r"(xene|make|git|\.) ", part.strip()):
                    yield part.strip()


def spoken(text: str) -> Iterator[str]:
    """`xene ...` in running text."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (match.group(1) for match in re.finditer(r"`(xene [^`]+)`", bare))


def test_every_command_line_of_a_page_is_run_somewhere() -> None:
    known = RUN_HERE | set(ELSEWHERE)
    shown = [(page.name, line) for page in COMMANDS for line in lines_of_shell(page.read_text())]
    assert {line for _, line in shown} >= RUN_HERE - {"xene run workflows/hello.yaml"}
    missing = [
        (page, line) for page, line in shown if line not in known and not line.startswith(tuple(ELSEWHERE))
    ]
    assert not missing, "run it in this file, or say in ELSEWHERE which test does"


def test_every_command_that_is_spoken_of_exists_with_its_options() -> None:
    for page in COMMANDS:
        for line in spoken(page.read_text()):
            words = line.split()[1:]
            if words[0] == "COMMAND":
                continue
            entry = table().get(words[0])
            assert entry is not None, (page.name, line)
            if isinstance(entry, parser.Branch) and len(words) > 1:
                assert words[1] in entry.verbs, (page.name, line)
            told = (ROOT / "docs" / "cli.md").read_text()
            for option in re.findall(r"--[a-z][a-z-]+", line):
                assert f"`{option}" in told or f"{option}`" in told, (page.name, line)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Somebody with an empty home."""
    root = tmp_path_factory.mktemp("stranger")
    (root / "user").mkdir()
    with agent_homes(root):
        yield Terminal(root / "home", root, {"HOME": str(root / "user")}, anew=True)


def test_the_five_minutes(stranger: Terminal) -> None:
    stranger("init", "ops", code=0)
    inside = Terminal(stranger.home, stranger.cwd / "ops", stranger.more, anew=True)
    assert "no problems" in inside("validate", ".", code=0).err
    assert "hello/greet -> local" in inside("apply", ".", code=0).out
    followed = inside("run", "hello", "--follow", code=0)
    assert "greet/say | Hello, world" in followed.err and followed.out.count("\n") == 1
    assert "Success" in inside("get", "runs", code=0).out
    assert "Hello, world" in inside("logs", "hello/greet", code=0).out
    assert {path.name for path in inside.cwd.iterdir()} >= {"xene.yaml", "workflows", "agents"}  # as it says
    elsewhere = Terminal(stranger.cwd / "none", inside.cwd, stranger.more)
    assert "Hello, world" in elsewhere("run", "workflows/hello.yaml", code=0).err
    assert not elsewhere.home.exists()  # needs no state and leaves none


def test_the_first_ssh_host(tmp_path: Path) -> None:
    page = (ROOT / "README.md").read_text()
    (manifest,) = [block for block in blocks(page) if "kind: Agent" in block]
    assert "ssh: {host: web-1.example.com, user: deploy}" in manifest
    with sshd_hosts(tmp_path, 1) as hosts:
        (tmp_path / "user").mkdir()
        home = Terminal(tmp_path / "home", tmp_path, {"HOME": str(tmp_path / "user")})
        home("init", "ops", code=0)
        xene = Terminal(tmp_path / "home", tmp_path / "ops", home.more, anew=True)
        xene("apply", ".", code=0)
        host = hosts[0]
        reach = f"host: {host.address}, port: {host.port}, user: {host.user}, identityFile: {host.identity}"
        real = manifest.replace("host: web-1.example.com, user: deploy", reach)
        (xene.cwd / "agents" / "web-1.yaml").write_text(f"{real.rstrip()}\n  home: {host.home}\n")
        assert "xene agent trust web-1" in xene("apply", ".", code=5).err
        asked = xene("agent", "trust", "web-1", code=8)  # no terminal here: it tells how
        xene("agent", "trust", "web-1", "--fingerprint", asked.err.split("--fingerprint ")[1].strip(), code=0)
        assert [row["phase"] for row in xene("get", "agents", "-o", "json", code=0).json] == ["Ready"]
        assert "on web-1" in xene("run", "hello", "--follow", code=0).err
        assert xene("why", "pipeline/hello/greet", code=0).out.startswith(
            "pipeline hello/greet is Scheduled on web-1\n"
        )
        assert xene("why", "agent/web-1", code=0).out.startswith("agent web-1 is Ready\n")


WHOLE = """\
apiVersion: xene/v1
kind: Workflow
metadata: {name: shown}
spec:
  pipelines:
    p:
      params: {who: {type: string, default: x}, level: {type: string, default: x}, name: {type: string, default: x}}
PLACEMENT
      tasks:
        t:
STEPS
"""
STEPS = "steps: [{name: s, run: make}]"


def manifests() -> list[tuple[str, str]]:
    """YAML of a page that is a manifest, or a piece of one that is put into a whole."""
    found = []
    for page in COMMANDS:
        if page.name == "manifest.md":
            continue  # its fragments are the schemas' own examples: tests/manifest/test_reference.py
        for block in blocks(page.read_text()):
            steps = block if block.startswith("steps:") else STEPS
            placement = block if block.startswith("placement:") else ""
            if block.startswith("apiVersion:"):
                found.append((page.name, block))
            elif steps is block or placement:
                whole = WHOLE.replace("PLACEMENT\n", textwrap.indent(placement, " " * 6))
                found.append((page.name, whole.replace("STEPS", textwrap.indent(steps, " " * 10).rstrip())))
    return found


def test_there_are_manifests_in_the_pages() -> None:
    assert {page for page, _ in manifests()} >= {"README.md", "concepts.md"}


@pytest.mark.parametrize(("page", "text"), manifests())
def test_every_manifest_of_a_page_is_valid(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(text)
    Terminal(tmp_path / "home", tmp_path)("validate", "shown.yaml", code=0)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith("http") and target not in COMING:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_reason_is_explained() -> None:
    """The reasons in `model.phases`, and the codes with which connections fail."""
    told = (ROOT / "docs" / "errors.md").read_text()
    source = (ROOT / "xene" / "model" / "phases.py").read_text()
    reasons = set(re.findall(r'^\w+ = "(\w+)"', source.partition("# Reasons of steps")[2], re.MULTILINE))
    assert len(reasons) > 15 and phases.MOVING in reasons
    for room in ("transport", "agent"):
        for path in (ROOT / "xene" / room).glob("*.py"):
            reasons |= set(re.findall(r'code="([A-Z]\w+)"', path.read_text()))
    assert not {reason for reason in reasons if f"`{reason}`" not in told}
