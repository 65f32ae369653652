"""Moves a real arm for robot_arm.py by ROS 2 control messages, between taught positions.

Each place has joint angles, so no kinematics are needed and the model cannot invent a pose. The file holds, as JSON:

    {"joints": ["joint1", "joint2"], "limits": [[-1.5, 1.5], [0.0, 2.0]], "most_per_s": 0.5,
     "places": {"home": [0.0, 0.5], "water": [0.8, 1.1]}, "words": {"水": "water"}}

Topics: `trajectory_msgs/JointTrajectory` to the joint_trajectory_controller, `std_msgs/Float64MultiArray` (0 open, 1
closed) to a gripper controller, `sensor_msgs/JointState` back. A stop orders the angles that the arm has at that
moment. It was tried with a stand-in for rclpy alone: try it on your arm with the power button in your hand.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Duration
from robot_arm import SPEEDS, Arm, EmergencyStop, Point, Unsafe
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

TRAJECTORY = "/joint_trajectory_controller/joint_trajectory"
GRIPPER = "/gripper_controller/commands"
STATES = "/joint_states"
#: The arm is not moved if its last joint state is older.
FRESH_S = 1.0
#: A movement ends within this angle of the target, or fails after twice its time.
NEAR_RAD = 0.05
LOOK_S = 0.02
MOST_PER_S = 1.0  # radians
GRIPPER_S = 1.0


@dataclass
class Ros2Arm(Arm):
    """Moves between taught positions. `node` publishes; `states` come in the executor's thread."""

    node: Any = None
    joints: tuple[str, ...] = ()
    limits: tuple[tuple[float, float], ...] = ()
    most_per_s: float = 0.5
    taught: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._states: dict[str, tuple[float, float]] = {}  # angle of each joint, and when it came
        self._lock = threading.Lock()
        self._trajectory = self.node.create_publisher(JointTrajectory, TRAJECTORY, 10)
        self._gripper = self.node.create_publisher(Float64MultiArray, GRIPPER, 10)
        self.node.create_subscription(JointState, STATES, self._on_states, 10)
        self.stop.on_stop.append(self.hold)

    def is_within_reach(self, point: Point) -> bool:
        """Return True, because every place was checked when the file was read."""
        return True

    def move(self, place: str, speed: float) -> None:
        """Order the angles of `place`, and wait until they are reached. Raises `Stopped`, `Unsafe`.

        Whatever ends the wait before, the arm holds: also Ctrl-C, and a stop that came just before the order.
        """
        target = self.taught[self.name_of(place)]
        current = self.current()
        farthest = max(abs(b - a) for a, b in zip(current, target, strict=True))
        took = max(0.5, farthest / (self.most_per_s * speed / SPEEDS[1]))
        self.stop.check()
        try:
            self._order(target, took)
            deadline = time.monotonic() + 2 * took + 1
            self.stop.check()
            while max(abs(b - a) for a, b in zip(self.current(), target, strict=True)) > NEAR_RAD:
                if time.monotonic() > deadline:
                    raise Unsafe(f"The arm did not reach {place}, and holds where it is.")
                self.pause(LOOK_S)
                self.stop.check()
        except BaseException:
            self.hold()
            raise

    def close_gripper(self) -> None:
        self.stop.check()
        self._gripper.publish(Float64MultiArray(data=[1.0]))
        self.pause(GRIPPER_S)

    def hold(self) -> None:
        """Order the angles that the joints have now. Any thread may call it."""
        with self._lock:
            known = [self._states[name][0] for name in self.joints if name in self._states]
        if len(known) == len(self.joints):
            self._order(tuple(known), 0.1)

    def current(self) -> tuple[float, ...]:
        """Return the angles of the joints. Raises `Unsafe` if they are unknown or old."""
        with self._lock:
            known = [self._states[name] for name in self.joints if name in self._states]
            if len(known) < len(self.joints) or time.monotonic() - min(came for _, came in known) > FRESH_S:
                raise Unsafe("The arm does not say where its joints are.")
            return tuple(angle for angle, _ in known)

    def _order(self, angles: tuple[float, ...], seconds: float) -> None:
        whole = int(seconds)
        duration = Duration(sec=whole, nanosec=int((seconds - whole) * 1e9))
        point = JointTrajectoryPoint(positions=list(angles), time_from_start=duration)
        self._trajectory.publish(JointTrajectory(joint_names=list(self.joints), points=[point]))

    def _on_states(self, message: Any) -> None:
        """Keep the angles.

        A gripper's own messages on the topic do not make the arm's older ones look new.
        """
        found = dict(zip(message.name, message.position, strict=False))
        if all(math.isfinite(angle) for angle in found.values()):
            now = time.monotonic()
            with self._lock:
                self._states.update({name: (angle, now) for name, angle in found.items()})


def connect(path: Path, *, execute: bool, stop: EmergencyStop, **more: Any) -> Ros2Arm:
    """Make the arm from a file of taught positions, on its own node.

    Raises `ValueError` for an unsafe file.
    """
    file = json.loads(path.read_text(encoding="utf-8"))
    joints = tuple(file["joints"])
    limits = tuple((float(low), float(high)) for low, high in file["limits"])
    taught = {name: tuple(map(float, angles)) for name, angles in file["places"].items()}
    for name, angles in taught.items():
        fits = len(angles) == len(joints) == len(limits)
        if not fits or not all(low <= angle <= high for angle, (low, high) in zip(angles, limits, strict=True)):
            raise ValueError(f"{path}: the angles of {name} are not within the limits of the joints.")
    most_per_s = float(file.get("most_per_s", 0.5))
    if not 0 < most_per_s <= MOST_PER_S:
        raise ValueError(f"{path}: most_per_s must be above 0 and at most {MOST_PER_S} radians per second.")
    rclpy.init()
    node = rclpy.create_node("robot_arm")
    arm = Ros2Arm(
        execute=execute,
        stop=stop,
        node=node,
        joints=joints,
        limits=limits,
        most_per_s=most_per_s,
        taught=taught,
        places=dict.fromkeys(taught, (0.0, 0.0, 0.0)),
        words=file.get("words", {}),
        **{"pause": time.sleep, **more},
    )
    threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
    return arm
