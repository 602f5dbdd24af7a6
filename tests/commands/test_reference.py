"""`docs/cli.md` says what the app says."""

from __future__ import annotations

from tests.commands.terminal import ROOT
from xene.commands import parser, reference
from xene.commands.table import table


def test_the_page_is_current() -> None:
    made = reference.reference(table())
    kept = (ROOT / "docs" / "cli.md").read_text()
    assert kept == made, "make it anew: python -m xene.commands.reference > docs/cli.md"


def test_every_command_and_its_options_are_on_the_page() -> None:
    page = reference.reference(table())
    for name, entry in table().items():
        names = [f"{name} {below}" for below in entry.verbs] if isinstance(entry, parser.Branch) else [name]
        assert all(f"\n## xene {one}\n" in page for one in names)
    assert "| `--outcome OUTCOME` |" in page
