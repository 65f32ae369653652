"""Sums, differences, products and quotients that a question contains, worked out exactly. Pure."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast

#: Longer expressions are ignored, because parsing them could need a deep stack.
_MAX_CHARACTERS = 100
_OPERATORS = {"加上": "+", "加": "+", "减去": "-", "减": "-", "乘以": "*", "乘": "*", "除以": "/"}
_OPERATORS |= {"x": "*", "×": "*", "÷": "/", "−": "-"}
_BETWEEN_NUMBERS = re.compile(rf"(?<=[\d)])\s{{0,9}}({'|'.join(_OPERATORS)})\s{{0,9}}(?=[\d(-])")
_EXPRESSION = re.compile(r"(?<![A-Za-z0-9_.])[-(]{0,9}\d[\d\s.()+*/-]{0,200}[\d)](?!\.?[A-Za-z0-9_])")


class Equation(NamedTuple):
    """`expression` as it was understood. `value` is None after a division by zero."""

    expression: str
    value: Fraction | None

    def text(self) -> str:
        """Return `1 + 1 = **2**`; `≈` stands for a value without a short form.

        The decimal form is meant. Needs a value.
        """
        assert self.value is not None
        if self.value.denominator == 1:
            return f"{self.expression} = **{self.value}**"
        decimal = f"{float(self.value):.12g}"
        sign = "=" if Fraction(decimal) == self.value else "≈"
        return f"{self.expression} {sign} **{decimal}**"


def find_equation(question: str) -> Equation | None:
    """The first expression with an operator in `question`, worked out; None if there is none."""
    text = _BETWEEN_NUMBERS.sub(lambda match: _OPERATORS[match.group(1)], question)
    equations = (_equation(match.group().strip()) for match in _EXPRESSION.finditer(text))
    return next((equation for equation in equations if equation is not None), None)


def _equation(expression: str) -> Equation | None:
    import ast  # imported here, because the program must start quickly

    if len(expression) > _MAX_CHARACTERS:
        return None
    try:
        tree = ast.parse(expression, mode="eval").body
        return Equation(ast.unparse(tree), _value(tree)) if isinstance(tree, ast.BinOp) else None
    except ZeroDivisionError:
        return Equation(ast.unparse(tree), None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    """The exact value of a tree of numbers and operators; ValueError for others."""
    import ast

    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if not isinstance(node, ast.BinOp):
        raise ValueError(ast.dump(node))
    left, right = _value(node.left), _value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    if isinstance(node.op, ast.Div):
        return left / right
    raise ValueError(ast.dump(node))
