"""The ROS 2 node: topics in, topics out.

The logic is in `dialogue.py`; this is a thin shell of rclpy. Threads: callbacks and the timer run in the executor's
thread; each request is read by a thread of its own. Both hold `_lock` while they ask the dialogue and publish, so
nothing of an interrupted answer is published after its successor.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from bpu_chat.dialogue import STOP_WORDS, Abort, Action, Answer, Ask, Dialogue, Partial, Report, Say, State
from bpu_chat.gateway import ChatStream, GatewayClient, GatewayError
from bpu_chat.images import UnsupportedImage, compressed_uri, data_uri
from bpu_chat.pacing import Pacer
from bpu_chat.speech import SpeechSplitter

SYSTEM = "你是一个机器人。请用一两句口语简短回答，不要使用列表、表格、代码和表情符号。"
#: Every parameter with its default; the launch file and config/bpu_chat.yaml name no others.
PARAMETERS: dict[str, Any] = {
    "gateway_url": "http://127.0.0.1:8000",
    "model": "deepseek-r1:1.5b",
    "prompt_topic": "/asr_text",
    "tts_topic": "/tts_text",
    "image_topic": "",
    "image_max_age_s": 2.0,
    "system_prompt": SYSTEM,
    "thinking": False,
    "max_tokens": 512,
    "memory_turns": 4,
    "barge_in": True,
    "stop_words": list(STOP_WORDS),
    "language": "zh",
    "first_chars": 4,
    "segments_ahead": 2,
}
TICK_S = 0.05
#: Requests that are being cancelled and whose threads have not ended yet; more than this is refused.
MAX_THREADS = 32


class BpuChat(Node):  # type: ignore[misc]
    """Node `bpu_chat`: sends recognised speech to the gateway, and publishes the answer piece by piece."""

    def __init__(self) -> None:
        super().__init__("bpu_chat")
        values = {name: self.declare_parameter(name, default).value for name, default in PARAMETERS.items()}
        # A parameter can be read by every node, so the key is taken from the environment.
        key = os.environ.get("OPENAI_API_KEY", "")
        self._client = GatewayClient(values["gateway_url"], key=key, model=values["model"])
        self._fields: dict[str, Any] = {"max_tokens": int(values["max_tokens"])}
        if not values["thinking"]:
            self._fields["enable_thinking"] = False
        self._dialogue = Dialogue(
            pacer=Pacer(ahead=int(values["segments_ahead"])),
            splitter=functools.partial(
                SpeechSplitter, first_chars=int(values["first_chars"]), language=values["language"]
            ),
            system=values["system_prompt"],
            memory_turns=int(values["memory_turns"]),
            stop_words=tuple(values["stop_words"]),
            barge_in=values["barge_in"],
        )
        self._lock = threading.RLock()
        self._streams: dict[int, ChatStream] = {}
        self._threads: set[threading.Thread] = set()
        self._image: Any = None
        self._image_at = 0.0
        self._image_max_age_s = float(values["image_max_age_s"])
        self._speech = self.create_publisher(String, values["tts_topic"], 10)
        self._partial = self.create_publisher(String, "~/partial", 10)
        self._answer = self.create_publisher(String, "~/answer", 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = self.create_publisher(String, "~/status", latched)
        self.create_subscription(String, values["prompt_topic"], self._on_prompt, 10)
        self.create_subscription(String, "~/control", self._on_control, 10)
        if topic := values["image_topic"]:
            kind = CompressedImage if topic.endswith("/compressed") else Image
            # Best effort matches cameras of either kind; a reliable subscription gets nothing from a best-effort one.
            newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self.create_subscription(kind, topic, self._on_image, newest)
        self.create_timer(TICK_S, lambda: self._do(self._dialogue.tick))
        self._publish(Report(State.IDLE, 0))

    def close(self) -> None:
        """Cancel the request under way."""
        self._do(self._dialogue.cancel)

    # Topics in

    def _on_prompt(self, message: Any) -> None:
        self._do(self._dialogue.on_prompt, str(message.data), image=self._recent_image())

    def _recent_image(self) -> Any:
        """Return the newest image message, if new enough.

        It is encoded later, so that barge-in does not wait.
        """
        is_recent = time.monotonic() - self._image_at <= self._image_max_age_s
        return self._image if is_recent else None

    def _on_control(self, message: Any) -> None:
        """`cancel`, `forget`, `load` or `unload`, as plain text."""
        word = str(message.data).strip().lower()
        if word == "cancel":
            self._do(self._dialogue.cancel)
        elif word == "forget":
            self._do(self._dialogue.forget)
        elif word in ("load", "unload"):
            if word == "unload":
                self._do(self._dialogue.cancel)
            self._start(self._order, word)
        else:
            self.get_logger().warning(f"~/control takes cancel, forget, load or unload, not {word[:40]!r}")

    def _on_image(self, message: Any) -> None:
        self._image, self._image_at = message, time.monotonic()

    # What the dialogue wants done

    def _do(self, event: Callable[..., list[Action]], *arguments: Any, **more: Any) -> None:
        with self._lock:
            for action in event(*arguments, now=time.monotonic(), **more):
                self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, Ask):
            self._ask(action)
        elif isinstance(action, Abort):
            if (stream := self._streams.pop(action.turn, None)) is not None:
                stream.hang_up()
                self._start(stream.cancel)
        else:
            self._publish(action)

    def _publish(self, action: Say | Partial | Answer | Report) -> None:
        """Publish a text, but nothing after the end of ROS.

        A signal makes the publishers invalid before `close` is called.
        """
        if not rclpy.ok():
            return
        if isinstance(action, Report):
            body = {"state": action.state.value, "turn": action.turn, "error": action.error}
            if action.error:
                self.get_logger().error(action.error)
            self._status.publish(String(data=json.dumps(body, ensure_ascii=False)))
            return
        publisher = {Say: self._speech, Partial: self._partial, Answer: self._answer}[type(action)]
        # DDS strings are UTF-8 and end at the first zero.
        text = action.text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
        publisher.publish(String(data=text))

    def _ask(self, action: Ask) -> None:
        stream = self._client.chat(action.messages, **self._fields)
        if self._start(self._read, action.turn, stream, action.messages):
            self._streams[action.turn] = stream
        else:
            self._do(self._dialogue.on_error, action.turn, "Too many requests have not ended yet.")

    # Threads of requests

    def _start(self, target: Callable[..., None], *arguments: Any) -> bool:
        with self._lock:
            self._threads = {thread for thread in self._threads if thread.is_alive()}
            if len(self._threads) >= MAX_THREADS:
                return False
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            self._threads.add(thread)
        thread.start()
        return True

    def _read(self, turn: int, stream: ChatStream, messages: list[dict[str, Any]]) -> None:
        try:
            if isinstance(messages[-1]["content"], list):
                messages[-1] = self._with_picture(messages[-1])
            for text in stream.events():
                self._do(self._dialogue.on_content, turn, text)
            self._do(self._dialogue.on_end, turn)
        except GatewayError as error:
            self._do(self._dialogue.on_error, turn, error.message, code=error.code)
        except Exception as error:  # every error ends the turn with a report
            self._do(self._dialogue.on_error, turn, f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._streams.pop(turn, None)

    def _with_picture(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the question with its image as a data URI.

        The image is left out if it cannot be sent.
        """
        part, text = question["content"]
        message = part["image_url"]["url"]
        try:
            if not self._sees_images():
                raise UnsupportedImage("The model cannot see images.")
            if isinstance(message, CompressedImage):
                uri = compressed_uri(bytes(message.data))
            else:
                uri = data_uri(message.encoding, message.width, message.height, message.step, bytes(message.data))
        except UnsupportedImage as error:
            self.get_logger().warning(f"The image is left out: {error}")
            return {**question, "content": text["text"]}
        return {**question, "content": [{"type": "image_url", "image_url": {"url": uri}}, text]}

    def _sees_images(self) -> bool:
        """Whether the gateway lists a model that accepts images."""
        for entry in self._client.models():
            if entry.get("id") == self._client.model:
                architecture = entry.get("architecture")
                modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else ()
                return "image" in (modalities or ()) or "vision" in (entry.get("capabilities") or ())
        return False

    def _order(self, operation: str) -> None:
        try:
            self._client.engine(operation)
        except GatewayError as error:
            self._do(self._dialogue.on_failed_order, f"{operation}: {error.message}")


def main(args: list[str] | None = None) -> None:
    """Run the node until ROS ends it."""
    rclpy.init(args=args)
    node = BpuChat()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.close()
        node.destroy_node()
        if rclpy.ok():
            rclpy.shutdown()


if __name__ == "__main__":
    main()
