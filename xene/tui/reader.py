"""The state, read on a thread of its own: questions go in, answers come back as messages. It never writes.

Called by the app. A question that is asked again before it was answered replaces the earlier one, so that a flood
of changes costs no more than the screen can show. A state that has gone answers nothing: it is not taken for an
empty one.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable

from textual.message import Message

from xene.errors import XeneError
from xene.store import db
from xene.store.db import State
from xene.tui.messages import Answer, Broken, Moved, Trouble

LOOK = 0.25  # seconds between looks at whether anybody has written
REST = (
    4.0  # times as long as the last looks took, until the next: a large state costs no more than a small one
)
PATIENCE = 1.0  # seconds that somebody who leaves waits for the question that is being answered
BACK = "put it back, or leave with q; below stands what was read before"
AGAIN = 1.0  # seconds until a state that could not be opened is tried again

Question = Callable[[State], Any]
Take = Callable[[Any], None]


class Reader:
    """One thread with one connection. `post` must be callable from any thread."""

    def __init__(self, path: str, post: Callable[[Message], object]) -> None:
        self._path, self._post = path, post
        self._asked: dict[str, tuple[Question, Take]] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._told = ""
        self._known = False  # a state was read: from then on nothing is said of one that is not there
        self._thread = threading.Thread(target=self._work, name="reader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask(self, key: str, question: Question, take: Take) -> None:
        """Have `question` answered; `take` gets what it finds, on the app's thread."""
        with self._wake:
            self._asked[key] = (question, take)
            self._wake.notify()

    def stop(self) -> None:
        """End the thread, after the question that it is at; one that waits for a lock goes with the process."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(PATIENCE)

    def _work(self) -> None:
        while not self._stopping:
            file = _file(self._path)
            try:
                with db.open_for_reading(self._path) as state:
                    self._use(state, file)
            except XeneError as error:
                self._tell(_words(error))
                self._rest(AGAIN)
            except Exception as error:  # noqa: BLE001 - a thread has no error boundary: the app ends with it
                self._post(Broken(error))
                return

    def _use(self, state: State, file: object) -> None:
        """Answer from it. Where the one that was read has gone, questions wait until it is back."""
        if self._known and not state.exists:
            self._tell(f"the state at {self._path} has gone: {BACK}")
            return self._rest(LOOK)
        self._known = state.exists
        self._tell("" if state.exists else f"there is no state at {self._path} yet: xene apply makes it")
        self._serve(state, file)

    def _serve(self, state: State, file: object) -> None:
        """Answer until asked to stop, or until the state should be opened anew."""
        version, looked, busy = state.data_version(), time.monotonic(), 0.0
        while not self._stopping:
            asked = self._next()
            if asked is not None:
                begun = time.monotonic()
                self._answer(state, *asked)
                busy += time.monotonic() - begun
            if time.monotonic() - looked >= max(LOOK, REST * busy):
                looked, busy = time.monotonic(), 0.0
                if not state.exists or _file(self._path) != file:
                    self._post(Moved())
                    return  # it may be there by now, or another one may be there in its place
                found = state.data_version()
                if found != version:
                    version = found
                    self._post(Moved())
                    if not state.is_current():
                        return  # opening it says what to do about that

    def _next(self) -> tuple[str, Question, Take] | None:
        with self._wake:
            if not self._asked and not self._stopping:
                self._wake.wait(LOOK)
            for key in self._asked:
                question, take = self._asked.pop(key)
                return key, question, take
        return None

    def _answer(self, state: State, key: str, question: Question, take: Take) -> None:
        try:
            with state.snapshot():
                value = question(state)
        except XeneError as error:
            self._post(Trouble(_words(error), key))
            return
        self._post(Answer(key, value, take))

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._post(Trouble(text))

    def _rest(self, seconds: float) -> None:
        with self._wake:
            if not self._stopping:
                self._wake.wait_for(lambda: self._stopping, seconds)


def _file(path: str) -> object:
    """Which file it is, whatever its name: a state that is put back from a backup is another one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _words(error: XeneError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
