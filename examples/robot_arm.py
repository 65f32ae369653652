"""A language model that moves an arm: two tools, the openai package, and an arm that only pretends.

    python examples/robot_arm.py "帮我拿杯水"                 # tells what it would do, and does nothing
    python examples/robot_arm.py --execute "Bring me a cup"   # the pretended arm moves

What makes it safe is worth copying, whatever the arm:
- Nothing moves before the whole answer is there. A stream that breaks off, ends in an error or is cut by a limit has
  half a call in it at worst, and half a call is no call.
- Calls are checked again on this side: the tool is known, the arguments are what it takes, the point is within reach.
- All calls of an answer are checked before the first one is carried out.
- Without `--execute` nothing moves at all.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import openai

MODEL = "deepseek-r1:1.5b"
ROUNDS = 4  # answers asked for at most, until the model speaks instead of calling
SYSTEM = "You control a robot arm. Use the tools to fetch things: go to the thing, grasp it, then go to the user."

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "move_to",
            "description": "Move the arm to a thing or a place, for example water, table, user, home.",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string", "description": "Where to go"}},
                "required": ["place"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "grasp",
            "description": "Grasp the thing that the arm has been moved to.",
            "parameters": {
                "type": "object",
                "properties": {"thing": {"type": "string", "description": "What to grasp"}},
                "required": ["thing"],
            },
        },
    },
]

Point = tuple[float, float, float]


class Unsafe(Exception):
    """A call that the arm does not carry out. The words go back to the model."""


@dataclass
class Arm:
    """A pretended arm. Metres from its base; `say` is told each movement; without `execute` nothing moves."""

    execute: bool = False
    say: Callable[[str], None] = print
    reach: float = 0.8
    lowest: float = 0.02
    position: Point = (0.2, 0.0, 0.3)
    holds: str = ""
    moves: list[str] = field(default_factory=list)
    places: Mapping[str, Point] = field(
        default_factory=lambda: {
            "water": (0.45, 0.20, 0.12),
            "table": (0.40, 0.00, 0.10),
            "user": (0.50, -0.35, 0.25),
            "home": (0.20, 0.00, 0.30),
            "cellar": (0.30, 0.00, -0.90),  # out of reach on purpose: a place in a list is not yet a safe place
        }
    )
    words: Mapping[str, str] = field(
        default_factory=lambda: {
            "水": "water",
            "杯": "water",
            "cup": "water",
            "桌": "table",
            "我": "user",
            "用户": "user",
        }
    )

    def check(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Raises `Unsafe` unless the arm can and may do this."""
        wanted = {"move_to": "place", "grasp": "thing"}.get(name)
        if wanted is None:
            raise Unsafe(f"There is no tool {name!r}.")
        if set(arguments) != {wanted} or not isinstance(arguments[wanted], str):
            raise Unsafe(f"{name} takes one argument, the text `{wanted}`.")
        if name == "move_to":
            x, y, z = self.find(arguments[wanted])
            if z < self.lowest or (x * x + y * y + z * z) ** 0.5 > self.reach:
                raise Unsafe(f"{arguments[wanted]} is out of reach.")

    def do(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Carry a call out, and say what came of it."""
        self.check(name, arguments)
        what = next(iter(arguments.values()))
        self.say(f"{'moving' if self.execute else 'would do'}: {name}({what})")
        if not self.execute:
            return "Dry run: nothing was moved."
        self.moves.append(f"{name}({what})")
        if name == "move_to":
            self.position = self.find(what)
            return f"The arm is at {what}" + (f" and holds {self.holds}." if self.holds else ".")
        self.holds = what
        return f"The arm holds {what}."

    def find(self, place: str) -> Point:
        name = next((known for word, known in self.words.items() if word in place), place.strip().lower())
        if name not in self.places:
            raise Unsafe(f"Nobody has told the arm where {place!r} is. It knows {', '.join(self.places)}.")
        return self.places[name]


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: str


def read(stream: Iterable[Any], say: Callable[[str], None]) -> tuple[str, list[Call]]:
    """The whole answer: its words and its calls. The calls are empty unless the model ended with `tool_calls`.

    An error in the stream is raised by the package, so that nothing of a broken answer is ever returned.
    """
    words, parts, finish = "", {}, None
    for chunk in stream:
        for choice in chunk.choices:
            words += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or []:
                part = parts.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                part["id"] += piece.id or ""
                part["name"] += piece.function.name or ""
                part["arguments"] += piece.function.arguments or ""
    if parts and finish != "tool_calls":
        say(f"the answer was cut ({finish}): nothing is carried out")
        return words, []
    return words, [Call(**part) for _, part in sorted(parts.items())]


def carry_out(arm: Arm, calls: list[Call]) -> list[dict[str, Any]]:
    """The results of `calls` as messages. All are checked before the first is carried out."""
    try:
        wanted = [(call, json.loads(call.arguments)) for call in calls]
        for call, arguments in wanted:
            arm.check(call.name, arguments)
    except (Unsafe, ValueError) as error:
        arm.say(f"refused: {error}")
        return [result(call, f"Refused, nothing was moved: {error}") for call in calls]
    return [result(call, arm.do(call.name, arguments)) for call, arguments in wanted]


def result(call: Call, words: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call.id, "content": words}


def fetch(client: openai.OpenAI, wish: str, arm: Arm, model: str = MODEL) -> str:
    """Ask until the model speaks instead of calling; its words."""
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": wish}]
    for _ in range(ROUNDS):
        stream = client.chat.completions.create(model=model, messages=messages, tools=TOOLS, stream=True)
        words, calls = read(stream, arm.say)
        if not calls:
            return words
        functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
        messages.append(
            {
                "role": "assistant",
                "content": words or None,
                "tool_calls": [
                    {"id": call.id, "type": "function", "function": function}
                    for call, function in zip(calls, functions, strict=True)
                ],
            }
        )
        messages += carry_out(arm, calls)
    return "The model did not come to an end; the arm stays where it is."


def main() -> None:
    parser = argparse.ArgumentParser(description="A language model that moves a pretended arm.")
    parser.add_argument("wish", nargs="?", default="帮我拿杯水")
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1"))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--execute", action="store_true", help="let the arm move; without it nothing does")
    options = parser.parse_args()
    arm = Arm(execute=options.execute)
    client = openai.OpenAI(base_url=options.base_url, api_key=os.environ.get("OPENAI_API_KEY", "any"), timeout=600)
    try:
        print(fetch(client, options.wish, arm, options.model))
    except openai.APIError as error:
        raise SystemExit(f"The answer failed, and nothing of it was carried out: {error.message}") from None


if __name__ == "__main__":
    main()
