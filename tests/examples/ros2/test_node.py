"""The node on the real gateway, with a stand-in for rclpy: topics in, topics out."""

from __future__ import annotations

import json
import re
import runpy
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.examples import ros2
from tests.examples.ros2.stand_in import CompressedImage, Image, Memory, String, World, install
from tests.live.gateway import Gateway, running, sim
from tests.live.wire import say
from tests.support.pictures import RED, stripes
from tests.support.waits import until

# isort: split
from bpu_chat.dialogue import Partial

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("ros")) as started:
        yield started


class Robot:
    """A running node, and the bus that it is on."""

    def __init__(self, world: World, bus: Memory, node: Any) -> None:
        self.world, self.bus, self.node = world, bus, node

    def receive(self, text: str, topic: str = "/asr_text") -> None:
        self.bus.publish(topic, String(data=text))

    @property
    def spoken(self) -> list[str]:
        return self.bus.texts("/tts_text")

    @property
    def states(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.bus.texts("/bpu_chat/status")]

    def answers(self, count: int) -> list[str]:
        """The first `count` whole answers."""
        until(lambda: len(self.bus.texts("/bpu_chat/answer")) >= count, what=f"{self.bus.sent}")
        return self.bus.texts("/bpu_chat/answer")[:count]


@contextmanager
def robot(url: str, **parameters: Any) -> Iterator[Robot]:
    bus = Memory()
    world = World(bus, {"gateway_url": url, "segments_ahead": 1000, **parameters})
    module = install(world)
    nodes: list[Any] = []
    made = module.BpuChat

    def make() -> Any:
        nodes.append(made())
        return nodes[0]

    module.BpuChat = make
    thread = threading.Thread(target=module.main)
    thread.start()
    try:
        until(lambda: nodes and bus.texts("/bpu_chat/status"))
        yield Robot(world, bus, nodes[0])
    finally:
        world.ended.set()
        thread.join(10)
    assert not thread.is_alive()
    assert world.log[-1] == "destroyed"


@pytest.fixture
def start(gateway: Gateway) -> Iterator[Callable[..., Robot]]:
    with ExitStack() as stack:
        yield lambda **parameters: stack.enter_context(robot(gateway.url, **parameters))


def test_a_sentence_from_the_microphone_is_answered_in_sentences(start: Callable[..., Robot]) -> None:
    one = start()
    one.receive(f"你好 {say('秘密。想一想。</think>好的，**我**去拿3.5升水。😀马上回来！')}")
    assert one.answers(1) == ["好的，**我**去拿3.5升水。😀马上回来！"]
    assert one.spoken == ["好的，我去拿3点5升水。", "马上回来！"]
    assert "".join(one.bus.texts("/bpu_chat/partial")) == "好的，**我**去拿3.5升水。😀马上回来！"
    until(lambda: [state["state"] for state in one.states][:4] == ["idle", "waiting", "answering", "idle"], seconds=60)
    assert all(not state["error"] for state in one.states)


def test_topics_and_settings_are_parameters(start: Callable[..., Robot]) -> None:
    one = start(prompt_topic="/prompt_text", tts_topic="/say", system_prompt="", memory_turns=0)
    one.receive(say("</think>Fine."), "/prompt_text")
    one.answers(1)
    assert one.bus.texts("/say") == ["Fine."]
    assert one.spoken == []


def running_jobs(gateway: Gateway) -> list[str]:
    slots = gateway.slots()
    jobs = [slot["job"] for slot in slots["slots"] if slot["job"]] + slots["waiting"]
    return [job["id"] for job in jobs]


LONG = sim("讲个故事", tokens=4000, think=0, rate=100)


def test_a_new_sentence_cancels_the_job_and_silences_the_old_answer(
    start: Callable[..., Robot], gateway: Gateway
) -> None:
    one = start()
    one.receive(LONG)
    until(lambda: one.spoken)
    (job,) = running_jobs(gateway)
    one.receive(f"拿水 {say('</think>新的回答。')}")
    assert one.answers(1) == ["新的回答。"]
    assert job not in running_jobs(gateway)
    asked = next(number for number, (topic, text, _) in enumerate(one.bus.sent) if '"turn": 2' in text)
    later = [text for topic, text, _ in one.bus.sent[asked:] if topic == "/tts_text"]
    assert later == ["新的回答。"]


@pytest.mark.parametrize("how", ["stop word", "control"])
def test_a_stop_frees_the_bpu(start: Callable[..., Robot], gateway: Gateway, how: str) -> None:
    one = start()
    one.receive(LONG)
    until(lambda: one.spoken)
    if how == "control":
        one.receive("cancel", "/bpu_chat/control")
    else:
        one.receive("停！")
    until(lambda: not running_jobs(gateway))
    assert one.states[-1] == {"state": "idle", "turn": 1, "error": ""}
    assert one.bus.texts("/bpu_chat/answer") == []


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_ros_ends_the_job_and_the_node(gateway: Gateway) -> None:
    with robot(gateway.url) as one:
        one.receive(LONG)
        until(lambda: one.spoken)
    until(lambda: not running_jobs(gateway))
    assert one.bus.texts("/bpu_chat/answer") == [], "nothing is published after the end"


