"""The real arm of the examples, over a stand-in for rclpy whose joints go where they are ordered."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.examples.arm import robot


class Record:
    """Any message: its fields as they were given."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Joints:
    """The arm's controllers: what was ordered, and the joints' states, which `step` brings nearer to the order."""

    def __init__(self) -> None:
        self.ordered: list[tuple[list[float], float]] = []
        self.gripper: list[list[float]] = []
        self.angles = [0.0, 0.5]
        self.report: Callable[[Any], None] = lambda message: None
        self.moves = True
        self.pauses = 0

    def create_publisher(self, kind: type, topic: str, qos: int) -> Any:
        return Record(publish=self._order if "trajectory" in topic else lambda m: self.gripper.append(m.data))

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: int) -> None:
        assert topic == "/joint_states"
        self.report = callback

    def tell(self) -> None:
        self.report(Record(name=["b", "other", "a"], position=[self.angles[1], 9.0, self.angles[0]]))

    def step(self, seconds: float) -> None:
        """What a pause of the arm does: the joints go a tenth of their way."""
        self.pauses += 1
        assert self.pauses < 1000
        if self.moves and self.ordered:
            target = self.ordered[-1][0]
            self.angles = [now + max(-0.1, min(0.1, to - now)) for now, to in zip(self.angles, target, strict=True)]
        self.tell()

    def _order(self, message: Any) -> None:
        assert message.joint_names == ["a", "b"]
        (point,) = message.points
        seconds = point.time_from_start.sec + point.time_from_start.nanosec / 1e9
        self.ordered.append((point.positions, seconds))


TAUGHT: dict[str, Any] = {
    "joints": ["a", "b"],
    "limits": [[-1.5, 1.5], [0.0, 2.0]],
    "most_per_s": 0.5,
    "places": {"home": [0.0, 0.5], "water": [0.8, 1.1]},
    "words": {"水": "water"},
}


@pytest.fixture
def connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Joints]]:
    joints = Joints()
    fakes: dict[str, dict[str, Any]] = {
        "rclpy": {"init": lambda: None, "create_node": lambda name: joints, "spin": lambda node: None},
        "builtin_interfaces.msg": {"Duration": Record},
        "sensor_msgs.msg": {"JointState": Record},
        "std_msgs.msg": {"Float64MultiArray": Record},
        "trajectory_msgs.msg": {"JointTrajectory": Record, "JointTrajectoryPoint": Record},
    }
    for name, found in fakes.items():
        made = ModuleType(name)
        made.__dict__.update(found)
        monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType(name.partition(".")[0]))
        monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.delitem(sys.modules, "robot_arm_ros2", raising=False)
    module = importlib.import_module("robot_arm_ros2")

    def connect(**changes: Any) -> tuple[Any, Joints]:
        file = tmp_path / "arm.json"
        file.write_text(json.dumps({**TAUGHT, **changes}))
        stop = robot.EmergencyStop()
        arm = module.connect(file, execute=True, stop=stop, pause=joints.step, say=lambda words: None)
        return arm, joints

    return connect


def calls(*pairs: tuple[str, str]) -> list[Any]:
    return [robot.Call(f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(pairs)]


WANTED = calls(("move_to", '{"place": "水", "speed": 0.25}'), ("grasp", '{"thing": "水"}'))


def test_a_plan_becomes_trajectories_at_a_slow_pace(connected: Callable[..., tuple[Any, Joints]]) -> None:
    arm, joints = connected()
    joints.tell()
    robot.carry_out(arm, WANTED, lambda steps: True)
    ((angles, seconds),) = joints.ordered
    assert angles == [0.8, 1.1]
    assert seconds == pytest.approx(0.8 / 0.5)
    assert joints.gripper == [[1.0]]
    assert len(arm.moves) == 2


@pytest.mark.parametrize("states", ["nothing", "nan"])
def test_an_arm_that_does_not_say_where_it_is_is_not_moved(
    connected: Callable[..., tuple[Any, Joints]], states: str
) -> None:
    arm, joints = connected()
    if states == "nan":
        joints.angles = [float("nan"), 0.5]
        joints.tell()
    results = robot.carry_out(arm, WANTED, lambda steps: True)
    assert joints.ordered == []
    assert joints.gripper == []
    assert [one["content"].partition(":")[0] for one in results] == [
        "Failed",
        "Not done, because an earlier step failed.",
    ]


def test_a_stop_orders_the_joints_to_stay_where_they_are(connected: Callable[..., tuple[Any, Joints]]) -> None:
    arm, joints = connected()
    joints.tell()
    step = arm.pause

    def pause(seconds: float) -> None:
        step(seconds)
        if joints.pauses == 3:
            arm.stop.take("停")

    arm.pause = pause
    with pytest.raises(robot.Stopped):
        robot.carry_out(arm, WANTED, lambda steps: True)
    holds = [angles for angles, _ in joints.ordered[1:]]
    assert holds
    assert all(angles == pytest.approx(joints.angles) for angles in holds)
    assert joints.gripper == []


@pytest.mark.parametrize("why", ["stop as it is ordered", "silent joints", "ctrl-c"])
def test_whatever_ends_a_movement_the_arm_holds(
    connected: Callable[..., tuple[Any, Joints]], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    arm, joints = connected()
    joints.tell()
    order = joints._order
    now = iter(range(100_000))

    def ordered(message: Any) -> None:
        if why == "stop as it is ordered" and not joints.ordered:
            arm.stop.on_stop.clear()  # its hold has gone out already, before this order
            arm.stop.take("停")
        order(message)

    def pause(seconds: float) -> None:
        if why == "ctrl-c":
            raise KeyboardInterrupt
        arm._on_states(Record(name=["gripper"], position=[0.0]))  # a message that says nothing of the arm

    arm._trajectory.publish = ordered
    arm.pause = pause
    monkeypatch.setattr("robot_arm_ros2.time.monotonic", lambda: next(now) / 10)
    joints.tell()
    if why == "silent joints":
        results = robot.carry_out(arm, WANTED, lambda steps: True)
        assert results[0]["content"] == "Failed: The arm does not say where its joints are."
    else:
        with pytest.raises(robot.Stopped if "stop" in why else KeyboardInterrupt):
            robot.carry_out(arm, WANTED, lambda steps: True)
    assert [angles for angles, _ in joints.ordered] == [[0.8, 1.1], joints.angles]
    assert joints.gripper == []


def test_an_arm_that_does_not_arrive_holds_and_grasps_nothing(
    connected: Callable[..., tuple[Any, Joints]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arm, joints = connected()
    joints.moves = False
    joints.tell()
    now = iter(range(100_000))
    monkeypatch.setattr("robot_arm_ros2.time.monotonic", lambda: next(now) / 10)
    results = robot.carry_out(arm, WANTED, lambda steps: True)
    assert "did not reach" in results[0]["content"]
    assert joints.ordered[-1][0] == joints.angles
    assert joints.gripper == []


@pytest.mark.parametrize(
    "changes",
    [
        {"places": {"home": [0.0, 9.0]}},
        {"places": {"home": [0.0]}},
        {"places": {"home": [0.0, float("nan")]}},
        {"most_per_s": 0},
        {"most_per_s": 100},
        {"limits": [[-1, 1]]},
    ],
)
def test_a_file_that_is_not_safe_is_refused(
    connected: Callable[..., tuple[Any, Joints]], changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"arm\.json"):
        connected(**changes)
