"""Checks values against a client's JSON schema, in bounded steps and without a network.

A schema comes from an untrusted client, so nothing here raises for one: what is not part of the language below is shown
to the model and not checked. The checks of one answer end after `MAX_STEPS` steps together, anywhere in a schema; what
takes longer than a step (a long text, a regular expression) costs several.

The language is JSON Schema 2020-12 with these keywords:

- any value: `type`, `enum`, `const`, `allOf`, `anyOf`, `oneOf`, `not`, `if`/`then`/`else`, and `$ref` to a place inside
  the schema (`#/...`);
- numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`;
- strings: `minLength`, `maxLength`, and `pattern` as far as RE2 knows it, which needs linear time;
- arrays: `items`, `prefixItems`, `contains`, `minContains`, `maxContains`, `minItems`, `maxItems`, `uniqueItems`;
- objects: `properties`, `patternProperties`, `additionalProperties`, `propertyNames`, `required`, `dependentRequired`,
  `minProperties`, `maxProperties`;
- older spellings: `items` as an array with `additionalItems`, `exclusiveMinimum: true`, `nullable`, and names of types
  such as `STRING`, `float` and `any`.

A keyword whose value has the wrong form is not checked either.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import re2  # type: ignore[import-untyped]

from bpu.chat.nesting import levels, members
from bpu.chat.schema_keywords import CHECKS
from bpu.chat.schema_types import is_number

#: Only a schema within these limits is checked: levels of nesting, and members and items in all.
MAX_DEPTH = 64
MAX_SIZE = 20_000
#: One step is up to ten microseconds on a PC and five times as many on a board.
MAX_STEPS = 50_000
#: Levels of one check: each keyword that holds a schema is one, each `$ref` is another.
_MAX_LEVELS = 128
_MAX_PATTERN_LENGTH = 256
_MAX_PATTERN_MEMORY = 256 * 1024
#: Compiling a regular expression takes up to 25 milliseconds.
_STEPS_PER_PATTERN = 4000
#: One step reads so many characters of a text, or members of a list.
PER_STEP = 16
#: The cost of a regular expression: so many instructions of its program times characters are one step.
_INSTRUCTIONS_PER_STEP = 256
#: Larger numbers are compared by their digits, because whole numbers can be chosen so that all have one hash.
_LEAST_LARGE_NUMBER = 2**53
#: Keywords of the standard that are not checked, so that a schema with them accepts less than what is checked here.
_UNCHECKED = {
    "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "dependentSchemas", "dependencies",
}  # fmt: skip
#: Longer schemas, in characters, fit no context and are refused. So they are shown as they are: a waiting job keeps the
#: schemas of its request, also what is not shown.
MAX_PRUNED = 128 * 1024
#: Keywords that tell a model nothing.
_NOISE = {"$schema", "title", "additionalProperties", "strict"}
#: Keywords whose value is a mapping of names, which are no keywords, to schemas; and those whose value is data.
_NAMED = {"properties", "patternProperties", "$defs", "definitions"}
_DATA = {"const", "enum", "default", "examples", "required"}

Schema = Any


class StepsExceeded(Exception):
    """A check needs more steps, or more levels, than its limit."""


class Steps:
    """The steps that all checks of one answer may take together."""

    def __init__(self) -> None:
        self._left = MAX_STEPS
        self._programs: dict[str, Any] = {}

    def spend(self, steps: int = 1) -> None:
        """Take steps from the budget. Raises `StepsExceeded` when none are left."""
        self._left -= steps
        if self._left < 0:
            raise StepsExceeded

    def program(self, pattern: str) -> Any:
        """Compile a regular expression.

        Return None for one that RE2 does not know or that is too long.
        """
        if pattern not in self._programs:
            is_short = len(pattern) <= _MAX_PATTERN_LENGTH
            self.spend(_STEPS_PER_PATTERN if is_short else 1)
            self._programs[pattern] = _compiled(pattern) if is_short else None
        return self._programs[pattern]


class Checker:
    """Checks values against one schema of a client. `steps` may be shared with other checks."""

    def __init__(self, schema: Schema, steps: Steps | None = None) -> None:
        self.schema = schema if is_small(schema) else {}
        self._steps = steps or Steps()

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with `value`, without quoting it; None when it fits."""
        try:
            if not is_small(value, self._steps):
                return f"it is nested deeper than {MAX_DEPTH} levels or holds more than {MAX_SIZE} parts"
            path = Evaluation(self.schema, self._steps).failure(self.schema, value)
        except StepsExceeded:
            return "it takes too many steps to check"
        return None if path is None else f"the schema's `{path or 'false'}` is not met"