def test_the_model_is_unloaded_and_loaded_by_a_topic(start: Callable[..., Robot], gateway: Gateway) -> None:
    one = start()
    one.receive("unload", "/bpu_chat/control")
    gateway.wait_for("stopped")
    one.receive("load", "/bpu_chat/control")
    gateway.wait_for("ready")
    one.receive("dance", "/bpu_chat/control")
    until(lambda: any("dance" in line for line in one.world.log))
    assert gateway.state() == "ready", "an order that it does not know changes nothing"


def test_an_engine_that_crashes_is_reported_and_the_next_question_answered(start: Callable[..., Robot]) -> None:
    one = start()
    one.receive(sim("你好", fault="signal", after=5))
    until(lambda: one.states[-1]["error"])
    assert one.states[-1]["state"] == "idle"
    one.receive(say("</think>Back again."))
    assert one.answers(1) == ["Back again."]


def test_a_gateway_that_is_not_there_is_reported() -> None:
    with robot("http://127.0.0.1:1") as one:
        one.receive("你好")
        until(lambda: "does not answer" in one.states[-1]["error"])
        assert one.bus.texts("/bpu_chat/answer") == []


def test_many_sentences_at_once_leave_one_answer(start: Callable[..., Robot], gateway: Gateway) -> None:
    one = start()
    for _ in range(50):
        one.receive(LONG)
    until(lambda: len(one.states) >= 50)
    one.receive("停")
    until(lambda: not any(thread.is_alive() for thread in list(one.node._threads)))
    until(lambda: not running_jobs(gateway))
    one.receive(say("</think>The last."))
    assert one.answers(1) == ["The last."]


def test_an_image_is_left_out_where_the_model_cannot_see(start: Callable[..., Robot]) -> None:
    one = start(image_topic="/image", image_max_age_s=60.0)
    one.bus.publish("/image", Image(height=1, width=1, encoding="rgb8", step=3, data=b"abc"))
    one.receive(f"这是什么 {say('</think>看不见。')}")
    assert one.answers(1) == ["看不见。"]
    assert any("left out: The model cannot see images" in line for line in one.world.log)


def test_an_image_goes_to_a_model_that_sees(tmp_path: Path) -> None:
    """The raw picture, made a PNG by the node, and a compressed one, at a gateway of the console `vlm`."""
    raw = Image(height=2, width=2, encoding="bgr8", step=6, data=b"\0\0\xff" * 4)
    with running(tmp_path, env={"BPU_CONSOLE_PROFILE": "vlm"}) as seeing:
        for topic, message in (("/image", raw), ("/image/compressed", CompressedImage(data=stripes(RED)))):
            with robot(seeing.url, image_topic=topic, image_max_age_s=600.0) as one:
                one.bus.publish(topic, message)
                one.receive("What colour is the picture?")
                (answer,) = one.answers(1)
                assert f"1 image: 448x448: {RED} 100 %" in answer


def test_an_order_that_is_refused_is_reported(start: Callable[..., Robot]) -> None:
    one = start(model="another")
    one.receive("load", "/bpu_chat/control")
    until(lambda: one.states[-1]["error"])
    assert "another" in one.states[-1]["error"]
    assert one.states[-1]["state"] == "idle"


def test_text_that_dds_cannot_carry_is_made_fit(start: Callable[..., Robot]) -> None:
    one = start()
    one.node._publish(Partial("a\0b\ud83d"))
    assert one.bus.texts("/bpu_chat/partial") == ["ab?"]


class Recorded:
    """A call of the launch system: its name, and what it was given."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls.append((arguments, named))
        return (self.name, *arguments)


def test_launch_file_and_configuration_name_the_parameters_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = install(World(Memory(), {})).PARAMETERS
    homes = {
        "ament_index_python.packages": "get_package_share_directory",
        "launch": "LaunchDescription",
        "launch.actions": "DeclareLaunchArgument",
        "launch.substitutions": "LaunchConfiguration",
        "launch_ros.actions": "Node",
    }
    recorded = {name: Recorded(name) for name in homes.values()}
    recorded["get_package_share_directory"] = lambda name: str(ros2.PACKAGE)  # type: ignore[assignment]
    for home, name in homes.items():
        for package in {home.partition(".")[0], home}:
            monkeypatch.setitem(sys.modules, package, sys.modules.get(package) or ModuleType(package))
        monkeypatch.setattr(sys.modules[home], name, recorded[name], raising=False)
    runpy.run_path(str(ros2.PACKAGE / "launch/bpu_chat.launch.py"))["generate_launch_description"]()
    ((_, node),) = recorded["Node"].calls
    config, chosen = node["parameters"]
    assert (node["package"], node["executable"]) == ("bpu_chat", "bpu_chat")
    assert {call[0][0]: call[1]["default_value"] for call in recorded["DeclareLaunchArgument"].calls} == {
        name: parameters[name] for name in chosen
    }
    lines = re.findall(r"(?m)^    (\w+): (.+)$", Path(config).read_text(encoding="utf-8"))
    given = {name: json.loads(value) for name, value in lines}
    assert given == {name: value for name, value in parameters.items() if name not in chosen}
