"""Measures what the gateway costs, each figure beside a bare relay and the one-process-a-request way, in one run.

It starts real programs and talks to them over sockets; it imports nothing of the gateway that it measures.
"""
