"""Good and bad manifests are files: add one, get a test.

Beside each bad one stands the whole of what is said about it, as `xene validate` prints it. Where what is said
has become better, replace the text by what the failed test shows.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xene.manifest import repository
from xene.manifest.codes import CODES
from xene.manifest.problems import render
from xene.model import codec

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    found = repository.load(path.name, cache=False)
    assert [render(problem) for problem in found.problems] == []
    for entry in found.entries:
        data = json.loads(entry.text)
        assert codec.digest(data) == entry.digest
        assert (data["kind"], data["metadata"]["name"]) == (entry.kind, entry.name)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    found = repository.load(path.name, cache=False)
    told = "\n".join(render(problem) for problem in found.problems) + "\n"
    assert found.problems
    assert told == path.with_suffix(".txt").read_text()
    assert told.replace("\n", "").isprintable()


def test_every_bad_file_has_its_words_and_no_words_are_left_over():
    assert {path.stem for path in BAD} == {path.stem for path in (HERE / "bad").glob("*.txt")}


def test_most_codes_have_a_case():
    told = "".join(path.read_text() for path in (HERE / "bad").glob("*.txt"))
    elsewhere = {
        "not-a-file", "link-out", "too-large", "too-deep", "not-utf8", "control-character", "bad-ignore",
        "too-many-problems", "unresolved-reference",
    }  # fmt: skip
    assert {code for code in CODES if f": {code}: " not in told} <= elsewhere
