"""Artifacts on the control host: fetched when a run has ended, whatever is cut or lies; brought where needed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.control.conftest import Host, agent, eventually, pipeline, workflow
from tests.control.scripted import Agent
from xene.control import fetching, fire, follow, stowing
from xene.errors import Conflict, NotFound, TimedOut, Usage
from xene.store import artifacts, db
from xene.wire import messages

DATA = bytes(range(256)) * 40


@pytest.fixture
def shop(host: Host) -> Host:
    """`flow/build` on `maker` leaves an artifact, `flow/use` on `taker` wants it."""
    needs = [{"pipeline": "build", "artifacts": ["it"]}]
    pipelines = {
        "build": pipeline("make", placement={"agent": "maker"}),
        "use": pipeline("use", placement={"agent": "taker"}, needs=needs),
        "alone": pipeline("true", placement={"agent": "maker"}),
    }
    host.apply(workflow("flow", pipelines), agent("maker"), agent("taker"))
    host.fleet["maker"].artifacts = {"one": {"it": DATA}}
    return host


def rows(host: Host, run: str) -> list[dict[str, Any]]:
    with db.open_for_reading(host.place.state) as state:
        return artifacts.view(state, run)


def kept(host: Host, run: str) -> dict[str, bytes]:
    """What lies in the run's directory."""
    with db.open_for_reading(host.place.state) as state:
        directory = Path(host.place.artifacts(state.uuid), run)
    return {path.name: path.read_bytes() for path in directory.iterdir()} if directory.exists() else {}


def built(host: Host) -> str:
    """A run of `flow/build` that has ended and is settled."""
    (run,) = host.fire("flow/build").runs
    host.ended(run)
    return run


def use(host: Host, source: str | None, target: str = "flow/use") -> str:
    fired = fire.fire(host.place, target, {}, artifacts_from=source, open=host.open)
    return fired.runs[0]


def replaced(agent: Agent, name: str, act: Callable[..., Any]) -> None:
    """Let an agent answer one type of message in another way, once."""
    honest = getattr(agent, name)

    def once(sock: socket.socket, message: dict[str, Any]) -> None:
        setattr(agent, name, honest)
        act(sock, message)

    setattr(agent, name, once)


def test_kept_beside_the_logs_before_the_run_is_released(shop: Host) -> None:
    run = built(shop)
    sha256 = hashlib.sha256(DATA).hexdigest()
    assert rows(shop, run) == [
        {
            "run": run, "task": "one", "name": "it", "files": 1, "size": len(DATA), "sha256": sha256,
            "state": "kept", "message": None,
        }
    ]  # fmt: skip
    assert kept(shop, run) == {f"{sha256}.tar": DATA}
    for path in Path(shop.place.home, "artifacts").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    heard = [message for message in shop.fleet["maker"].heard if message.get("runs") or "name" in message]
    assert [message["type"] for message in heard] == ["fetch", "release"]
    assert shop.run(run)["log"] == "complete"


def test_runs_without_artifacts_ask_for_none(shop: Host) -> None:
    shop.fleet["maker"].artifacts = {}
    run = built(shop)
    assert rows(shop, run) == [] and "fetch" not in shop.fleet["maker"].types()


def test_a_cut_goes_on_from_the_last_byte(shop: Host) -> None:
    maker = shop.fleet["maker"]

    def half(sock: socket.socket, message: dict[str, Any]) -> None:
        maker._send(sock, messages.artifact(message["id"], 0, len(DATA)), DATA[:3000])
        maker.cut()

    replaced(maker, "_fetch", half)
    run = built(shop)
    offsets = [message["offset"] for message in maker.heard if message["type"] == "fetch"]
    assert offsets == [0, 3000]
    assert list(kept(shop, run).values()) == [DATA]
    types = maker.types()
    assert "follow" not in types[types.index("fetch") :]  # the log was settled, and is not fetched again


def test_what_is_left_of_a_crash_is_gone_on_with_or_begun_anew(shop: Host) -> None:
    maker = shop.fleet["maker"]
    maker.deaf = {"fetch"}
    (run,) = shop.fire("flow/build").runs
    eventually(lambda: briefly(shop, run) and rows(shop, run), "the announcement")
    with shop.state() as state:
        directory = os.path.join(shop.place.artifacts(state.uuid), run)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    sha256 = hashlib.sha256(DATA).hexdigest()
    Path(directory, f"{sha256}.part").write_bytes(b"x" * 5000)  # not what it was: found by the digest
    maker.deaf = set()
    shop.ended(run)
    offsets = [message["offset"] for message in maker.heard if message["type"] == "fetch"]
    assert offsets[-2:] == [5000, 0]
    assert kept(shop, run) == {f"{sha256}.tar": DATA}


