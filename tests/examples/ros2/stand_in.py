"""The few calls of rclpy and the few messages that the node uses, over a bus of this test's choice.

ROS is not to be had from PyPI or Debian. What differs from ROS is said here: one executor thread, and `spin` that runs
timers and what the bus delivers. Wrong types are errors, as in rclpy.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar, Protocol


class Bus(Protocol):
    """Carries the messages. `deliver` puts a callback into the executor's queue."""

    def advertise(self, topic: str, kind: type) -> Callable[[Any], None]: ...

    def subscribe(self, topic: str, kind: type, deliver: Callable[[Any], None]) -> None: ...


class Memory:
    """A bus within this process. `sent` is everything that was published: topic, text, when."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, float]] = []
        self._subscribers: dict[str, list[Callable[[Any], None]]] = {}

    def advertise(self, topic: str, kind: type) -> Callable[[Any], None]:
        def publish(message: Any) -> None:
            self.sent.append((topic, message.data, time.monotonic()))
            self.publish(topic, message)

        return publish

    def subscribe(self, topic: str, kind: type, deliver: Callable[[Any], None]) -> None:
        self._subscribers.setdefault(topic, []).append(deliver)

    def publish(self, topic: str, message: Any) -> None:
        for deliver in self._subscribers.get(topic, []):
            deliver(message)

    def texts(self, topic: str) -> list[str]:
        return [text for name, text, _ in self.sent if name == topic]


class Message:
    """A message with the given fields; other names are refused, and a string field takes strings alone."""

    fields: ClassVar[dict[str, Any]] = {}

    def __init__(self, **values: Any) -> None:
        assert set(values) <= set(self.fields), values
        for name, default in self.fields.items():
            value = values.get(name, default)
            assert not isinstance(default, str) or isinstance(value, str), f"{name} must be a string"
            if isinstance(value, str):
                value.encode("utf-8")
            setattr(self, name, value)


class String(Message):
    fields: ClassVar[dict[str, Any]] = {"data": ""}


class Image(Message):
    fields: ClassVar[dict[str, Any]] = {
        "height": 0,
        "width": 0,
        "encoding": "",
        "is_bigendian": 0,
        "step": 0,
        "data": b"",
    }


class CompressedImage(Message):
    fields: ClassVar[dict[str, Any]] = {"format": "", "data": b""}


class World:
    """What `rclpy.init` makes: bus, parameters by name, and the executor's queue."""

    def __init__(self, bus: Bus, parameters: dict[str, Any]) -> None:
        self.bus = bus
        self.parameters = parameters
        self.queue: queue.Queue[Callable[[], None]] = queue.Queue()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.ended = threading.Event()
        self.log: list[str] = []

    def spin(self) -> None:
        due = [time.monotonic() + period for period, _ in self.timers]
        while not self.ended.is_set():
            now = time.monotonic()
            for number, (period, callback) in enumerate(self.timers):
                if due[number] <= now:
                    due[number] = now + period
                    callback()
            try:
                self.queue.get(timeout=max(0.001, min(due, default=now + 0.05) - now))()
            except queue.Empty:
                continue


class Parameter:
    def __init__(self, value: Any) -> None:
        self.value = value


class Publisher:
    def __init__(self, kind: type, publish: Callable[[Any], None], ended: threading.Event) -> None:
        self._kind = kind
        self._publish = publish
        self._ended = ended

    def publish(self, message: Any) -> None:
        assert isinstance(message, self._kind)
        if self._ended.is_set():
            raise RuntimeError("Failed to publish: publisher's context is invalid")  # as rclpy's RCLError says
        self._publish(message)


class Logger:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def _log(self, text: str) -> None:
        self._lines.append(text)

    info = warning = error = _log


def modules(world: World) -> dict[str, ModuleType]:
    """The modules that the node imports."""

    class Node:
        def __init__(self, name: str) -> None:
            self._name = name

        def declare_parameter(self, name: str, value: Any) -> Parameter:
            assert value != [], "rclpy cannot tell the type of an empty list"
            given = world.parameters.get(name, value)
            assert type(given) is type(value), f"parameter {name} is declared as {type(value).__name__}"
            return Parameter(given)

        def create_publisher(self, kind: type, topic: str, qos: Any) -> Publisher:
            assert isinstance(qos, (int, QoSProfile))
            return Publisher(kind, world.bus.advertise(self._full(topic), kind), world.ended)

        def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
            # Reliable by default, which a best-effort publisher, as many cameras are, does not match.
            reliable = not isinstance(qos, QoSProfile) or qos.reliability == 1
            assert reliable == (kind is String), topic
            deliver = lambda message: world.queue.put(lambda: callback(message))  # noqa: E731
            world.bus.subscribe(self._full(topic), kind, deliver)

        def create_timer(self, period_s: float, callback: Callable[[], None]) -> None:
            world.timers.append((period_s, callback))

        def get_logger(self) -> Logger:
            return Logger(world.log)

        def destroy_node(self) -> None:
            world.log.append("destroyed")

        def _full(self, topic: str) -> str:
            return f"/{self._name}/{topic[2:]}" if topic.startswith("~/") else f"/{topic.lstrip('/')}"

    class QoSProfile:
        def __init__(self, *, depth: int, durability: int = 2, reliability: int = 1) -> None:
            assert depth > 0
            assert {durability, reliability} <= {1, 2}
            self.reliability = reliability

    def module(name: str, **names: Any) -> ModuleType:
        made = ModuleType(name)
        made.__dict__.update(names)
        return made

    shutdown = type("ExternalShutdownException", (Exception,), {})
    return {
        "rclpy": module(
            "rclpy",
            init=lambda args=None: None,
            spin=lambda node: world.spin(),
            ok=lambda: not world.ended.is_set(),
            shutdown=world.ended.set,
        ),
        "rclpy.executors": module("rclpy.executors", ExternalShutdownException=shutdown),
        "rclpy.node": module("rclpy.node", Node=Node),
        "rclpy.qos": module(
            "rclpy.qos",
            QoSProfile=QoSProfile,
            DurabilityPolicy=type("DurabilityPolicy", (), {"TRANSIENT_LOCAL": 1}),
            ReliabilityPolicy=type("ReliabilityPolicy", (), {"BEST_EFFORT": 2}),
        ),
        "std_msgs": module("std_msgs"),
        "std_msgs.msg": module("std_msgs.msg", String=String),
        "sensor_msgs": module("sensor_msgs"),
        "sensor_msgs.msg": module("sensor_msgs.msg", Image=Image, CompressedImage=CompressedImage),
    }


def install(world: World) -> Any:
    """Put the stand-in in place of ROS, and give the node's module, loaded anew."""
    sys.modules.update(modules(world))
    sys.modules.pop("bpu_chat.node", None)
    import bpu_chat.node

    return bpu_chat.node
