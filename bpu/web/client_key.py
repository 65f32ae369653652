"""What tells clients with different keys apart, as a digest that is no secret itself."""

from __future__ import annotations

from hashlib import sha256

from flask import request


def key_digest() -> str:
    """A digest of the key that the current request came with, whether the gateway wants one or not."""
    given = request.headers.get("Authorization") or request.headers.get("X-Api-Key") or ""
    return sha256(given.encode("utf-8", "replace")).hexdigest()[:16]
