"""Frames: whatever comes in whatever pieces, whole messages or one clear refusal."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xene.errors import Garbled
from xene.wire import frames

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
messages = st.dictionaries(texts, st.one_of(texts, st.integers(-(2**53), 2**53), st.none(), st.booleans()))


@given(st.lists(st.tuples(messages, st.binary(max_size=60)), max_size=6), st.integers(1, 17))
def test_frames_survive_any_cutting(sent: list, size: int) -> None:
    stream = b"".join(frames.encode(message, blob) for message, blob in sent)
    decoder = frames.Decoder()
    heard = []
    for at in range(0, len(stream), size):
        heard += decoder.feed(stream[at : at + size])
    assert heard == sent


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for_and_nothing_else(data: bytes) -> None:
    decoder = frames.Decoder()
    try:
        for message, blob in decoder.feed(data):
            assert isinstance(message, dict) and isinstance(blob, bytes)
    except Garbled:
        pass


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">I", frames.MAX_FRAME + 1),
        struct.pack(">I", 1) + b"x",
        struct.pack(">I", 5) + b"[1,2]",
        struct.pack(">I", 4) + b"[1]\n",
        struct.pack(">I", 200_002) + b"[" * 100_000 + b"]" * 100_001 + b"\n",
    ],
)
def test_what_is_no_frame(frame: bytes) -> None:
    with pytest.raises(Garbled):
        list(frames.Decoder().feed(frame))
