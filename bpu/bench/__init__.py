"""Measures a running gateway over HTTP, for `bpu bench --url`.

It imports nothing of the gateway that it measures. `benchmarks/`, which is no part of the product,
builds on it: it starts gateways and measures each figure beside a bare relay.
"""
