"""Ids of function calls that hold the call itself, because clients refer to a call by its id and nothing is kept here.

The AI SDK sends `item_reference` in place of what it believes the server has stored. An id is the client's word like
everything else in a request, so what is read out of it is checked like everything else.
"""

from __future__ import annotations

import base64
import binascii
import json

#: A call whose id would be longer has a plain one, and cannot be referred to.
MAX_LENGTH = 4096
_PREFIX = "fc_"


def call_item_id(unique: str, name: str, arguments: str) -> str:
    """The id of a call: `unique` makes it different from that of an equal call."""
    content = base64.urlsafe_b64encode(json.dumps([name, arguments]).encode()).decode().rstrip("=")
    whole = f"{_PREFIX}{unique}.{content}"
    return whole if len(whole) <= MAX_LENGTH else f"{_PREFIX}{unique}"


def decode_call_id(item_id: object) -> tuple[str, str] | None:
    """The name and the arguments of the call in `item_id`; None where it holds none."""
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
