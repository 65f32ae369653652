"""Announces and finds gateways on the local network by mDNS (RFC 6762, DNS-SD RFC 6763).

`announcement` is pure: whether and what to announce. `announcer` is a separate process beside gunicorn, because
`zeroconf` runs a thread. `scan` reads announcements of others as untrusted input.
"""