def is_small(value: Any, steps: Steps | None = None) -> bool:
    """Whether `value` is within `MAX_DEPTH` and `MAX_SIZE`. It reads no more than that, without recursion."""
    size = 0
    for depth, level in enumerate(levels(value)):
        if depth > MAX_DEPTH:
            return False
        for node in level:
            count = len(members(node))
            size += count
            if steps is not None:
                steps.spend(count // PER_STEP)
            if size > MAX_SIZE:
                return False
    return True


def prune_schema(schema: Schema) -> Schema:
    """Remove keywords that tell a model nothing.

    A schema that is too large to be checked stays unchanged.
    """
    return _prune(schema) if is_small(schema) else schema


def _prune(schema: Schema) -> Schema:
    if isinstance(schema, list):
        return [_prune(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {}
    for name, value in schema.items():
        if name in _NAMED and isinstance(value, Mapping):
            kept[name] = {key: _prune(one) for key, one in value.items()}
        elif name in _DATA:
            kept[name] = value
        elif name not in _NOISE:
            kept[name] = _prune(value)
    return kept


class Evaluation:
    """One check of a value against the schema `root`, which spends `steps`.

    `uncertain` becomes True as soon as a part of a schema was met that cannot be checked: what fails then still
    fails, but what fits may not.
    """

    def __init__(self, root: Schema, steps: Steps) -> None:
        self._root = root
        self._steps = steps
        self._levels = 0
        self.uncertain = False

    def spend(self, steps: int = 1) -> None:
        """Take steps from the answer's budget. Raises `StepsExceeded` when none are left."""
        self._steps.spend(steps)

    def look(self, *values: Any) -> None:
        """Spend the steps that reading these texts and lists takes."""
        members = [one for value in values if isinstance(value, list) for one in value]
        characters = sum(len(one) for one in (*values, *members) if isinstance(one, str))
        self.spend(1 + (len(members) + characters) // PER_STEP)

    def enter(self) -> None:
        """Begin a level; `leave` ends it."""
        self.spend()
        self._levels += 1
        if self._levels > _MAX_LEVELS:
            raise StepsExceeded

    def leave(self) -> None:
        """Return from a level of the schema; every `enter` has one."""
        self._levels -= 1

    def unknown(self) -> str | None:
        """Note that a part of the schema cannot be checked; the value counts as fitting."""
        self.uncertain = True
        return None

    def failure(self, schema: Schema, value: Any) -> str | None:
        """Return the path of the first keyword that `value` does not meet, "" for `false`.

        Return None if it fits.
        """
        if not isinstance(schema, Mapping):
            if schema is False:
                return ""
            return None if schema is True else self.unknown()
        if value is None and schema.get("nullable") is True:
            return None
        self.enter()
        for keyword, argument in schema.items():
            self.spend()
            if check := CHECKS.get(keyword):
                path = check(self, argument, value, schema)
                if path is not None:
                    return f"{keyword}.{path}" if path else keyword
            elif keyword in _UNCHECKED:
                self.unknown()
        self.leave()
        return None

    def fits(self, schema: Schema, value: Any) -> bool | None:
        """Whether `value` fits `schema`; None where that depends on what cannot be checked."""
        levels, before = self._levels, self.uncertain
        self.uncertain = False
        failure = self.failure(schema, value)
        uncertain, self.uncertain, self._levels = self.uncertain, before, levels
        return False if failure is not None else None if uncertain else True

    def resolve(self, reference: Any) -> Schema | None:
        """Return the schema to which a `$ref` leads; None without one."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        self.look(reference)
        node = self._root
        for part in unquote(reference).split("/")[1:]:
            self.spend()
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and name in node:
                node = node[name]
            elif isinstance(node, list) and name.isdecimal() and len(name) < 6 and int(name) < len(node):
                node = node[int(name)]
            else:
                return None
        return node if isinstance(node, (Mapping, bool)) else None

    def matches(self, pattern: Any, text: str) -> bool | None:
        """Whether `text` holds a match of `pattern`.

        It is None for a pattern that RE2 does not know.
        """
        self.spend()
        compiled = self._steps.program(pattern) if isinstance(pattern, str) else None
        if compiled is None:
            return None
        data = text.encode("utf-8", "replace")
        self.spend(len(data) * compiled.programsize // _INSTRUCTIONS_PER_STEP)
        return compiled.search(data) is not None

    def key(self, value: Any) -> Any:
        """Return a hashable key, the same for values that are equal in JSON.

        1 equals 1.0 and not true.
        """
        self.spend()
        if isinstance(value, list):
            return "array", tuple(map(self.key, value))
        if isinstance(value, Mapping):
            return "object", frozenset((name, self.key(one)) for name, one in value.items())
        if is_number(value) and abs(value) >= _LEAST_LARGE_NUMBER:
            return "number", str(int(value))
        return (isinstance(value, bool), value)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    """Compile a regular expression.

    Return None if RE2 does not know it or finds it too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PATTERN_MEMORY
    try:
        return re2.compile(pattern.encode("utf-8", "replace"), options)
    except re2.error:
        return None
