"""Make a D-Robotics board's BPU speak OpenAI.

There is one console program, which runs one job at a time for many clients.
"""

__version__ = "0.2.0"
