"""Builds the scripts that a line gives to the console in C, which then says exactly that (`console.c`, "Scripts")."""

from __future__ import annotations

import string

_PLAIN = frozenset((string.ascii_letters + string.digits + "._-~").encode())


def encode(text: str) -> str:
    """`text` percent-encoded, so that neither the gateway nor the console takes a byte of it for something else."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def say(text: str) -> str:
    return f"{{{{say:{encode(text)}}}}}"


def think(text: str) -> str:
    """Say `text` and end the reasoning."""
    return f"{{{{think:{encode(text)}}}}}"


def burst(text: str) -> str:
    return f"{{{{burst:{encode(text)}}}}}"


def do(name: str, value: object = "") -> str:
    """One further directive, as `do("pause", 0.3)`."""
    return f"{{{{{name}:{value}}}}}" if value != "" else f"{{{{{name}}}}}"


def script(*steps: str) -> str:
    """A whole script; what the line holds before it, as the turns of a chat, is left out."""
    return do("new") + "".join(steps)
