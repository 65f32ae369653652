"""Finds the line of each key in a TOML text, because TOML libraries drop it.

It is pure. The text must be valid TOML, because this module splits statements without checking them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[str | int, ...]

#: Strings and comments whole, brackets and line breaks one by one, and everything between them.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[][{}\n]|[^]["\'#{}\n]+|.',
    re.DOTALL,
)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line and the text of each statement.

    A statement is a header, or a key with its value.
    """
    line, first_line, depth, statement = 1, 1, 0, ""
    for token in _TOKEN.findall(text):
        if token == "\n" and depth == 0:
            if statement.strip():
                yield first_line, statement.strip()
            statement = ""
        elif not token.startswith("#"):
            first_line = first_line if statement.strip() else line
            depth += (token in "[{") - (token in "]}") if len(token) == 1 else 0
            statement += token
        line += token.count("\n")
    if statement.strip():
        yield first_line, statement.strip()


def lines(text: str) -> dict[Place, int]:
    """Return the line of each header and key by its path.

    The path has the index of an entry in an array of tables.
    """
    found: dict[Place, int] = {}
    for line, path in _paths(text):
        for end in range(1, len(path) + 1):
            found.setdefault(path[:end], line)
    return found


def duplicate_line(text: str) -> int | None:
    """Return the line of the first repeated header or key; None if all are unique."""
    seen: set[Place] = set()
    for line, path in _paths(text):
        if path in seen:
            return line
        # An entry of an array also occupies the array's name, so that no plain table may have it.
        seen |= {path, path[:-1]} if isinstance(path[-1], int) else {path}
    return None


def _paths(text: str) -> Iterator[tuple[int, Place]]:
    """Yield the line and the whole path of each statement."""
    counts: dict[Place, int] = {}
    table_path: Place = ()
    for line, statement in statements(text):
        if statement.startswith("[["):
            path = _with_indexes(_keys(statement[2:-2]), counts)
            counts[path] = counts.get(path, -1) + 1
            table_path = (*path, counts[path])
        elif statement.startswith("["):
            table_path = _with_indexes(_keys(statement[1:-1]), counts)
        else:
            yield line, (*table_path, *_keys(_before_equals(statement)))
            continue
        yield line, table_path


def line_of(place: Place, found: dict[Place, int]) -> int:
    """Return the line of a path, or of the nearest enclosing table.

    It is 1 for the whole text.
    """
    return next((found[place[:end]] for end in range(len(place), 0, -1) if place[:end] in found), 1)


def _before_equals(statement: str) -> str:
    parts = []
    for token in _TOKEN.findall(statement):
        before, equals, _ = token.partition("=") if token[0] not in "\"'" else (token, "", "")
        parts.append(before)
        if equals:
            break
    return "".join(parts)


def _keys(text: str) -> Place:
    """Parse a dotted key as TOML does."""
    import tomlkit  # only a table needs it, and most boards have none

    value, path = tomlkit.parse(f"{text} = 0").unwrap(), []
    while isinstance(value, dict):
        [(key, value)] = value.items()
        path.append(key)
    return tuple(path)


def _with_indexes(keys: Place, counts: dict[Place, int]) -> Place:
    """Return the path with the current index of each array of tables."""
    path: Place = ()
    for key in keys[:-1]:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return (*path, *keys[-1:])