def briefly(host: Host, run: str) -> bool:
    """Work on a run for a moment."""
    with contextlib.suppress(TimedOut):
        follow.until_ended(host.place, [run], timeout=0.3, open=host.open)
    return True


def lying(maker: Agent, lie: str) -> Callable[..., Any]:
    """A way to answer a fetch."""
    say = maker._send

    def act(sock: socket.socket, message: dict[str, Any]) -> None:
        number, size = message["id"], len(DATA)
        if lie == "other bytes":
            say(sock, messages.artifact(number, 0, size), b"x" * size)
        elif lie == "too many":
            for offset in range(0, 4 * size, size):
                say(sock, messages.artifact(number, offset, size), DATA)
        elif lie == "too few":
            say(sock, messages.artifact(number, 0, size), DATA[:10])
        elif lie == "a gap":
            say(sock, messages.artifact(number, 500, size), DATA[500:])
        elif lie == "nonsense":
            for offset in (None, "0", -1, True, 2**70, [0]):
                say(sock, {"type": "artifact", "id": number, "offset": offset, "size": size}, DATA)
        elif lie == "of another request":
            say(sock, messages.artifact(number + 1, 0, size), DATA)
            say(sock, messages.fetched(number + 1, size))
        elif lie == "failed":
            say(sock, messages.failed(number, "no \x1b[31m" + "such" * 1000))
        say(sock, messages.fetched(number, size))

    return act


@pytest.mark.parametrize(
    "lie", ["other bytes", "too many", "too few", "a gap", "nonsense", "of another request", "failed"]
)
def test_what_an_agent_cannot_give_is_said_and_the_run_is_settled(shop: Host, lie: str) -> None:
    replaced(shop.fleet["maker"], "_fetch", lying(shop.fleet["maker"], lie))
    run = built(shop)
    (row,) = rows(shop, run)
    assert row["state"] == "gone" and row["message"] and len(row["message"]) <= 500
    assert kept(shop, run) == {}
    assert "ArtifactGone" in shop.reasons("Run")
    assert shop.run(run)["log"] == "complete" and shop.run(run)["phase"] == "Success"
    with pytest.raises(NotFound, match=f"artifact it of run {run} is not here"):
        use(shop, run)


def test_an_agent_that_loses_its_home_settles_what_was_awaited(shop: Host) -> None:
    maker = shop.fleet["maker"]
    replaced(maker, "_fetch", lambda *_: maker.wipe("another-journal"))
    run = built(shop)
    (row,) = rows(shop, run)
    assert row["state"] == "gone"


ANNOUNCED: list[dict[str, Any]] = [
    {"task": "../one"}, {"task": None}, {"task": "two"}, {"task": "one[\x1b]"}, {"name": "../../x"}, {"name": ""},
    {"name": None}, {"sha256": "../../../etc/passwd"}, {"sha256": "A" * 64}, {"sha256": None}, {"size": -1},
    {"size": 2**62}, {"size": True}, {"size": "1"}, {"size": None}, {"files": -1}, {"files": 1.5},
]  # fmt: skip


@pytest.mark.parametrize("lie", ANNOUNCED)
def test_announcements_that_make_no_sense_are_dropped(shop: Host, lie: dict[str, Any]) -> None:
    maker = shop.fleet["maker"]
    honest = maker.announce
    maker.announce = lambda task, name: {**honest(task, name), **lie}  # type: ignore[method-assign]
    run = built(shop)
    assert rows(shop, run) == [] and "fetch" not in maker.types()
    assert "MalformedReport" in shop.reasons("Agent")


def test_a_flood_of_announcements_is_dropped(shop: Host) -> None:
    maker = shop.fleet["maker"]
    maker.artifacts = {"one": {f"n{number}": b"" for number in range(artifacts.RUN_COUNT + 1)}}
    assert rows(shop, built(shop)) == []


# -- to the agent of a run that wants them


def test_brought_to_the_agent_before_its_run_starts(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stowing, "PIECE", 3000)
    source = built(shop)
    run = use(shop, "flow/build")  # its newest run
    shop.ended(run)
    taker = shop.fleet["taker"]
    assert list(taker.stowed.values()) == [DATA]
    said = [message for message in taker.heard if message["type"] in ("stow", "start")]
    assert [message["type"] for message in said] == ["stow"] * 5 + ["start"]
    assert [message["offset"] for message in said[:-1]] == [0, 0, 3000, 6000, 9000]
    (wanted,) = said[-1]["order"]["artifacts"]
    assert wanted["name"] == "it" and wanted["run"] == source and wanted["size"] == len(DATA)


