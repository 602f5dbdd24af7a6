"""What holds for the whole suite."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.crontabs import REAL_PATH, lay_stub

# Started with `nohup`, or with `&` from a script, these are ignored, and children inherit it: no Ctrl-C then.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _a_crontab_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A local agent with a cron trigger writes into its user's crontab: here that of whoever runs the tests."""
    programs = tmp_path_factory.mktemp("crontab")
    lay_stub(programs)
    os.environ["PATH"] = f"{programs}:{REAL_PATH}"
    yield
    os.environ["PATH"] = REAL_PATH


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test first: at the end one worker would be waiting for the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
