"""A ROS 2 node that lets a robot talk with the language model of a gateway."""
