"""Walks nested JSON values level by level, without recursion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def levels(value: Any) -> Iterator[list[Any]]:
    """Yield `value` alone, then the objects and arrays of each deeper level.

    Builds no level that is not asked for.
    """
    level = [value]
    while level:
        yield level
        level = [child for node in level for child in members(node) if isinstance(child, (Mapping, list))]


def members(node: Any) -> Collection[Any]:
    """Return the values of an object or array, none for any other value."""
    return node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
