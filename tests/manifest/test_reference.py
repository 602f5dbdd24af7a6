"""The manifest reference is what the schemas say today."""

from pathlib import Path

from xene.manifest import reference

PAGE = Path(__file__).parents[2] / "docs" / "manifest.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == reference.page(), "run: python -m xene.manifest.reference > docs/manifest.md"
