"""Which paths of a workspace a task's globs name. Links are never followed, and nothing outside is ever looked at.

Called by `tarballs`. `*`, `?` and `[...]` match within one name (also one that begins with a dot), `**` matches any
number of directories; a directory that matches stands for all that is below it.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from typing import Dict, Iterator, List, Set, Tuple

from xene.errors import XeneError
from xene.model import phases

ANY_DEPTH = "**"
_WILD = frozenset("*?[")

Found = Dict[str, os.stat_result]


class ArtifactProblem(XeneError):
    """An artifact cannot be made or used. `code` is the reason: ArtifactMissing or ArtifactInvalid."""

    exit_code = 74
    code = phases.ARTIFACT_INVALID


def find(root: str, globs: List[str], most: int) -> Found:
    """All paths below `root` that `globs` name, relative to it, with what `lstat` says of them.

    Raises ArtifactProblem: for a glob that names nothing, that leaves the workspace or leads through a link, and
    for more than `most` paths; OSError where something cannot be read.
    """
    found: Found = {}
    for glob in globs:
        matched = False
        for path in _Search(root, _segments(glob)).paths():
            matched = True
            _take(root, path, found, most)
        if not matched:
            raise ArtifactProblem(
                f"the glob {glob!r} matches nothing in the workspace", code=phases.ARTIFACT_MISSING
            )
    return found


def _segments(glob: str) -> List[str]:
    """The parts of a glob. Raises ArtifactProblem where it is not relative to the workspace."""
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    if glob.startswith("/") or ".." in parts or not glob or "\0" in glob:
        raise ArtifactProblem(f"the glob {glob!r} is not a path within the workspace")
    kept: List[str] = []
    for part in parts or [ANY_DEPTH]:
        if part != ANY_DEPTH or kept[-1:] != [ANY_DEPTH]:
            kept.append(part)
    return kept


class _Search:
    """One glob over one tree; each directory is looked at once for each part of the glob."""

    def __init__(self, root: str, segments: List[str]) -> None:
        self._root, self._segments = root, segments
        self._seen: Set[Tuple[str, int]] = set()

    def paths(self) -> Iterator[str]:
        waiting = [("", 0)]
        while waiting:
            place, at = waiting.pop()
            if (place, at) in self._seen:
                continue
            self._seen.add((place, at))
            last = at == len(self._segments) - 1
            for path, deeper, is_directory in self._step(place, at):
                if last:
                    yield path
                elif is_directory:
                    waiting.append((path, at if deeper else at + 1))
            if self._segments[at] == ANY_DEPTH and not last:
                waiting.append((place, at + 1))

    def _step(self, place: str, at: int) -> Iterator[Tuple[str, bool, bool]]:
        """What one part of the glob names in one directory: (path, whether the part goes on, is a directory)."""
        part = self._segments[at]
        if not _WILD & set(part):
            yield from self._literal(place, part, at == len(self._segments) - 1)
            return
        deep = part == ANY_DEPTH
        with os.scandir(os.path.join(self._root, place)) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in found:
            if deep or fnmatch.fnmatchcase(name, part):
                yield _join(place, name), deep, is_directory

    def _literal(self, place: str, name: str, last: bool) -> Iterator[Tuple[str, bool, bool]]:
        path = _join(place, name)
        try:
            mode = os.lstat(os.path.join(self._root, path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISLNK(mode) and not last:
            raise ArtifactProblem(f"{path} is a link: name the directory that it leads to")
        yield path, False, stat.S_ISDIR(mode)


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _take(root: str, path: str, found: Found, most: int) -> None:
    """Take a path, and all that is below it. What was taken before is not looked at again."""
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        status = os.lstat(os.path.join(root, path))
        if len(found) >= most:
            raise ArtifactProblem(f"there are more than {most} files")
        found[path] = status
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(os.path.join(root, path)) as entries:
                waiting += [f"{path}/{entry.name}" for entry in entries]
