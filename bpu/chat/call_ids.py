"""Encodes a function call in its id.

Clients refer to a call by its id, and the gateway stores none. The AI SDK sends `item_reference` in place of a call
that it expects the server to have stored. A client can forge an id, so its content is checked like the rest of a
request.
"""

from __future__ import annotations

import base64
import binascii
import json

#: A call whose id would be longer gets a plain one, and no client can refer to it.
MAX_LENGTH = 4096
_PREFIX = "fc_"


def call_item_id(unique: str, name: str, arguments: str) -> str:
    """Make the id of a call; `unique` distinguishes equal calls."""
    content = base64.urlsafe_b64encode(json.dumps([name, arguments]).encode()).decode().rstrip("=")
    whole = f"{_PREFIX}{unique}.{content}"
    return whole if len(whole) <= MAX_LENGTH else f"{_PREFIX}{unique}"


def decode_call_id(item_id: object) -> tuple[str, str] | None:
    """Read the name and the arguments of the call in `item_id`.

    Return None where it holds none.
    """
    if not isinstance(item_id, str) or not item_id.startswith(_PREFIX) or len(item_id) > MAX_LENGTH:
        return None
    content = item_id.partition(".")[2]
    try:
        call = json.loads(base64.b64decode(content + "=" * (-len(content) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None
    if isinstance(call, list) and len(call) == 2 and all(isinstance(part, str) for part in call):
        return call[0], call[1]
    return None
