"""Starts the node with config/bpu_chat.yaml; `ros2 launch bpu_chat bpu_chat.launch.py prompt_topic:=/prompt_text`."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

#: What differs from robot to robot; everything else is in the file of parameters.
ARGUMENTS = {
    "gateway_url": "http://127.0.0.1:8000",
    "model": "deepseek-r1:1.5b",
    "prompt_topic": "/asr_text",
    "tts_topic": "/tts_text",
    "image_topic": "",
}


def generate_launch_description() -> LaunchDescription:
    """Called by `ros2 launch`."""
    config = str(Path(get_package_share_directory("bpu_chat")) / "config" / "bpu_chat.yaml")
    chosen = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    node = Node(package="bpu_chat", executable="bpu_chat", name="bpu_chat", parameters=[config, chosen])
    arguments = [DeclareLaunchArgument(name, default_value=value) for name, value in ARGUMENTS.items()]
    return LaunchDescription([*arguments, node])
