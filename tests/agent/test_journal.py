"""The journal: what was flushed is there, a torn tail is cut, a number is never used twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.agent.journal import Journal, open_journal, recover
from xene.model import events


def begin(path: Path) -> tuple[Journal, list]:
    journal, history = open_journal(str(path), events.journal_begun(1.0, "uuid-1"))
    return journal, list(history)


def test_records_are_numbered_and_read_back(tmp_path: Path) -> None:
    journal, history = begin(tmp_path / "journal")
    assert [event["type"] for event in history] == ["journal.begun"]
    journal.append(events.run_freed(2.0, "a"))
    assert list(journal.read(1)) == []  # not yet durable
    assert journal.durable == 1
    journal.flush()
    journal.append(events.run_freed(3.0, "b"))
    journal.flush()
    assert [(event["n"], event["run"]) for event in journal.read(1)] == [(2, "a"), (3, "b")]
    assert [event["n"] for event in journal.read(2)] == [3]
    journal.close()
    again, history = begin(tmp_path / "journal")
    assert again.uuid == "uuid-1" and again.last == 3 and len(history) == 3
    again.close()


def test_the_journal_is_private_whatever_the_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        journal, _ = begin(tmp_path / "journal")
    finally:
        os.umask(umask)
    assert os.stat(tmp_path / "journal").st_mode & 0o777 == 0o600
    journal.close()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_tail_torn_at_any_byte_leaves_the_whole_records(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    journal, _ = begin(path)
    ends = [journal.size]
    for number in range(4):
        journal.append(events.run_ended(2.0, f"run-{number}", "Success", None, "ü" * number))
        journal.flush()
        ends.append(journal.size)
    journal.close()
    cut = data.draw(st.integers(ends[0], ends[-1]))
    os.truncate(path, cut)
    again, history = begin(path)
    whole = max(index for index, end in enumerate(ends) if end <= cut)
    assert len(history) == whole + 1
    assert os.path.getsize(path) == ends[whole]
    again.append(events.run_freed(3.0, "next"))
    again.flush()
    assert [event["n"] for event in again.read(0)] == list(range(1, whole + 3))
    again.close()


def test_a_flipped_bit_ends_what_is_believed(tmp_path: Path) -> None:
    journal, _ = begin(tmp_path / "journal")
    journal.append(events.run_freed(2.0, "a"))
    journal.flush()
    journal.close()
    raw = bytearray((tmp_path / "journal").read_bytes())
    raw[-4] ^= 1
    (tmp_path / "journal").write_bytes(raw)
    assert len(recover(str(tmp_path / "journal"))[0]) == 1


def test_a_file_that_is_no_journal_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("precious\n")
    journal, history = begin(tmp_path / "journal")
    assert len(history) == 1
    (aside,) = tmp_path.glob("journal.damaged-*")
    assert aside.read_text() == "precious\n"
    journal.close()


@pytest.mark.parametrize("line", [0, 1, 2])
def test_damage_before_whole_records_is_not_cut_but_set_aside(tmp_path: Path, line: int) -> None:
    journal, _ = begin(tmp_path / "journal")
    for name in ("a", "b", "c"):
        journal.append(events.run_freed(2.0, name))
    journal.flush()
    journal.close()
    lines = (tmp_path / "journal").read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:12] + b"#" + lines[line][13:]
    (tmp_path / "journal").write_bytes(b"".join(lines))
    again, history = open_journal(str(tmp_path / "journal"), events.journal_begun(1.0, "uuid-2"))
    assert again.uuid == "uuid-2" and len(list(history)) == 1
    (aside,) = tmp_path.glob("journal.damaged-*")
    assert aside.read_bytes() == b"".join(lines)
    again.close()


def test_a_journal_knows_that_it_was_taken_away(tmp_path: Path) -> None:
    journal, _ = begin(tmp_path / "journal")
    assert not journal.gone
    (tmp_path / "copy").write_bytes((tmp_path / "journal").read_bytes())
    os.rename(tmp_path / "copy", tmp_path / "journal")
    assert journal.gone
    os.unlink(tmp_path / "journal")
    assert journal.gone
    journal.close()


def test_compaction_keeps_numbers_even_when_the_last_record_goes(tmp_path: Path) -> None:
    journal, _ = begin(tmp_path / "journal")
    for name in ("a", "b", "a"):
        journal.append(events.run_freed(2.0, name))
    journal.compact(lambda event: event if event["run"] == "b" else None, dict)
    assert [event["n"] for event in journal.read(0)] == [1, 3]
    journal.close()
    again, _ = begin(tmp_path / "journal")
    assert again.append(events.run_freed(2.0, "c"))["n"] == 5
    again.close()


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    import resource

    journal, _ = begin(tmp_path / "journal")
    before = (tmp_path / "journal").read_bytes()
    journal.append(events.run_ended(2.0, "a", "Error", "X", "m" * 4096))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(OSError, match="large"):
            journal.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "journal").read_bytes() == before and journal.durable == 1
    journal.flush()  # and nothing of it is lost
    assert [event["n"] for event in journal.read(1)] == [2]
    journal.close()
