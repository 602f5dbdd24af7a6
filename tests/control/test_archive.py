"""Logs on their way into the archive: by offset, once, checked, whatever the agent says."""

from __future__ import annotations

import io
import os
import queue
import unittest.mock
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xene.control import archive as archives
from xene.control import tail
from xene.control.archive import Archive, Packed
from xene.errors import Storage
from xene.wire import messages

RUN = "20261123-023000-k7q2m4xa"


class Desk:
    """An archive and its inbox."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.archive = Archive(path, self.inbox)

    def piece(self, request: int, offset: int, data: bytes, seq: int = 1, lie: Any = None) -> bool:
        message = messages.log(request, RUN, "build", "make", 1, seq, offset, 99) | (lie or {})
        return self.archive.piece("a", message, data)

    def followed(self, request: int, *sizes: int) -> Packed:
        files = [
            {"task": "build", "step": "make", "attempt": 1, "seq": seq, "size": size}
            for seq, size in enumerate(sizes, 1)
        ]
        assert self.archive.followed("a", messages.followed(request, RUN, files))
        found: Packed = self.inbox.get(timeout=10)
        return found

    def read(self) -> dict[int, bytes]:
        return {seq: open_file().read() for seq, _, open_file in tail.read(self.path, RUN)}


@pytest.fixture
def desk(tmp_path: Any) -> Desk:
    return Desk(str(tmp_path / "logs" / "uuid"))


def test_pieces_become_a_zip(desk: Desk) -> None:
    request, offsets = desk.archive.begin("a", RUN)
    assert offsets == {}
    desk.piece(request, 0, b"one\n")
    desk.piece(request, 4, b"two\n")
    desk.piece(request, 0, b"\xff\0raw", seq=2)
    assert desk.followed(request, 8, 5) == Packed(RUN, "complete", None)
    assert desk.read() == {1: b"one\ntwo\n", 2: b"\xff\0raw"}
    with zipfile.ZipFile(archives.zip_path(desk.path, RUN)) as found:
        assert found.namelist() == ["1.build.make.1.log", "2.build.make.1.log"]
    assert os.listdir(desk.path) == [f"{RUN}.zip"]
    assert os.stat(archives.zip_path(desk.path, RUN)).st_mode & 0o777 == 0o600
    archives.pack(archives.part_path(desk.path, RUN))  # once more does no harm
    assert desk.read()[1] == b"one\ntwo\n"


def test_no_output_is_complete_too(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    assert desk.followed(request, 0).log == "complete"
    assert desk.read() == {}


def test_a_crash_is_gone_on_from(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, b"one\n")
    again = Desk(desk.path)
    request, offsets = again.archive.begin("a", RUN)
    assert offsets == {"1": 4}
    again.piece(request, 2, b"e\ntwo\n")
    assert again.followed(request, 8).log == "complete"
    assert again.read() == {1: b"one\ntwo\n"}


def test_after_a_power_cut_it_begins_anew(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, b"one\n")
    with open(os.path.join(archives.part_path(desk.path, RUN), "boot"), "w") as file:
        file.write("another boot")
    _, offsets = desk.archive.begin("a", RUN)
    assert offsets == {}


def test_what_is_missing_is_said(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, b"one\n")
    packed = desk.followed(request, 9)
    assert packed.log == "partial" and "4 of 9 bytes" in str(packed.message)
    assert desk.read() == {1: b"one\n"}


def test_a_gap_is_not_papered_over(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, b"one\n")
    desk.piece(request, 7, b"x")
    packed = desk.followed(request, 8)
    assert packed.log == "partial" and "never sent" in str(packed.message)


@pytest.mark.parametrize(
    "lie",
    [
        {"task": "../../evil"},
        {"step": "a/b"},
        {"task": ""},
        {"task": 7},
        {"attempt": -1},
        {"seq": "1"},
        {"offset": -1},
    ],
)
def test_what_is_no_name_touches_nothing(desk: Desk, lie: dict[str, Any]) -> None:
    request, _ = desk.archive.begin("a", RUN)
    assert desk.piece(request, 0, b"x", lie=lie)
    assert os.listdir(archives.part_path(desk.path, RUN)) == ["boot"]
    assert desk.followed(request).log == "partial"


def test_only_what_was_asked_for_is_taken(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    assert not desk.piece(request + 1, 0, b"x")
    assert not desk.piece(request, 0, b"x", lie={"run": "20261123-023000-aaaaaaaa"})
    assert not desk.archive.piece("b", messages.log(request, RUN, "build", "make", 1, 1, 0, 1), b"x")
    assert not desk.archive.followed("b", messages.followed(request, RUN, []))
    assert not desk.archive.failed("b", messages.failed(request, "no"))
    with pytest.raises(ValueError, match="no run id"):
        desk.archive.begin("a", "../../etc")


def test_logs_have_a_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RUN_BYTES", 10)
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, b"12345678")
    desk.piece(request, 8, b"12345678")
    packed = desk.followed(request, 16)
    assert packed.log == "partial" and "larger" in str(packed.message)


def test_gone_and_partly_gone(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    assert desk.archive.failed("a", messages.failed(request, "its logs are gone"))
    assert desk.inbox.get(timeout=10) == Packed(RUN, "gone", "its logs are gone")
    other = Desk(desk.path)
    request, _ = other.archive.begin("a", RUN)
    other.piece(request, 0, b"one\n")
    other.archive.failed("a", messages.failed(request, "its logs are gone"))
    assert other.inbox.get(timeout=10).log == "partial"
    assert other.read() == {1: b"one\n"}


def test_a_disk_that_is_full_settles_nothing(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    part = archives.part_path(desk.path, RUN)
    os.symlink("/dev/full", os.path.join(part, "1.build.make.1.log"))
    with pytest.raises(Storage, match="cannot be written"):
        desk.piece(request, 0, b"x" * 100_000)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.binary(max_size=200),
    cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60), st.booleans()), max_size=8),
)
def test_whatever_is_cut_or_repeated_the_bytes_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, cuts: list[tuple[int, int, bool]]
) -> None:
    desk = Desk(str(tmp_path_factory.mktemp("logs")))
    request, offsets = desk.archive.begin("a", RUN)
    have = 0
    for start, size, crash in cuts:
        if crash:
            desk = Desk(desk.path)
            request, offsets = desk.archive.begin("a", RUN)
            assert offsets.get("1", 0) == have
        offset = min(start, have)  # an agent may say things twice, but leaves nothing out
        desk.piece(request, offset, text[offset : offset + size])
        have = max(have, len(text[: offset + size]))
    desk.piece(request, have, text[have:])
    assert desk.followed(request, len(text)).log == "complete"
    assert desk.read().get(1, b"") == text


@given(
    st.binary(max_size=40).map(lambda data: data.replace(b"a", b"\n")), st.integers(-1, 6), st.integers(1, 9)
)
def test_the_last_lines_are_found_whatever_the_pieces(data: bytes, lines: int, piece: int) -> None:
    with unittest.mock.patch.object(tail, "PIECE", piece):
        offset = tail._tail_offset(io.BytesIO(data), lines)
    cut = [line + b"\n" for line in data.split(b"\n")]
    cut[-1] = cut[-1][:-1]
    kept = [line for line in cut if line]
    assert data[offset:] == b"".join(kept[-lines:] if lines > 0 else [])


def test_an_instance_of_a_matrix_keeps_its_name(desk: Desk) -> None:
    request, _ = desk.archive.begin("a", RUN)
    odd = "build[1.5,a/b %\x1b]"
    desk.piece(request, 0, b"out\n", lie={"task": odd})
    file = {"task": odd, "step": "make", "attempt": 1, "seq": 1, "size": 4}
    assert desk.archive.followed("a", messages.followed(request, RUN, [file]))
    assert desk.inbox.get(timeout=10) == Packed(RUN, "complete")
    read = [(source, open_file().read()) for _, source, open_file in tail.read(desk.path, RUN)]
    assert read == [((RUN, odd, "make", 1), b"out\n")]


@pytest.mark.parametrize("task", ["build[" + "/" * 140 + "]", "build[\ud800]", "build[", "build]x[", "[a]"])
def test_an_instance_that_can_be_no_file_is_refused(desk: Desk, task: str) -> None:
    request, _ = desk.archive.begin("a", RUN)
    assert desk.piece(request, 0, b"out\n", lie={"task": task})
    assert desk.followed(request).log == "partial"


@pytest.mark.parametrize("lines", [0, 1, 3, 9, 10, 11, 1000])
def test_the_end_of_a_large_log_is_read_without_the_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    """Up to nine whole lines stand in the end that is kept apart; for more, the whole is read."""
    monkeypatch.setattr(archives, "LARGE", 1000)
    monkeypatch.setattr(archives, "END", 95)
    whole = b"".join(b"line %04d\n" % number for number in range(500))
    request, _ = desk.archive.begin("a", RUN)
    desk.piece(request, 0, whole)
    desk.piece(request, 0, b"small\n", seq=2)
    assert desk.followed(request, len(whole), 6) == Packed(RUN, "complete", None)
    with zipfile.ZipFile(archives.zip_path(desk.path, RUN)) as found:
        assert found.namelist() == ["1.build.make.1.log", "ends/1.build.make.1.log", "2.build.make.1.log"]
    opened: list[int] = []
    monkeypatch.setattr(tail.Tail, "_from_file", _noting(tail.Tail._from_file, opened))
    said: dict[int, bytes] = {}
    followed = tail.Tail([RUN], lambda source, data: said.update({len(said): data}), tail.Choice(lines=lines))
    followed.from_archive(desk.path, RUN)
    kept = whole.splitlines(keepends=True)[-lines:] if lines else []
    assert b"".join(said.values()) == b"".join(kept) + (b"small\n" if lines else b"")
    assert opened == ([2] if lines < 10 else [1, 2])
    assert desk.read() == {1: whole, 2: b"small\n"}


def _noting(act: Any, opened: list[int]) -> Any:
    def noted(self: tail.Tail, each: Any, entry: Any) -> None:
        opened.append(entry.seq)
        act(self, each, entry)

    return noted
