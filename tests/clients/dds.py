"""The ROS 2 node on real DDS at the gateway of `GATEWAY_URL`: names and types on the wire are those of ROS.

A program, because `cyclonedds` is in the environment of `make clients`. With an argument it is the node itself: the
stand-in for rclpy, over Cyclone DDS. ROS puts `rt` before the name of a topic, and the type `std_msgs/msg/String` is
`std_msgs::msg::dds_::String_`. It ends with 1 at the first surprise.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Nothing but this machine takes part.
os.environ["CYCLONEDDS_URI"] = """<CycloneDDS><Domain>
<General><Interfaces><NetworkInterface name="lo"/></Interfaces><AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>"""

from cyclonedds.core import Listener, Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.examples.ros2 import stand_in  # noqa: E402 - found by the path above
from tests.support.waits import until  # noqa: E402

#: The profile that rclpy makes of the number 10.
QOS = Qos(Policy.Reliability.Reliable(duration(seconds=1)), Policy.History.KeepLast(10))


@dataclass
class Wire(IdlStruct, typename="std_msgs::msg::dds_::String_"):
    """std_msgs/msg/String as ROS writes it."""

    data: str


class Dds:
    """A bus of the stand-in: strings on DDS topics."""

    def __init__(self, domain: int) -> None:
        self._participant = DomainParticipant(domain)
        self._kept: list[Any] = []

    def advertise(self, topic: str, kind: type) -> Callable[[Any], None]:
        writer = self._writer(topic)
        return lambda message: writer.write(Wire(data=message.data))

    def subscribe(self, topic: str, kind: type, deliver: Callable[[Any], None]) -> None:
        class Arrived(Listener):
            def on_data_available(self, reader: Any) -> None:
                for sample in reader.take(10):
                    if isinstance(sample, Wire):
                        deliver(stand_in.String(data=sample.data))

        topic_ = Topic(self._participant, f"rt{topic}", Wire)
        listener = Arrived()  # type: ignore[no-untyped-call]  # of the package
        self._kept += [listener, DataReader(self._participant, topic_, qos=QOS, listener=listener)]

    def publish_when_read(self, topic: str, text: str) -> None:
        """Publish a text as soon as somebody reads the topic."""
        writer = self._writer(topic)
        until(writer.get_matched_subscriptions, what=f"the node reads {topic}")
        writer.write(Wire(data=text))

    def _writer(self, topic: str) -> Any:
        writer = DataWriter(self._participant, Topic(self._participant, f"rt{topic}", Wire), qos=QOS)
        self._kept.append(writer)
        return writer


def run_node(given: dict[str, Any]) -> None:
    world = stand_in.World(Dds(given.pop("domain")), given)
    stand_in.install(world).main()


def say(text: str) -> str:
    return f"[[sim say={base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}]]"


def main() -> None:
    domain = os.getpid() % 200 + 1
    given = json.dumps({"gateway_url": os.environ["GATEWAY_URL"], "domain": domain})
    node = subprocess.Popen([sys.executable, __file__, given])
    try:
        bus = Dds(domain)
        heard: dict[str, list[str]] = {topic: [] for topic in ("/tts_text", "/bpu_chat/answer", "/bpu_chat/status")}
        for topic, texts in heard.items():
            bus.subscribe(topic, str, lambda message, texts=texts: texts.append(message.data))  # type: ignore[misc]
        bus.publish_when_read("/asr_text", f"你好，{say('秘密。</think>好的，我去拿3.5升水。')}")
        until(lambda: heard["/tts_text"] and heard["/bpu_chat/answer"], what=str(heard))
        assert heard["/tts_text"] == ["好的，我去拿3点5升水。"], heard
        assert heard["/bpu_chat/answer"] == ["好的，我去拿3.5升水。"], heard
        until(lambda: '"state": "idle"' in str(heard["/bpu_chat/status"]), what=str(heard))
    finally:
        node.terminate()
        node.wait(10)
    print("ROS 2 node over DDS (cyclonedds): fine")


if __name__ == "__main__":
    if sys.argv[1:]:
        run_node(json.loads(sys.argv[1]))
    else:
        main()
