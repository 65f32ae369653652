"""Lets a language model move an arm safely.

It uses two tools, the openai package, and a simulated arm.

    python examples/robot_arm.py "帮我拿杯水"                  # shows the plan, and moves nothing
    python examples/robot_arm.py --execute "Bring me a cup"    # asks before each plan
    python examples/robot_arm.py --execute --allow move_to,grasp "帮我拿杯水"    # does not ask for these
    python examples/robot_arm.py --execute --ros2 arm.json     # a real arm: see robot_arm_ros2.py

What makes it safe is worth copying, whatever the arm:
- Nothing moves before the whole answer is there. A stream that breaks off, ends in an error or is cut by a limit has
  half a call in it at worst, and half a call is no call.
- The tools' schema has limits, and every call is checked again on this side: the tool is known, the arguments are what
  it takes, the point is within reach, the speed is slow. The model's word is never enough.
- All calls of an answer are checked, then shown as a plan, then confirmed by a person or by a list of tools that need
  no word; only then the first one is carried out.
- A stop word ("停", "stop") is handled without the model, at once, also in the middle of a movement. After it the arm
  stands still until a person says "继续" or "resume".
- Without `--execute` nothing moves at all.

This is no safety device: a real arm needs an emergency stop that works without any computer.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

MODEL = "deepseek-r1:1.5b"
ROUNDS = 4  # answers asked for at most, until the model speaks instead of calling
MOST_STEPS = 6  # of one answer
SPEEDS = (0.02, 0.25)  # metres per second, slowest and fastest
SYSTEM = "You control a robot arm. Use the tools to fetch things: go to the thing, grasp it, then go to the user."

Point = tuple[float, float, float]


class Unsafe(Exception):
    """A call that the arm does not carry out.

    The words go back to the model.
    """


class Stopped(Exception):
    """A person has said a stop word."""


# The emergency stop


class EmergencyStop:
    """A stop word anywhere in a sentence sets it, and only a person clears it.

    Its methods may run in any thread.
    """

    #: ASCII, because a Chinese character is a letter else, and there is no end of a word between it and "stop".
    STOP = re.compile(r"停|别动|不要动|\b(?:stop|halt|freeze|emergency)\b", re.IGNORECASE | re.ASCII)
    RESUME = re.compile(r"\s*(?:继续|resume)\W*", re.IGNORECASE)

    def __init__(self) -> None:
        self._pressed = threading.Event()
        self._count = 0  # number of stops, so that a stopped request stays stopped after a resume
        self._count_at_begin = 0
        self.on_stop: list[Callable[[], None]] = []

    @property
    def pressed(self) -> bool:
        return self._pressed.is_set()

    def take(self, text: str) -> bool:
        """Handle a stop or resume word in `text`; return whether there was one."""
        if self.STOP.search(text):
            self.press()
            return True
        if self.RESUME.fullmatch(text):
            self._pressed.clear()
            return True
        return False

    def press(self) -> None:
        self._count += 1
        self._pressed.set()
        for stop in self.on_stop:
            stop()

    def begin(self) -> None:
        """Begin a new request. Raises `Stopped` while the stop is pressed."""
        self._count_at_begin = self._count
        self.check()

    def check(self) -> None:
        """Raise `Stopped` if the stop is pressed, or was pressed since the request began."""
        if self.pressed or self._count != self._count_at_begin:
            raise Stopped("A person has stopped the arm.")


# The arm


@dataclass
class Arm:
    """A simulated arm. Metres from its base; `say` gets each movement; without `execute` nothing moves.

    The points within reach and above the table are a convex body, so a straight line between two of them is safe too.
    A real arm overrides `move` and `close_gripper`.
    """

    execute: bool = False
    say: Callable[[str], None] = print
    stop: EmergencyStop = field(default_factory=EmergencyStop)
    pause: Callable[[float], object] = lambda seconds: None
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

    def find(self, place: str) -> Point:
        return self.places[self.name_of(place)]

    def name_of(self, place: str) -> str:
        name = next((known for word, known in self.words.items() if word in place), place.strip().lower())
        if name not in self.places:
            raise Unsafe(f"The arm does not know where {place[:40]!r} is. It knows {', '.join(self.places)}.")
        return name

    def is_within_reach(self, point: Point) -> bool:
        x, y, z = point
        return z >= self.lowest and (x * x + y * y + z * z) ** 0.5 <= self.reach

    def move(self, place: str, speed: float) -> None:
        """Move in small steps, and check for a stop before each."""
        start, end = self.position, self.find(place)
        length = sum((b - a) ** 2 for a, b in zip(start, end, strict=True)) ** 0.5
        steps = max(1, round(length / 0.02))
        for number in range(1, steps + 1):
            self.stop.check()
            self.pause(length / steps / speed)
            part = number / steps
            x, y, z = (a + (b - a) * part for a, b in zip(start, end, strict=True))
            self.position = (x, y, z)
        self.position = end

    def close_gripper(self) -> None:
        self.stop.check()


# Tools: the schema that the model sees, and the check of what it makes of it


def tools(arm: Arm) -> list[Any]:
    """Return the tools' schema with limits: places that the arm can reach, and speeds."""
    near = sorted(name for name, point in arm.places.items() if arm.is_within_reach(point))
    place = {"type": "string", "enum": near, "description": "Where to go"}
    speed = {"type": "number", "minimum": SPEEDS[0], "maximum": SPEEDS[1], "description": "Metres per second"}
    thing = {"type": "string", "description": "What to grasp"}
    return [
        tool("move_to", "Move the arm to a thing or a place.", {"place": place, "speed": speed}, ["place"]),
        tool("grasp", "Grasp the thing that the arm has been moved to.", {"thing": thing}, ["thing"]),
    ]


def tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


@dataclass(frozen=True)
class Call:
    """A tool call of the model, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Step:
    """A checked call; `words` is its text for a person."""

    call: Call
    arguments: Mapping[str, Any]

    @property
    def words(self) -> str:
        return f"{self.call.name}({', '.join(str(value) for value in self.arguments.values())})"


def plan(arm: Arm, calls: Sequence[Call]) -> list[Step]:
    """Return the steps of one answer. Raises `Unsafe` if one of them is not allowed."""
    if len(calls) > MOST_STEPS:
        raise Unsafe(f"{len(calls)} calls are too many; at most {MOST_STEPS} are carried out at once.")
    return [Step(call, valid_arguments(arm, call)) for call in calls]


def valid_arguments(arm: Arm, call: Call) -> dict[str, Any]:
    """Check and return the arguments of a call.

    Raises `Unsafe` if the arm cannot or may not do it.
    """
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        raise Unsafe(f"The arguments of {call.name[:40]} are not JSON.") from None
    known = {one["function"]["name"]: one["function"]["parameters"] for one in tools(arm)}.get(call.name)
    if known is None:
        raise Unsafe(f"There is no tool {call.name[:40]!r}.")
    if not isinstance(given, dict) or not set(known["required"]) <= set(given) <= set(known["properties"]):
        raise Unsafe(f"{call.name} takes {', '.join(known['properties'])}.")
    for name, value in given.items():
        if known["properties"][name]["type"] == "string":
            if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 40:
                raise Unsafe(f"{name} of {call.name} must be a short text.")
        elif type(value) not in (int, float) or not SPEEDS[0] <= value <= SPEEDS[1]:
            raise Unsafe(f"{name} of {call.name} must be a number from {SPEEDS[0]} to {SPEEDS[1]}.")
    if "place" in given:
        given["place"] = arm.name_of(given["place"])  # so that the plan names where the arm will go
        if not arm.is_within_reach(arm.find(given["place"])):
            raise Unsafe(f"{given['place']} is out of reach.")
    return given


def do(arm: Arm, step: Step) -> str:
    """Carry out one step, and return its result as a sentence."""
    arm.say(f"{'moving' if arm.execute else 'would do'}: {step.words}")
    if not arm.execute:
        return "Dry run: nothing was moved."
    arm.stop.check()
    if step.call.name == "move_to":
        arm.move(step.arguments["place"], step.arguments.get("speed", SPEEDS[1] / 2))
        result = f"The arm is at {step.arguments['place']}" + (f" and holds {arm.holds}." if arm.holds else ".")
    else:
        arm.close_gripper()
        arm.holds = step.arguments["thing"]
        result = f"The arm holds {arm.holds}."
    arm.moves.append(step.words)
    return result


# Confirmation

Approve = Callable[[Sequence[Step]], bool]


@dataclass
class Approval:
    """Asks a person to confirm a plan, unless all its tools are in `allowed`.

    No answer means no.
    """

    allowed: frozenset[str] = frozenset()
    ask: Callable[[str], str] = lambda question: ""

    def __call__(self, steps: Sequence[Step]) -> bool:
        if {step.call.name for step in steps} <= self.allowed:
            return True
        return self.ask("Carry it out? [y/N] ").strip().lower() in ("y", "yes", "是", "好", "可以")


class Keyboard:
    """Reads lines in its own thread, so that a stop word always works."""

    def __init__(self, lines: Iterable[str], stop: EmergencyStop) -> None:
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(lines, stop), daemon=True).start()

    def line(self, prompt: str) -> str | None:
        """Wait for the next line.

        None at the end of the input, "" after a stop word.
        """
        print(prompt, end="", flush=True)
        found = self._queue.get()
        if found is None:
            self._queue.put(None)
        return found

    def answer(self, question: str) -> str:
        """Show `question`, and return the next line.

        Lines typed before are dropped, so that they confirm nothing.
        """
        while not self._queue.empty():
            if self._queue.get() is None:
                self._queue.put(None)
                return ""
        return self.line(question) or ""

    def _read(self, lines: Iterable[str], stop: EmergencyStop) -> None:
        for line in lines:
            self._queue.put("" if stop.take(line) else line)
        self._queue.put(None)


# The conversation


def read(stream: Iterable[Any], arm: Arm) -> tuple[str, list[Call]]:
    """Read the whole answer: text and calls.

    There are no calls unless the finish reason is `tool_calls`. The package raises an error in the stream, so that
    nothing of a broken answer is returned.
    """
    words, finish = "", None
    parts: dict[int, dict[str, str]] = {}
    for chunk in stream:
        arm.stop.check()
        for choice in chunk.choices:
            words += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or []:
                part = parts.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                part["id"] += piece.id or ""
                part["name"] += piece.function.name or ""
                part["arguments"] += piece.function.arguments or ""
    if parts and finish != "tool_calls":
        arm.say(f"the answer was cut ({finish}): nothing is carried out")
        return words, []
    return words, [Call(**part) for _, part in sorted(parts.items())]


def carry_out(arm: Arm, calls: Sequence[Call], approve: Approve) -> list[dict[str, Any]]:
    """The results of `calls` as messages.

    All are checked, shown and confirmed before the first is carried out.
    """
    try:
        steps = plan(arm, calls)
    except Unsafe as error:
        arm.say(f"refused: {error}")
        return [result(call, f"Refused, nothing was moved: {error}") for call in calls]
    arm.say("plan: " + ", ".join(f"{number}. {step.words}" for number, step in enumerate(steps, 1)))
    if arm.execute and not approve(steps):
        arm.stop.check()
        return [result(call, "The person refused this plan; nothing was moved.") for call in calls]
    results = []
    for step in steps:
        try:
            results.append(result(step.call, do(arm, step)))
        except Unsafe as error:  # a real arm may find out on its way
            arm.say(f"failed: {error}")
            rest = steps[len(results) + 1 :]
            results.append(result(step.call, f"Failed: {error}"))
            return [*results, *(result(one.call, "Not done, because an earlier step failed.") for one in rest)]
    return results


def result(call: Call, words: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call.id, "content": words}


def fetch(
    client: openai.OpenAI, request: str, arm: Arm, *, approve: Approve, model: str = MODEL, image: Path | None = None
) -> str:
    """Ask until the model speaks instead of calling; its words.

    Raises `Stopped` at a stop word. `image` is a picture from the camera, for a model that sees.
    """
    if arm.stop.take(request):
        return "Stopped." if arm.stop.pressed else "Ready."
    arm.stop.begin()
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content(request, image)}]
    for _ in range(ROUNDS):
        with client.chat.completions.create(model=model, messages=messages, tools=tools(arm), stream=True) as stream:
            words, calls = read(stream, arm)
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
        messages += carry_out(arm, calls, approve)
    return "The model did not come to an end; the arm stays where it is."


def content(request: str, image: Path | None) -> Any:
    if image is None:
        return request
    kind = "png" if image.suffix.lower() == ".png" else "jpeg"
    data = base64.b64encode(image.read_bytes()).decode("ascii")
    url = {"url": f"data:image/{kind};base64,{data}"}
    return [{"type": "image_url", "image_url": url}, {"type": "text", "text": request}]


def main() -> None:
    parser = argparse.ArgumentParser(description="A language model that moves an arm; by default it pretends.")
    parser.add_argument("request", nargs="?", help="without it, requests are read line by line")
    parser.add_argument("--base-url", default=os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1"))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--execute", action="store_true", help="let the arm move; without it nothing does")
    parser.add_argument("--allow", default="", metavar="TOOLS", help="tools that need no confirmation, with commas")
    parser.add_argument("--image", type=Path, metavar="FILE", help="picture of the scene, for a model that sees")
    parser.add_argument("--ros2", type=Path, metavar="FILE", help="taught positions of a real arm (robot_arm_ros2.py)")
    options = parser.parse_args()
    stop = EmergencyStop()
    arm = Arm(execute=options.execute, stop=stop)
    if options.ros2:
        from robot_arm_ros2 import connect  # it needs ROS

        arm = connect(options.ros2, execute=options.execute, stop=stop)
    stop.on_stop.append(lambda: print("\nStopped. Say 继续 or resume to go on."))
    keyboard = Keyboard(sys.stdin, stop)
    approve = Approval(frozenset(filter(None, options.allow.split(","))), ask=keyboard.answer)
    client = openai.OpenAI(base_url=options.base_url, api_key=os.environ.get("OPENAI_API_KEY", "any"), timeout=600)
    while (request := options.request or keyboard.line("> ")) is not None:
        if request.strip():
            try:
                print(fetch(client, request, arm, approve=approve, model=options.model, image=options.image))
            except Stopped as stopped:
                print(stopped)
            except OSError as error:  # the picture
                raise SystemExit(str(error)) from None
            except openai.APIError as error:
                message = f"The answer failed, and nothing of it was carried out: {error.message}"
                if options.request:
                    raise SystemExit(message) from None
                print(message)
        if options.request:
            break


if __name__ == "__main__":
    main()
