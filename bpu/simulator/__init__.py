"""A fake console program that behaves as the consoles of the D-Robotics SDKs do; no BPU is used.

It imports nothing of the gateway, so that it cannot share the gateway's mistakes, and only the standard library,
so that it starts as quickly as a small C program. Run it as `python -m bpu.simulator`.
"""
