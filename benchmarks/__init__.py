"""Measures what the gateway costs, beside a bare relay and one process a request.

No part of the product: it starts the real programs from the checkout and talks to them over sockets. Of the gateway it
imports the client and the figures of `bpu/bench` only. Run it as `python -m benchmarks`, or `make bench`.
"""
