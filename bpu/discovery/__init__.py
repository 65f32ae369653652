"""Gateways on the local network: announced by mDNS (RFC 6762, DNS-SD RFC 6763), and found by it.

`announcement` is pure: what is said of a gateway, and whether. `announcer` is a small process of its own beside
gunicorn, because `zeroconf` runs a thread. `scan` reads what others announce, and trusts none of it.
"""