def test_a_cut_on_the_way_there_goes_on(shop: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stowing, "PIECE", 3000)
    source, taker = built(shop), shop.fleet["taker"]
    honest = taker._stow

    def cut_at(sock: socket.socket, message: dict[str, Any]) -> None:
        honest(sock, message)
        if message["offset"] == 3000:
            taker._stow = honest  # type: ignore[method-assign]
            taker.cut()

    taker._stow = cut_at  # type: ignore[method-assign]
    shop.ended(use(shop, source))
    assert list(taker.stowed.values()) == [DATA]
    offsets = [message["offset"] for message in taker.heard if message["type"] == "stow"]
    again = len(offsets) - 1 - offsets[::-1].index(0)  # where it asked anew what is there
    assert offsets[:again] in ([0, 0, 3000], [0, 0, 3000, 6000])  # the next piece was under way, or not,
    assert offsets[again:] in ([0, 6000, 9000], [0, 9000])  # and had arrived, or not: no piece is sent anew


@pytest.mark.parametrize("have", [None, -1, True, 2**70, "all"])
def test_answers_that_make_no_sense_keep_the_run_waiting(
    shop: Host, have: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stowing, "PAUSE", 0.05)
    source, taker = built(shop), shop.fleet["taker"]
    replaced(
        taker,
        "_stow",
        lambda sock, message: taker._send(
            sock, {"type": "stowed", "id": message["id"], "sha256": message["sha256"], "have": have}
        ),
    )
    run = use(shop, source)
    assert shop.ended(run)[0]["phase"] == "Success"
    assert "WaitingForArtifacts" in shop.reasons("Run")


def test_an_agent_that_takes_nothing_is_asked_again_later(
    shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stowing, "PAUSE", 0.05)
    source, taker = built(shop), shop.fleet["taker"]
    counted = []
    honest = taker._stow

    def never(sock: socket.socket, message: dict[str, Any]) -> None:
        counted.append(message["offset"])
        if len(counted) > 12:
            taker._stow = honest  # type: ignore[method-assign]
        taker._send(sock, messages.stowed(message["id"], message["sha256"], 0))

    taker._stow = never  # type: ignore[method-assign]
    assert shop.ended(use(shop, source))[0]["phase"] == "Success"
    assert "WaitingForArtifacts" in shop.reasons("Run") and len(counted) == 13


def test_a_run_whose_artifacts_have_gone_ends_and_never_starts(shop: Host) -> None:
    source, taker = built(shop), shop.fleet["taker"]
    taker.deaf = {"stow"}
    with db.open_state(shop.place.state) as state:
        fired, _ = fire.store(state, "flow", "use", {}, source)
        fetching.remove(shop.place.artifacts(state.uuid), source)
    taker.deaf = set()
    (run,) = shop.ended(*fired.runs)
    assert (run["phase"], run["reason"]) == ("Error", "ArtifactMissing") and source in run["message"]
    assert "start" not in taker.types()


# -- --artifacts-from


def test_a_pipeline_that_wants_artifacts_wants_to_know_from_where(shop: Host) -> None:
    with pytest.raises(Usage, match="flow/use takes artifacts of build") as caught:
        use(shop, None)
    assert "--artifacts-from" in caught.value.hint


def test_what_cannot_be_taken_from(shop: Host) -> None:
    run = built(shop)
    with pytest.raises(Usage, match="flow/alone takes no artifacts"):
        use(shop, run, "flow/alone")
    with pytest.raises(Usage, match="it goes with one pipeline"):
        use(shop, run, "flow")
    (other,) = shop.fire("flow/alone").runs
    shop.ended(other)
    with pytest.raises(NotFound, match="none of flow/build"):
        use(shop, other)
    shop.fleet["maker"].artifacts = {}
    with pytest.raises(NotFound, match="has no artifact it"):
        use(shop, built(shop))
    shop.fleet["maker"].play = "wait"
    (open_run,) = shop.fire("flow/build").runs
    with pytest.raises(Conflict, match="has not ended"):
        use(shop, open_run)


def test_fetched_first_where_that_was_not_done_yet(shop: Host) -> None:
    (run,) = shop.fire("flow/build").runs  # handed over, and nobody waited for its end
    assert use(shop, run)
    assert rows(shop, run)[0]["state"] == "kept"
