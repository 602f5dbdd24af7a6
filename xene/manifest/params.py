"""Checks of a pipeline's params: patterns, defaults, values of enums, and their environment variables. Pure.

Called by `checks`. Patterns are RE2, which no input can make slow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Iterator, Mapping

from xene.manifest.findings import Finding, Path
from xene.manifest.problems import quoted


def param_findings(params: Mapping[str, Any], path: Path, environment: bool = True) -> Iterator[Finding]:
    """What is wrong with `params`; `path` leads to them. `environment`: each is a variable too."""
    if environment:
        yield from _clashes(params, path)
    for name, param in params.items():
        if isinstance(param, dict):
            yield from _pattern(param, (*path, name))
            yield from _default(param, (*path, name))


def variable(name: str) -> str:
    """The environment variable of a param."""
    return "XENE_PARAM_" + name.upper().replace("-", "_")


def _clashes(params: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in params:
        other = seen.setdefault(variable(name), name)
        if other != name:
            message = f"the params {quoted(other)} and {quoted(name)} would both be {variable(name)}"
            yield Finding((*path, name), "param-clash", message, "rename one of them", at_key=True)


def _pattern(param: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    pattern = param.get("pattern")
    if not isinstance(pattern, str) or not pattern or len(pattern) > 1000:
        return
    place = (*path, "pattern")
    if param.get("type") in ("integer", "number", "boolean"):
        yield Finding(place, "wrong-value", "a pattern is for params of type string", at_key=True)
        return
    found = compiled(pattern)
    if isinstance(found, str):
        hint = "RE2 has no look-around and no back-references"
        yield Finding(place, "bad-pattern", f"not an RE2 pattern: {found}", hint)
        return
    for where, value in _values(param, path):
        if isinstance(value, str) and not found.fullmatch(value):
            yield Finding(
                where, "bad-pattern", f"{quoted(value)} does not match the pattern {quoted(pattern)}"
            )


def _values(param: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    if "default" in param:
        yield (*path, "default"), param["default"]
    allowed = param.get("enum")
    for index, value in enumerate(allowed if isinstance(allowed, list) else []):
        yield (*path, "enum", index), value


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The compiled RE2 pattern, or a text that says why it is none."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _default(param: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    allowed = param.get("enum")
    if "default" not in param or not isinstance(allowed, list) or not allowed:
        return
    default = param["default"]
    if not any(
        value == default and isinstance(value, bool) == isinstance(default, bool) for value in allowed
    ):
        shown = ", ".join(quoted(value) for value in allowed[:12])
        message = f"the default {quoted(default)} is none of the values of 'enum'"
        yield Finding((*path, "default"), "wrong-value", message, f"it allows {shown}")
