"""Keys behind the first word of a name: which must be written out, and what they lead to. Pure.

Called by `names` and `outputs`.
"""

from __future__ import annotations

from xene.engine.mismatch import ANY, LIST, TEXT, named, shown
from xene.engine.tree import Literal, Name, Node
from xene.manifest.expression_types import Fault
from xene.manifest.problems import quoted

UNKNOWN = "unknown-reference"


def written_keys(name: Name) -> tuple[str, ...] | Fault:
    """The keys of `tasks` or `steps` that say what is meant; those behind them may be worked out."""
    needed = name.keys[:2] if name.keys[1:2] == ("outcome",) else name.keys[:3]
    for key in needed:
        if not isinstance(key, str):
            return not_written_out(name, key, f"{name.root}.{name.root[:-1].upper()}.outputs.NAME")
    return tuple(key for key in needed if isinstance(key, str))


def not_written_out(name: Name, key: Node, form: str) -> Fault:
    what = "a number" if isinstance(key, Literal) else "worked out"
    message = f"a key of {quoted(name.root)} cannot be {what}: what it names is checked before anything runs"
    return Fault(key.offset, message, f"write it out, like {form}", UNKNOWN)


def behind(type_: str, name: Name, used: int) -> str | Fault:
    """The type of what the keys behind the first `used` ones lead to, from something of `type_`."""
    for at, key in enumerate(name.keys[used:], used):
        if type_ == LIST and not isinstance(key, str):
            type_ = TEXT if name.root == "tasks" else ANY
        elif type_ == LIST:
            message = f"{quoted(shown(_cut(name, at)))} wants a number as its key, not text"
            hint = (
                "a task with a matrix gives a list: one item for each instance"
                if name.root == "tasks"
                else ""
            )
            return Fault(name.offset, message, hint)
        elif type_ != ANY:
            inner = shown(_cut(name, at))
            hint = f"write fromJson({inner})" if type_ == TEXT else "only objects and lists have keys"
            return Fault(name.offset, f"{quoted(inner)} is {named(type_)} and has no keys", hint)
    return type_


def _cut(name: Name, keys: int) -> Name:
    return Name(name.root, name.keys[:keys], name.offset)
