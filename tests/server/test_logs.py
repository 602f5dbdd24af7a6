"""A log that is larger than memory, and whoever reads it slowly or not at all."""

from __future__ import annotations

import http.client
import os
import select
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest

from tests.server.conftest import Alone, alone
from tests.server.sites import token
from tests.store.conftest import RUN, Filled, workflow
from xene.control.place import Place
from xene.server import logs
from xene.store import db, runs

SIZE = 192 * 1024 * 1024
LINE = b"x" * 1023 + b"\n"
WHOLE = f"/v1/runs/{RUN}/logs?task=one"


def archive(place: Place, uuid: str, size: int) -> None:
    """A run that has ended, with an archived log of `size` bytes."""
    with db.open_state(place.state) as state:
        filled = Filled(state)
        filled.put(workflow("shop"))
        filled.run()
        with state.transaction() as conn:
            runs.end(conn, 200.0, RUN, "Tested", "it is a test", log="complete")
            runs.archived(conn, RUN, "complete", None)
    os.makedirs(place.logs(uuid))
    path = os.path.join(place.logs(uuid), f"{RUN}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("1.one.s.1.log", "w") as log:
            for _ in range(size // (1024 * len(LINE))):
                log.write(LINE * 1024)


@contextmanager
def ask(found: Alone, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(*found.call.address, timeout=20)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token(found)}"})
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("path", [WHOLE, f"/v1/runs/{RUN}/logs?tail=100000"])
def test_a_large_log_is_never_held_in_memory(tmp_path: Path, path: str) -> None:
    with alone(tmp_path) as found:
        archive(found.place, found.uuid, SIZE)
        size, before, most = 0, resident(), 0
        with ask(found, path) as answer:
            while piece := answer.read(1024 * 1024):
                size += len(piece)
                most = max(most, resident())
        assert size == (SIZE if path == WHOLE else 100_000 * len(LINE))
        assert most - before < SIZE // 4


def test_who_does_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SLOW", 0.2)
    with alone(tmp_path) as found:
        archive(found.place, found.uuid, 64 * 1024 * 1024)
        with ask(found, WHOLE) as answer:
            assert answer.status == 200
            cut = select.poll()
            cut.register(answer.fileno(), 0)  # nothing but POLLERR and POLLHUP
            assert cut.poll(20_000), "it is held open for ever"
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                while answer.read(1024 * 1024):
                    pass
