"""The masker: any value, any form, any cut into chunks; and texts without secrets pass as they are."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.engine.mask import FLOOR, Masker, Needles

VALUES = st.text(
    st.characters(blacklist_characters="*\0", blacklist_categories=("Cs",)), min_size=FLOOR, max_size=40
)
KEY = "-----BEGIN KEY-----\n" + "\n".join("q0Zr+/8s" * 8 for _ in range(3)) + "\nAb=\n-----END KEY-----"


def masked(values: list[str], *chunks: bytes) -> bytes:
    masker = Masker(Needles(values))
    return b"".join([*map(masker.feed, chunks), masker.flush()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True)]


def encodings(value: str, before: bytes, after: bytes) -> list[bytes]:
    """The value among other bytes, as programs print it. What remains of it must not be readable."""
    data = value.encode()
    return [
        before + data + after,
        base64.b64encode(before + data + after),
        base64.urlsafe_b64encode(before + data + after),
        before + quote(value, safe="").encode() + after,
        before + quote_plus(value).encode() + after,
        before + quote(value, safe="").lower().encode() + after if value.islower() else b"",
        json.dumps({"a": value}).encode(),
        json.dumps([value], ensure_ascii=False).encode(),
        shlex.quote(value).encode(),
    ]


@settings(max_examples=300, deadline=None)
@given(VALUES, st.binary(max_size=9), st.binary(max_size=9), st.lists(st.integers(0, 400), max_size=12))
def test_no_form_of_a_value_gets_through(value: str, before: bytes, after: bytes, places: list[int]) -> None:
    needles = Needles([value])
    for text in encodings(value, before.replace(b"*", b""), after.replace(b"*", b"")):
        shown = masked([value], *cut(text, places))
        assert needles.spans(shown) == []
        assert shown == masked([value], text), "how it was cut makes no difference"
        assert not text or b"***" in shown


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("ab", min_size=8, max_size=12), min_size=1, max_size=4),
    st.text("ab", max_size=80),
    st.lists(st.integers(0, 80), max_size=30),
)
def test_cuts_and_overlaps(values: list[str], text: str, places: list[int]) -> None:
    """Against the plain definition: what is in any occurrence of any value is starred."""
    covered = [False] * len(text)
    breaks = set()  # where a span begins that does not overlap the one before
    spans = sorted(
        (at, at + len(value)) for value in values for at in range(len(text)) if text.startswith(value, at)
    )
    reach = 0
    for start, end in spans:
        if start >= reach:
            breaks.add(start)
        reach = max(reach, end)
        covered[start:end] = [True] * (end - start)
    wanted = "".join(
        ("***" if at in breaks else "") if covered[at] else letter for at, letter in enumerate(text)
    )
    assert masked(values, *cut(text.encode(), places)).decode() == wanted


@given(st.lists(st.binary(max_size=50)), st.lists(VALUES, max_size=3))
def test_text_without_secrets_passes_unchanged(chunks: list[bytes], values: list[str]) -> None:
    data = b"".join(chunks)
    if not Needles(values).spans(data):
        assert masked(values, *chunks) == data


def test_without_values_nothing_is_held() -> None:
    masker = Masker(Needles([]))
    assert (masker.feed(b"abc"), masker.flush()) == (b"abc", b"")


def test_only_a_possible_beginning_is_held_back() -> None:
    masker = Masker(Needles(["hunter22-token"]))
    assert masker.feed(b"a line\nhunt") == b"a line\n"
    assert masker.feed(b"ing\n") == b"hunting\n"
    assert masker.feed(b"hunter22-toke") == b""
    assert masker.feed(b"n.") == b"***."
    assert masker.feed(b"the end: h") == b"the end: "
    assert masker.flush() == b"h"


def test_every_alignment_of_base64() -> None:
    value = "correct horse battery staple"
    for before in range(6):
        for after in range(4):
            data = b"x" * before + value.encode() + b"y" * after
            for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
                shown = masked([value], encoded)
                assert b"***" in shown and len(shown) <= 3 + 8 + 8 + 4
    assert masked([value], base64.b64encode(value.encode())) == b"***"


@pytest.mark.parametrize(
    "command", ["base64", "base64 -w 64", "sed 's/^/    /'", "sort", "tac", "tr '\\n' ' '", "base64 -w 0"]
)
def test_a_key_of_several_lines(command: str) -> None:
    done = subprocess.run(command, shell=True, input=KEY.encode(), capture_output=True, check=True)
    shown = masked([KEY], done.stdout)
    assert b"q0Zr" not in shown and b"cTBaci" not in shown and b"***" in shown


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("value", ["it's a secret", 'say "no" & <go>', "back\\slash $HOME", KEY])
def test_set_x(shell: str, value: str) -> None:
    script = 'set -x; : "$SECRET"; X=$SECRET'
    done = subprocess.run([shell, "-c", script], env={"SECRET": value}, capture_output=True, check=True)
    shown = masked([value], done.stderr)
    assert shown.count(b"***") >= 2
    assert not [word for word in value.split() if len(word) > 4 and word.encode() in shown]


def test_short_lines_are_left_alone_but_not_within_the_value() -> None:
    assert masked([KEY], KEY.encode()) == b"***"
    assert masked([KEY], b"Ab= { } end\n") == b"Ab= { } end\n"


def test_texts() -> None:
    needles = Needles(["hünter22", "other-secret"])
    assert needles.contains("x hünter22") and not needles.contains("x hunter22")
    assert needles.contains(base64.b64encode("xhünter22".encode()).decode())
    assert needles.mask_text("a hünter22 b other-secret\ud800") == "a *** b ***\ud800"


def test_a_long_value_byte_by_byte() -> None:
    value = "".join(chr(33 + (n * n) % 90) for n in range(3000)).replace("*", "x")
    masker = Masker(Needles([value]))
    shown = b"".join(masker.feed(b"%c" % byte) for byte in value.encode()) + masker.flush()
    assert shown == b"***"
