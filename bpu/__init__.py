"""Make a D-Robotics board's BPU speak OpenAI.

One console program, one job at a time, many clients.
"""

__version__ = "0.2.0"
