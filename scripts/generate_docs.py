"""Make what is generated: docs/cli.md, docs/manifest.md, and the picture in the README, from a real run.

    .venv/bin/python scripts/generate_docs.py

The picture wants tmux, which is the terminal that it is taken from.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 108, 34
SESSION = f"xene-docs-{os.getpid()}"
PROMPT = "$ "
SHOWN = [
    "xene apply examples/workflows",
    "xene run report --follow",
    "xene get runs",
]


def references() -> None:
    """The two reference pages."""
    from xene.commands import reference as cli
    from xene.commands.table import table
    from xene.manifest import reference as manifest

    (ROOT / "docs/manifest.md").write_text(manifest.page())
    (ROOT / "docs/cli.md").write_text(cli.reference(table()))


def tmux(*words: str) -> str:
    return subprocess.run(["tmux", *words], check=True, capture_output=True, text=True).stdout


def screen() -> str:
    return tmux("capture-pane", "-e", "-p", "-t", SESSION)


def picture(path: pathlib.Path) -> None:
    """Run the commands in a real terminal and keep what is on its screen as an SVG."""
    from rich.console import Console
    from rich.text import Text

    with tempfile.TemporaryDirectory() as home:
        bin_dir = pathlib.Path(sys.executable).parent
        env = f"PATH={shlex.quote(str(bin_dir))}:$PATH XENE_HOME={shlex.quote(home)} PS1='$ '"
        shell = f"cd {shlex.quote(str(ROOT))} && exec env {env} sh"
        tmux("new-session", "-d", "-s", SESSION, "-x", str(WIDTH), "-y", str(HEIGHT), shell)
        try:
            for number, command in enumerate(SHOWN, 1):
                wait_for_prompts(number)
                tmux("send-keys", "-t", SESSION, command, "Enter")
            wait_for_prompts(len(SHOWN) + 1)
            text = Text.from_ansi(screen().rstrip().removesuffix(PROMPT.strip()).rstrip())
        finally:
            tmux("kill-session", "-t", SESSION)
            stop_daemons(pathlib.Path(home))
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(text)
    path.parent.mkdir(exist_ok=True)
    svg = console.export_svg(title="xene", unique_id="xene")
    path.write_text(re.sub(r"(?s)@font-face \{.*?\}\s*", "", svg))  # the viewer's own fonts do


def live_screen(directory: pathlib.Path) -> None:
    """Pictures of the live screen, over the state that its tests use."""
    sys.path.insert(0, str(ROOT))
    from tests.tui import pictures, scenes

    async def keep(seat: pictures.Seat, name: str) -> None:
        (directory / name).write_text(await pictures.svg_of(seat))

    scenes.pictures(keep)


def wait_for_prompts(count: int) -> None:
    deadline = time.monotonic() + 60
    while (
        sum(line.startswith("$") for line in tmux("capture-pane", "-p", "-t", SESSION).splitlines()) < count
    ):
        if time.monotonic() > deadline:
            raise SystemExit(f"the terminal shows:\n{screen()}")
        time.sleep(0.05)


def stop_daemons(home: pathlib.Path) -> None:
    for path in home.glob("**/daemon.pid"):
        pid = int(path.read_text().split()[0])
        os.kill(pid, 15)
        while path.exists():
            time.sleep(0.02)


if __name__ == "__main__":
    references()
    picture(ROOT / "docs/images/run.svg")
    live_screen(ROOT / "docs/images")
