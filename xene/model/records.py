"""Frozen dataclasses that are quick to define: with `dataclasses` each costs 0.4 ms, and to import that 4 ms.

It writes six functions for each class as source text and compiles them; here all classes share the same few. A
command that lives for 100 ms defines some forty such classes, an agent's daemon twenty, ten of which may start on
one host. To a type checker, and to whoever asks for `__dataclass_fields__`, they are what they would be. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, NamedTuple, Tuple, Type

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace

_set = object.__setattr__


class _Made(NamedTuple):
    """A default that is made anew for each record."""

    make: Callable[[], Any]


class _Fields:
    """What a class has, in order. As its `__dataclass_fields__` it gives what `dataclasses` would, when asked."""

    def __init__(self, kind: Type[Any]) -> None:
        self.names: Tuple[str, ...] = tuple(kind.__annotations__)
        self.defaults: Dict[str, Any] = {name: vars(kind)[name] for name in self.names if name in vars(kind)}
        self._told: Dict[str, Any] = {}

    def __get__(self, _: object, kind: Type[Any]) -> Dict[str, Any]:
        if not self._told:
            self._told = self._as_dataclass(kind)
        return self._told

    def _as_dataclass(self, kind: Type[Any]) -> Dict[str, Any]:
        import dataclasses

        fields = []
        for name in self.names:
            default = self.defaults.get(name, dataclasses.MISSING)
            if isinstance(default, _Made):
                fields.append((name, Any, dataclasses.field(default_factory=default.make)))
            else:
                fields.append((name, Any, dataclasses.field(default=default)))
        return dict(vars(dataclasses.make_dataclass(kind.__name__, fields))["__dataclass_fields__"])


def _field(*, default_factory: Callable[[], Any]) -> Any:
    return _Made(default_factory)


def _dataclass(*, frozen: bool) -> Callable[[Type[Any]], Type[Any]]:
    """Only frozen ones are made here. They inherit no fields, and have no `__post_init__`."""
    return _record if frozen else NotImplemented


def _record(kind: Type[Any]) -> Type[Any]:
    fields = _Fields(kind)
    for name, default in fields.defaults.items():
        if isinstance(default, _Made):
            delattr(kind, name)
    for name, method in _METHODS.items():
        if name not in vars(kind) or name == "__hash__":
            setattr(kind, name, method)
    kind._fields, kind.__dataclass_fields__ = fields, fields
    return kind


def _fields(record: Any) -> _Fields:
    found: _Fields = vars(type(record))["_fields"]
    return found


def _init(self: Any, *values: Any, **named: Any) -> None:
    names, defaults = _fields(self).names, _fields(self).defaults
    for name, value in zip(names, values):
        _set(self, name, value)
    for name in names[len(values) :]:
        if name in named:
            value = named.pop(name)
        elif name in defaults:
            value = defaults[name]
            value = value.make() if type(value) is _Made else value
        else:
            raise TypeError(f"{type(self).__name__}() is not given its {name!r}")
        _set(self, name, value)
    if named or len(values) > len(names):
        raise TypeError(f"{type(self).__name__}() is given too much: {', '.join(named)}")


def _values(record: Any) -> Tuple[Any, ...]:
    return tuple([getattr(record, name) for name in _fields(record).names])


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = [f"{name}={value!r}" for name, value in zip(_fields(self).names, _values(self))]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _no_set(_: object, name: str, __: object) -> None:
    raise AttributeError(f"cannot assign to field {name!r}")


def _no_delete(_: object, name: str) -> None:
    raise AttributeError(f"cannot delete field {name!r}")


def _replace(record: Any, **changes: Any) -> Any:
    """A copy of `record` with these fields changed. Raises TypeError for one that it does not have."""
    return type(record)(**{**dict(zip(_fields(record).names, _values(record))), **changes})


_METHODS: Dict[str, Any] = {
    "__init__": _init,
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _no_set,
    "__delattr__": _no_delete,
}

if not TYPE_CHECKING:
    dataclass, field, replace = _dataclass, _field, _replace
