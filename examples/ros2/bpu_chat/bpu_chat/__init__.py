"""A ROS 2 node for conversations with a language model.

A gateway serves the model.
"""
