"""Which files of a directory are manifests, and their bytes: everything of this room that touches a disk.

Called by `repository`. A file is looked at before it is opened and again after, so that no device, pipe, link
out of the root or file of a hundred megabytes is ever read.
"""

from __future__ import annotations

import os
import stat
import time
from typing import Any, Callable, NamedTuple

from xene.manifest.problems import Problem

SOURCE_FILE = "xene.yaml"
IGNORE_FILE = ".xeneignore"
MAX_BYTES = 4 << 20
MAX_FILES = 200_000
_SUFFIXES = (".yaml", ".yml")

Signature = tuple[int, int, int, int]  # mtime_ns, ctime_ns, size, inode


class Found(NamedTuple):
    """A manifest file. `rel` is its path below the root, `path` what to open, `signature` its stat."""

    rel: str
    path: str
    signature: Signature


class Refused(Exception):
    """A file that is not read; `problem` says why."""

    def __init__(self, file: str, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(file, 1, 1, code, message, hint)


def signature(status: os.stat_result) -> Signature:
    """What changes when a file does."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def settled(sign: Signature, now: float) -> bool:
    """Whether a change after `now` (seconds since 1970) must show in the signature: the file is a second old."""
    return max(sign[0], sign[1]) + 1_000_000_000 <= now * 1e9


def source_root(path: str) -> str | None:
    """The directory with the nearest xene.yaml at or above the real path `path`."""
    at = path if os.path.isdir(path) else os.path.dirname(path)
    while True:
        if os.path.isfile(os.path.join(at, SOURCE_FILE)):
            return at
        above = os.path.dirname(at)
        if above == at:
            return None
        at = above


def read(path: str, shown: str) -> tuple[bytes, Signature, bool]:
    """The bytes of a plain file, its signature, and whether later changes must show in it. Raises Refused."""
    try:
        return _read(path, shown)
    except OSError as error:
        raise Refused(shown, "not-a-file", f"it cannot be read: {error.strerror}") from error


def _read(path: str, shown: str) -> tuple[bytes, Signature, bool]:
    now = time.time()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        before = os.fstat(fd)
        check(before, shown)
        with open(fd, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    sign = signature(before)
    return data, sign, settled(sign, now) and signature(after) == sign


def check(status: os.stat_result, shown: str) -> None:
    """Raises Refused for anything but a plain file of at most 4Mi."""
    if not stat.S_ISREG(status.st_mode):
        raise Refused(
            shown,
            "not-a-file",
            f"it is {_sort(status.st_mode)}, not a plain file",
            f"name it in {IGNORE_FILE}",
        )
    if status.st_size > MAX_BYTES:
        message = f"the file has {status.st_size >> 20}Mi; a manifest may have at most {MAX_BYTES >> 20}Mi"
        raise Refused(shown, "too-large", message, f"split it, or name it in {IGNORE_FILE}")


def _sort(mode: int) -> str:
    for test, words in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISLNK, "a link"),
    ):
        if test(mode):
            return words
    return "something else"


class Walk:
    """Finds the manifests below `start`, a directory in `root`; both are real paths.

    `shown(rel)` gives a file's name for people, where `rel` is its path below `root`. Links inside the root are
    followed where they lead to what is not read anyway; each file is read once.
    """

    def __init__(self, root: str, start: str, shown: Callable[[str], str]) -> None:
        self.root = root
        self.start = start
        self.shown = shown
        self.problems: list[Problem] = []
        self._found: dict[str, Found] = {}  # by real path
        self._links: list[tuple[str, str]] = []
        self._dirs: set[str] = set()
        self._ignored = self._ignore()

    def files(self) -> list[Found]:
        """The manifests, sorted by path."""
        rel = os.path.relpath(self.start, self.root)
        self._descend(self.start, "" if rel == "." else rel + "/")
        while self._links:
            self._links.sort(reverse=True)
            self._follow(*self._links.pop())
        return sorted(self._found.values())

    def _descend(self, path: str, rel: str) -> None:
        pending = [(path, rel)]
        while pending:
            folder, prefix = pending.pop()
            self._dirs.add(folder)
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        self._entry(entry, prefix, pending)
            except OSError as error:
                self._refuse(prefix, "not-a-file", f"the directory cannot be read: {error.strerror}")

    def _entry(self, entry: os.DirEntry[str], prefix: str, pending: list[tuple[str, str]]) -> None:
        name = entry.name
        if name[0] == ".":
            return
        if name.endswith(_SUFFIXES):
            rel = prefix + name
            if name == SOURCE_FILE or self._is_ignored(rel):
                return
            if entry.is_symlink():
                self._links.append((rel, entry.path))
            elif entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, rel + "/"))
            else:
                self._take(rel, entry.path, entry.stat(follow_symlinks=False))
        elif entry.is_dir(follow_symlinks=False):
            rel = prefix + name + "/"
            if not self._is_ignored(rel):
                pending.append((entry.path, rel))
        elif entry.is_symlink() and entry.is_dir() and not self._is_ignored(prefix + name + "/"):
            self._links.append((prefix + name, entry.path))

    def _take(self, rel: str, path: str, status: os.stat_result) -> None:
        try:
            check(status, self.shown(rel))
        except Refused as refused:
            self.problems.append(refused.problem)
            return
        if len(self._found) >= MAX_FILES:
            raise Refused(self.shown(rel), "too-large", f"more than {MAX_FILES} manifests below one root")
        self._found[path] = Found(rel, path, signature(status))

    def _follow(self, rel: str, path: str) -> None:
        real = os.path.realpath(path)
        try:
            status = os.stat(real)
        except OSError as error:
            self._refuse(rel, "not-a-file", f"the link leads nowhere: {error.strerror}")
            return
        if not inside(self.root, real):
            hint = f"move what it leads to into the root, or name the link in {IGNORE_FILE}"
            self._refuse(rel, "link-out", "the link leads out of the root of the repository", hint)
        elif stat.S_ISDIR(status.st_mode):
            if real not in self._dirs and not inside(real, self.start):
                self._descend(real, rel + "/")
        elif real not in self._found:
            self._take(rel, real, status)

    def _refuse(self, rel: str, code: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.shown(rel.rstrip("/")), 1, 1, code, message, hint))

    def _ignore(self) -> Any:
        path = os.path.join(self.root, IGNORE_FILE)
        if not os.path.lexists(path):
            return None
        try:
            data, _, _ = read(path, self.shown(IGNORE_FILE))
        except Refused as refused:
            self.problems.append(refused.problem)
            return None
        return self._patterns(data)

    def _patterns(self, data: bytes) -> Any:
        from pathspec import GitIgnoreSpec
        from pathspec.patterns.gitignore import GitIgnorePatternError

        good = []
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            try:
                GitIgnoreSpec.from_lines([line])
                good.append(line)
            except (GitIgnorePatternError, ValueError) as error:
                shown = self.shown(IGNORE_FILE)
                self.problems.append(
                    Problem(shown, number, 1, "bad-ignore", f"no gitignore pattern: {error}", "", line)
                )
        return GitIgnoreSpec.from_lines(good)

    def _is_ignored(self, rel: str) -> bool:
        return self._ignored is not None and bool(self._ignored.match_file(rel))


def inside(root: str, path: str) -> bool:
    """Whether the real path `path` is `root` or below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")
