"""Checks of paths in the workspace: directories in which steps start, and patterns of artifacts. Pure."""

from __future__ import annotations

import posixpath
from typing import Any, Iterator, Mapping

from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, text
from xene.manifest.problems import quoted


def work_dir_findings(holder: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with the `workDir` of a context or a step."""
    directory = text(holder, "workDir")
    if directory is not None:
        hint = "steps start in the run's workspace; name a directory in it"
        yield from _outside(directory, (*path, "workDir"), hint, "name a directory in the workspace")


def _outside(value: str, place: Path, absolute: str, upward: str) -> Iterator[Finding]:
    """A path that leads out of the workspace; the hints for the two ways to do so."""
    if value.startswith(("/", "~")):
        yield Finding(place, "bad-path", f"{quoted(value)} is not relative to the workspace", absolute)
    elif ".." in value.split("/"):
        better = posixpath.normpath(value)
        hint = f"write {quoted(better)}" if not better.startswith("..") else upward
        yield Finding(place, "bad-path", f"{quoted(value)} leads out of the workspace", hint)


def artifact_findings(tasks: Mapping[str, Any], path: Path, owners: dict[str, str]) -> Iterator[Finding]:
    """What is wrong with the artifacts of `tasks`. `owners` are the tasks that keep an artifact, by its name."""
    for task, body in tasks.items():
        for name, globs in fields(body, "artifacts").items():
            place = (*path, task, "artifacts", name)
            if owners.setdefault(name, task) != task:
                both = f"{quoted(owners[name])} and {quoted(task)}"
                message = f"the tasks {both} both keep an artifact {quoted(name)}"
                hint = "artifacts are known by their names in the whole pipeline; rename one of them"
                yield Finding(place, "duplicate-name", message, hint, at_key=True)
            if isinstance(globs, str):
                yield from _glob(globs, place)
            for index, glob in enumerate(globs if isinstance(globs, list) else ()):
                if isinstance(glob, str):
                    yield from _glob(glob, (*place, index))


def _glob(glob: str, place: Path) -> Iterator[Finding]:
    hint = "artifacts are files of the run's workspace; name files in it"
    yield from _outside(glob, place, hint, hint)
    if any("**" in part and part != "**" for part in glob.split("/")):
        message = f"'**' must be a whole part of the path, which it is not in {quoted(glob)}"
        yield Finding(
            place, "bad-path", message, "for example src/** for everything below src, or src/**/*.log"
        )
