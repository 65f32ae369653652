"""Simulates the console programs of the D-Robotics SDKs; no BPU is used.

It imports nothing of the gateway, so that it cannot share the gateway's mistakes, and only the standard library,
so that it starts quickly. Run it as `python -m bpu.simulator`. It says that it is a simulator: at its start, in
`--help`, and in every answer in words. `docs/console-protocol.md` names the source of each thing that it imitates.
"""
