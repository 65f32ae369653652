"""The types of JSON values by their names in schemas, with older and foreign spellings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_TYPE_NAMES = {
    "int": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
    "str": "string", "text": "string", "bool": "boolean", "list": "array", "tuple": "array", "dict": "object",
    "map": "object", "none": "null",
}  # fmt: skip


def is_number(value: Any) -> bool:
    """Whether `value` is a number of JSON, which true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_PREDICATES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}


def type_names(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the types that `schema` itself allows, by their standard names.

    Return None for an unknown `type`.
    """
    given = schema.get("type")
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    plain = {_TYPE_NAMES.get(name.lower(), name.lower()) for name in names}
    return frozenset(plain) if plain <= _PREDICATES.keys() else None


def is_of_type(value: Any, names: Iterable[str]) -> bool:
    """Whether `value` has one of the types `names`, by their standard names."""
    return any(_PREDICATES[name](value) for name in names)
