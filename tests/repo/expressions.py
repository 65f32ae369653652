"""Finds every regular expression of the project, makes texts that are hard for it, and measures how its cost grows.

Run as a program it measures, in a process of its own that a test can end: `python -m tests.repo.expressions`. It prints
a JSON line for each expression before it is tried, and one for each whose cost grows faster than the text.
"""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import bpu

if sys.version_info >= (3, 11):
    from re import _constants as constants
    from re import _parser as parser
else:
    import sre_constants as constants
    import sre_parse as parser

PROJECT = Path(__file__).parents[2]
STATIC = PROJECT / "bpu/web/static"
#: Characters of the longest text; a fourth of it is measured, too, and a sixteenth first of all.
LENGTH = 100_000
#: So many texts of an expression are tried at their full length.
TRIED_IN_FULL = 8
#: Four times the text costs about four times as much; sixteen times as much where the cost is quadratic.
MOST_GROWTH = 9.0
#: Below so many seconds a growth tells nothing.
WORTH_A_LOOK_S = 0.05
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)
#: Programs, not libraries.
_NOT_IMPORTED = ("__main__",)
#: What reads no text of a stranger, or none that is long, by the beginning of its name; and why.
NOT_TRIED = {
    "bpu.simulator.": "a program for development and tests",
    "bpu.bench.": "reads what it has written itself",
    "bpu.board.checks.": "reads files and output of the board's own programs",
    "bpu.settings:": "reads the settings",
    "bpu.console.stats:": "reads lines that `bpu/console` has cut to 1000 bytes",
    "bpu.console.idle:": "is matched at the beginning of a line alone",
}


