"""Where this board's gateway is and how one gets in: its best address, a key, its model. It asks nobody."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bpu.board.addresses import Address, local_addresses, reachable
from bpu.engine.plan import chosen_model, context_size, resolve_engine
from bpu.errors import SettingsError
from bpu.messages import say
from bpu.settings import Settings

#: For clients that insist on a key where the gateway asks for none.
ANY_KEY = "any"


@dataclass(frozen=True)
class Door:
    """What a client must be told. `base` ends in `/v1`; `context` in tokens."""

    base: str
    key: str
    model: str
    context: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the address."""
        host = urlsplit(self.base).hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"


def door(settings: Settings, find: Callable[[], Sequence[Address]] = local_addresses) -> Door:
    """The way in from other machines, by the settings. Raises `SettingsError` when there is none by network."""
    settings = resolve_engine(settings)
    urls = reachable(settings.bind, find(), socket.gethostname())
    if not urls:
        raise SettingsError(say("connect.no_network", bind=settings.bind))
    model = chosen_model(settings)
    return Door(f"{urls[0][0]}/v1", first_key(settings) or ANY_KEY, model.id, context_size(settings, model))


def first_key(settings: Settings) -> str:
    """A key that the gateway accepts; empty when it needs none. Raises `SettingsError`."""
    if settings.api_keys or settings.api_keys_file is None:
        return next(iter(settings.api_keys), "")
    try:
        lines = [line.strip() for line in settings.api_keys_file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise SettingsError(say("settings.keys_unreadable", path=settings.api_keys_file, reason=error)) from error
    return next((line for line in lines if line and not line.startswith("#")), "")
