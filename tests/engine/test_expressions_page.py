"""What `docs/expressions.md` shows is what happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from xene.engine.expressions import ExpressionError, condition, evaluate
from xene.engine.functions import FUNCTIONS
from xene.engine.syntax import MAX_TEMPLATE_LENGTH
from xene.engine.tree import MAX_DEPTH, MAX_LENGTH, MAX_NODES, STRENGTHS
from xene.engine.values import MAX_ITEMS, MAX_TEXT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "expressions.md").read_text()
EXAMPLES = re.findall(r"^(\S.*?) +-> (.+)$", PAGE, re.MULTILINE)
ERRORS = re.findall(r"^(\S.*?) +!! (.+)$", PAGE, re.MULTILINE)
SCOPE = {
    "params": {"n": 3, "sha": "abc", "levels": ["quick", "full"]},
    "tasks": {"plan": {"outputs": {"json": '{"shards": [1, 2]}', "n": "12"}}},
    "event": {"body": {"ref": "refs/heads/main"}},
}


@pytest.mark.parametrize(("text", "meant"), EXAMPLES)
def test_an_example_comes_to_what_it_says(text: str, meant: str) -> None:
    assert evaluate(text, SCOPE) == json.loads(meant)


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_an_error_says_what_it_says(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        condition(text, SCOPE)
    assert caught.value.message == message


def test_the_page_is_whole() -> None:
    assert len(EXAMPLES) >= 10 and len(ERRORS) >= 7
    for word in [*FUNCTIONS, *STRENGTHS]:
        assert re.search(rf"`[^`\n]*{re.escape(word)}[^`\n]*`", PAGE), word
    for limit in (MAX_LENGTH, MAX_NODES, MAX_DEPTH, MAX_TEMPLATE_LENGTH, MAX_TEXT, MAX_ITEMS):
        assert f" {limit} " in PAGE, limit