class Hostile(NamedTuple):
    """A text of any length: `before`, then `pump` again and again, then `behind`."""

    before: str
    pump: str
    behind: str

    def text(self, length: int) -> str:
        return self.before + self.pump * (length // max(1, len(self.pump))) + self.behind


# Texts


def hostile(pattern: str) -> set[Hostile]:
    """Texts that begin as `pattern` wants and then go on with what one of its repetitions takes."""
    tree = parser.parse(pattern)
    whole = _sample(tree)
    ends = ("", "\x01", whole[:1] + "\x01")
    found = {Hostile("", text, end) for text in (whole, whole[:-1], whole[1:]) if text for end in ends}
    for before, body in _repetitions(tree, ""):
        pumps = {body, body[:1], before[-1:], " ", "\n", *(body + other for _, other in _repetitions(tree, ""))}
        found |= {Hostile(start, pump, end) for pump in pumps if pump for start in (before, "") for end in ends}
    return found


def _repetitions(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    """What stands before each repetition in `tree`, and one turn of it."""
    for kind, argument in tree:
        if kind in _REPEATS:
            yield before, _sample(argument[2])
            yield from _repetitions(argument[2], before)
        for inner in _inner(kind, argument):
            yield from _repetitions(inner, before)
        before += _of(kind, argument)


def _inner(kind: Any, argument: Any) -> list[Any]:
    if kind is constants.SUBPATTERN:
        return [argument[3]]
    if kind is constants.BRANCH:
        return list(argument[1])
    return [argument[1]] if kind in (constants.ASSERT, constants.ASSERT_NOT) else []


def _sample(tree: Any) -> str:
    return "".join(_of(kind, argument) for kind, argument in tree)


def _of(kind: Any, argument: Any) -> str:
    """A short text that an element of an expression takes."""
    if kind is constants.LITERAL:
        return chr(argument)
    if kind is constants.NOT_LITERAL:
        return "a" if argument != ord("a") else "b"
    if kind is constants.ANY:
        return "a"
    if kind is constants.IN:
        return _of_class(argument)
    if kind in _REPEATS:
        return _sample(argument[2]) * max(1, min(int(argument[0]), 8))
    if kind in (constants.ASSERT, constants.ASSERT_NOT, constants.AT, constants.GROUPREF):
        return ""
    return _sample(_inner(kind, argument)[0]) if _inner(kind, argument) else ""


_CATEGORIES = {
    constants.CATEGORY_SPACE: " ",
    constants.CATEGORY_DIGIT: "1",
    constants.CATEGORY_WORD: "a",
    constants.CATEGORY_NOT_WORD: "-",
}


def _of_class(members: Any) -> str:
    kinds = dict(members)
    if constants.NEGATE in kinds:
        taken = re.compile("[" + "".join(_class_part(*one) for one in members if one[0] is not constants.NEGATE) + "]")
        return next(one for one in "a 1-[(<{\"'\\\n" if not taken.match(one))
    kind, argument = members[0]
    if kind is constants.LITERAL:
        return chr(argument)
    return chr(argument[0]) if kind is constants.RANGE else _CATEGORIES.get(argument, "a")


def _class_part(kind: Any, argument: Any) -> str:
    if kind is constants.LITERAL:
        return re.escape(chr(argument))
    if kind is constants.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    return {
        constants.CATEGORY_SPACE: r"\s",
        constants.CATEGORY_DIGIT: r"\d",
        constants.CATEGORY_WORD: r"\w",
        constants.CATEGORY_NOT_WORD: r"\W",
    }[argument]


# Expressions


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(bpu.__path__, "bpu."):
        if found.name.rpartition(".")[2] not in _NOT_IMPORTED:
            yield importlib.import_module(found.name)


def compiled() -> dict[str, re.Pattern[Any]]:
    """Every expression that a module of the project holds, however deep, by the module's name and a number."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in modules():
        seen: set[int] = set()
        for number, pattern in enumerate(_held(vars(module), seen, 0)):
            if pattern not in found.values():
                found[f"{module.__name__}:{number}"] = pattern
        for line, pattern in _literals(Path(module.__file__)):
            if pattern not in found.values():
                found[f"{module.__name__}:line {line}"] = pattern
    return found


def _held(value: Any, seen: set[int], depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 6 and id(value) not in seen:
        seen.add(id(value))
        for one in _members(value):
            yield from _held(one, seen, depth + 1)


def _members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    if type(value).__module__.startswith("bpu."):
        return [getattr(value, name) for name in (*getattr(value, "__dict__", ()), *getattr(value, "__slots__", ()))]
    return []


def _literals(path: Path) -> Iterator[tuple[int, re.Pattern[Any]]]:
    """The expressions that are written where they are used: `re.sub(r"...", ...)`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_call = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")
        first = node.args[0] if is_call and node.args else None  # type: ignore[attr-defined]
        if isinstance(first, ast.Constant) and isinstance(first.value, (str, bytes)):
            yield node.lineno, re.compile(first.value)  # type: ignore[attr-defined]


#: A literal stands behind an operator or a bracket; behind anything else a slash divides.
_SCRIPT = re.compile(
    r"(?:(?<=[(,=:!&|?\[])|(?<=[(,=:!&|?\[] )|(?<=return ))"
    r"/(?![/*])((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([a-z]*)(?=[.,;)\s])"
)
_OTHER_SPELLINGS = ((r"\p{L}", "A-Za-z"), (r"\p{N}", "0-9"), ("[^]", r"[\s\S]"), (r"\/", "/"), ("[[", r"[\["))


def of_the_page() -> dict[str, tuple[str, str]]:
    """Every expression in the page's JavaScript, and its flags, by file and line."""
    found = {}
    for path in sorted(STATIC.glob("*.js")):  # the libraries in `vendor` are tried through what draws an answer
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for match in _SCRIPT.finditer(line):
                found[f"{path.name}:{number}:{match.start()}"] = match[1], match[2]
    return found


def in_python(source: str) -> str:
    """An expression of JavaScript so that Python can read it, to make texts for it."""
    for theirs, ours in _OTHER_SPELLINGS:
        source = source.replace(theirs, ours)
    return source


# Measuring


def seconds(pattern: re.Pattern[Any], text: str) -> float:
    data: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    began = time.process_time()
    for _ in pattern.finditer(data):
        pass
    return time.process_time() - began


def slow_text(pattern: re.Pattern[Any], attacks: Iterable[Hostile]) -> Hostile | None:
    """A text of which four times as much costs far more than four times as much; the dearest are tried in full."""
    costs = {}
    for attack in attacks:
        first, costs[attack] = (seconds(pattern, attack.text(length)) for length in (LENGTH // 16, LENGTH // 4))
        if _grows(first, costs[attack]) and _grows_again(pattern, attack, LENGTH // 4):
            return attack
    for attack in sorted(costs, key=lambda attack: -costs[attack])[:TRIED_IN_FULL]:
        full = seconds(pattern, attack.text(LENGTH))
        if _grows(costs[attack], full) and _grows_again(pattern, attack, LENGTH):
            return attack
    return None


def _grows(before: float, now: float) -> bool:
    return now > WORTH_A_LOOK_S and now > MOST_GROWTH * before


def _grows_again(pattern: re.Pattern[Any], attack: Hostile, length: int) -> bool:
    """Other work of the machine does not come three times."""
    shorter, longer = attack.text(length // 4), attack.text(length)
    return all(_grows(seconds(pattern, shorter), seconds(pattern, longer)) for _ in range(2))


def main() -> None:
    for name, pattern in compiled().items():
        if name.startswith(tuple(NOT_TRIED)):
            continue
        source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        print(json.dumps({"tried": name}), flush=True)
        if (text := slow_text(pattern, sorted(hostile(source)))) is not None:
            print(json.dumps({"slow": name, "pattern": source, "text": text}), flush=True)


if __name__ == "__main__":
    main()
