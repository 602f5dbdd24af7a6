"""Readers of anything: hypothesis looks for what makes them raise what they never may, or hang."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xene.agent.journal import open_journal
from xene.engine import expressions
from xene.errors import Conflict, Garbled, NotFound, Usage
from xene.manifest import repository
from xene.manifest.problems import render
from xene.model import events
from xene.plan import selectors
from xene.store import db
from xene.store.resolve import resolve_pipeline, resolve_run
from xene.transport import config
from xene.wire import frames

ANY = st.text(max_size=60)
YAML = st.lists(
    st.sampled_from([
        "apiVersion: xene/v1", "kind: Workflow", "metadata:", "  name: a", "spec:", "  pipelines:",
        "    p:", "tasks:", "{", "}",
        "[", "]", "- ", ": ", "? ", "&a ", "*a", "!!python/object:os.system ", "|", ">", "'", '"', "\n",
        "\n  ", "\n      ", "#",
        "---", "...", "%YAML 1.2", "<<: ", "0x1F", "1e999", ".nan", "~", "\t", "\r\n", "\ufeff", "${{ ",
        " }}", "9" * 40,
    ]) | st.text(max_size=8), max_size=40,
).map("".join)  # fmt: skip


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


CHEAP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@CHEAP
@given(st.one_of(YAML.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=200)))
def test_any_bytes_as_a_manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "a.yaml").write_bytes(data)
        found = repository.load(root, cache=False)
        for problem in found.problems:
            assert render(problem) and problem.line >= 0
        assert found.problems or all(json.loads(entry.text) for entry in found.entries)


@CHEAP
@given(st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(framed))), st.integers(2, 100))
def test_any_bytes_as_frames(pieces: list[bytes], most: int) -> None:
    decoder = frames.Decoder(most)
    try:
        for piece in pieces:
            for message, blob in decoder.feed(piece):
                assert isinstance(message, dict) and isinstance(blob, bytes)
    except Garbled:
        pass


@CHEAP
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(ANY, inner),
    )
)
def test_what_was_said_is_heard(value: object) -> None:
    try:
        sent = frames.encode({"a": value})
    except UnicodeEncodeError:
        return  # half a character: nobody honest has one
    ((message, _),) = frames.Decoder().feed(sent)
    assert message == {"a": value}


@CHEAP
@given(
    st.one_of(
        ANY,
        st.lists(
            st.sampled_from(["${{", "}}", "params", ".", "a", "['", "']", " ", "$", "{"]), max_size=20
        ).map("".join),
    )
)
def test_any_text_as_a_template(text: str) -> None:
    try:
        parts = expressions.parse_template(text)
    except expressions.ExpressionError:
        return
    assert all(isinstance(part, str) or part.text in text for part in parts)


@CHEAP
@given(
    st.one_of(
        ANY,
        st.lists(
            st.sampled_from(["a", "=", "!=", " in ", "(", ")", ",", "!", " notin ", "=="]), max_size=20
        ).map("".join),
    )
)
def test_any_text_as_a_selector(text: str) -> None:
    try:
        found = selectors.parse(text)
    except Usage:
        return
    selectors.matches(found, {"a": "b"})


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> db.State:
    return db.open_state(str(tmp_path_factory.mktemp("state") / "state.db"))


@CHEAP
@given(
    text=st.one_of(
        ANY,
        st.lists(st.sampled_from(["a", "/", "~", "%", "_", "@", "1", "-", "'", ";", "*"]), max_size=12).map(
            "".join
        ),
    )
)
def test_any_text_as_a_reference(state: db.State, text: str) -> None:
    for resolve in (resolve_run, resolve_pipeline):
        with pytest.raises((NotFound, Usage, Conflict)):
            resolve(state, text)


@CHEAP
@given(st.binary(max_size=120), st.integers(0, 400), st.integers(0, 255))
def test_any_tail_and_any_flipped_byte_of_a_journal(tail: bytes, at: int, byte: int) -> None:
    """What is torn is cut; what is left goes on to be a journal."""
    with tempfile.TemporaryDirectory() as root:
        path = os.path.join(root, "journal")
        journal, _ = open_journal(path, events.journal_begun(1.0, "u"))
        for number in range(3):
            journal.append(events.epoch_seen(1.0, number))
        journal.flush()
        journal.close()
        data = bytearray(Path(path).read_bytes())
        if at < len(data):
            data[at] = byte
        Path(path).write_bytes(bytes(data) + tail)
        again, history = open_journal(path, events.journal_begun(2.0, "v"))
        again.close()
        numbers = [event["n"] for event in history]
        assert numbers == sorted(set(numbers)) and again.last == (numbers or [again.last])[-1]


@CHEAP
@given(st.lists(st.sampled_from(["Host a", "Match ", "exec ", "all", "ProxyJump a", "Port x", '"', "'",
                                 "\\", "Include ", "\n", "=", "#", "!"])
                | ANY, max_size=12).map(" ".join))  # fmt: skip
def test_any_text_as_an_ssh_configuration(text: str) -> None:
    from xene.errors import XeneError

    with tempfile.TemporaryDirectory() as root:
        path = os.path.join(root, "config")
        text = text.replace("exec", "all").replace("Include", "Port")  # neither run commands nor read files
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", errors="surrogateescape") as file:
            file.write(text.encode("utf-8", "replace").decode())
        try:
            config.settings_for("a", files=(path,))
        except XeneError:
            pass
