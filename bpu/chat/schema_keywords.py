"""The checks of a JSON schema's keywords, as a table.

`schemas` says which language they form. A check returns the path below its keyword at which the value fails; None when
the value fits, or when the keyword's own value has a form that cannot be checked.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sized
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Union

from bpu.chat.schema_types import is_number, is_of_type, type_names

if TYPE_CHECKING:
    from bpu.chat.schemas import Evaluation

Schema = Any
#: The arguments: the evaluation, the keyword's value, the value to check, and the schema around the keyword.
_Check = Callable[["Evaluation", Any, Any, Mapping[str, Any]], Union[str, None]]


def _type(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    evaluation.look(argument)
    names = type_names(schema)
    if names is None:
        return evaluation.unknown()
    return None if is_of_type(value, names) else ""


# Numbers, strings and sizes


def _bound(holds: Callable[[Any, Any], bool], plain: str = "") -> _Check:
    """Make the check of a numeric limit.

    `plain`: the keyword that draft 4 makes exclusive by `true`.
    """

    def check(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
        if isinstance(argument, bool) and plain:
            if argument is False:
                return None
            argument = schema.get(plain)
        if not is_number(argument):
            return evaluation.unknown()
        return None if not is_number(value) or holds(value, argument) else ""

    return check


def _multiple_of(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not is_number(argument) or argument <= 0:
        return evaluation.unknown()
    if not is_number(value):
        return None
    # Fractions of the decimal text: 0.3 is a multiple of 0.1.
    dividend, divisor = repr(value), repr(argument)
    evaluation.spend(len(dividend) + len(divisor))
    return "" if Fraction(dividend) % Fraction(divisor) else None


def _size(kind: type[Sized], holds: Callable[[int, Any], bool]) -> _Check:
    def check(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
        if not is_number(argument):
            return evaluation.unknown()
        return None if not isinstance(value, kind) or holds(len(value), argument) else ""

    return check


def _pattern(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(value, str):
        return None
    found = evaluation.matches(argument, value)
    if found is None:
        return evaluation.unknown()
    return None if found else ""


def _enum(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, list):
        return evaluation.unknown()
    key = evaluation.key(value)
    return None if any(evaluation.key(one) == key for one in argument) else ""


def _const(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    return _enum(evaluation, [argument], value, schema)


# Arrays


def positions(schema: Mapping[str, Any], count: int) -> Iterator[Schema]:
    """Return the schemas of an array's first `count` items, by `items` and `prefixItems`."""
    items = schema.get("items")
    prefix = items if isinstance(items, list) else schema.get("prefixItems")
    rest = schema.get("additionalItems", True) if isinstance(items, list) else schema.get("items", True)
    first = prefix if isinstance(prefix, list) else []
    for at in range(count):
        yield first[at] if at < len(first) else rest


def _items(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(value, list):
        return None
    for at, one in enumerate(positions(schema, len(value))):
        path = evaluation.failure(one, value[at])
        if path is not None:
            return path
    return None


def _prefix_items(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    return None if "items" in schema else _items(evaluation, argument, value, schema)


def _contains(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(value) if isinstance(value, list) else 0)
    if not is_number(least) or not is_number(most):
        return evaluation.unknown()
    if not isinstance(value, list):
        return None
    found = [evaluation.fits(argument, one) for one in value]
    if None in found:
        return evaluation.unknown()
    return None if least <= found.count(True) <= most else ""


def _unique_items(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, bool):
        return evaluation.unknown()
    if not argument or not isinstance(value, list):
        return None
    return "" if len(set(map(evaluation.key, value))) < len(value) else None


# Objects


def _properties(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, Mapping):
        return evaluation.unknown()
    if not isinstance(value, Mapping):
        return None
    for name, inner in argument.items():
        evaluation.spend()
        if name in value:
            path = evaluation.failure(inner, value[name])
            if path is not None:
                return f"{name}.{path}" if path else str(name)
    return None


def _pattern_properties(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, Mapping):
        return evaluation.unknown()
    if not isinstance(value, Mapping):
        return None
    for pattern, inner in argument.items():
        evaluation.spend()
        for name, one in value.items():
            found = evaluation.matches(pattern, name)
            if found is None:
                evaluation.unknown()
            elif found:
                path = evaluation.failure(inner, one)
                if path is not None:
                    return f"{pattern}.{path}" if path else str(pattern)
    return None


def _additional_properties(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(value, Mapping):
        return None
    named, patterns = schema.get("properties"), schema.get("patternProperties")
    names = named if isinstance(named, Mapping) else {}
    for name, one in value.items():
        evaluation.spend()
        if name in names:
            continue
        found = [evaluation.matches(pattern, name) for pattern in patterns] if isinstance(patterns, Mapping) else []
        if True in found:
            continue
        if None in found:
            evaluation.unknown()
            continue
        path = evaluation.failure(argument, one)
        if path is not None:
            return path
    return None


def _property_names(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    for name in value if isinstance(value, Mapping) else ():
        path = evaluation.failure(argument, name)
        if path is not None:
            return path
    return None


def _required(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, list) or not all(isinstance(name, str) for name in argument):
        return evaluation.unknown()
    evaluation.spend(len(argument))
    return "" if isinstance(value, Mapping) and any(name not in value for name in argument) else None


def _dependent_required(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, Mapping):
        return evaluation.unknown()
    for name, others in argument.items():
        evaluation.spend()
        if isinstance(value, Mapping) and name in value and _required(evaluation, others, value, schema) is not None:
            return str(name)
    return None


# Schemas in schemas


def _reference(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    target = evaluation.resolve(argument)
    return evaluation.unknown() if target is None else evaluation.failure(target, value)


def _all_of(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, list):
        return evaluation.unknown()
    for at, one in enumerate(argument):
        path = evaluation.failure(one, value)
        if path is not None:
            return f"{at}.{path}" if path else str(at)
    return None


def _any_of(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, list):
        return evaluation.unknown()
    uncertain = False
    for one in argument:
        fits = evaluation.fits(one, value)
        if fits:
            return None
        uncertain = uncertain or fits is None
    return evaluation.unknown() if uncertain else ""


def _one_of(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    if not isinstance(argument, list):
        return evaluation.unknown()
    found = [evaluation.fits(one, value) for one in argument]
    if found.count(True) > 1 or not (True in found or None in found):
        return ""
    return evaluation.unknown() if None in found else None


def _not(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    fits = evaluation.fits(argument, value)
    return evaluation.unknown() if fits is None else "" if fits else None


def _if(evaluation: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any]) -> str | None:
    condition = evaluation.fits(argument, value)
    if condition is None:
        return evaluation.unknown()
    return evaluation.failure(schema.get("then" if condition else "else", True), value)


CHECKS: dict[str, _Check] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound(operator.ge),
    "maximum": _bound(operator.le),
    "exclusiveMinimum": _bound(operator.gt, "minimum"),
    "exclusiveMaximum": _bound(operator.lt, "maximum"),
    "multipleOf": _multiple_of,
    "minLength": _size(str, operator.ge),
    "maxLength": _size(str, operator.le),
    "pattern": _pattern,
    "items": _items,
    "prefixItems": _prefix_items,
    "contains": _contains,
    "minItems": _size(list, operator.ge),
    "maxItems": _size(list, operator.le),
    "uniqueItems": _unique_items,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "required": _required,
    "dependentRequired": _dependent_required,
    "minProperties": _size(dict, operator.ge),
    "maxProperties": _size(dict, operator.le),
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
}
