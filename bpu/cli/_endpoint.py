"""Where this board's gateway is and how one gets in: its best address, a key, its model. It asks nobody."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bpu.access_policy import file_keys
from bpu.board.addresses import Address, local_addresses, reachable
from bpu.engine.client.launch_config import chosen_table, context_size, resolve_engine
from bpu.errors import SettingsError
from bpu.messages import say
from bpu.settings import Settings

#: For clients that insist on a key where the gateway asks for none.
ANY_KEY = "any"


@dataclass(frozen=True)
class Endpoint:
    """What a client must be told. `base` ends in `/v1`; `context` in tokens.

    `others` are the further models of the table, with their contexts.
    """

    base: str
    key: str
    model: str
    context: int
    others: tuple[tuple[str, int], ...] = ()

    @property
    def models(self) -> tuple[tuple[str, int], ...]:
        """All models with their contexts, the chosen one first."""
        return ((self.model, self.context), *self.others)

    def choosing(self, name: str) -> Endpoint:
        """The same gateway with another model first; one that its table does not have is taken as it is named."""
        contexts = dict(self.models)
        others = tuple((model, context) for model, context in self.models if model != name)
        if name not in contexts:
            return replace(self, model=name, others=())
        return replace(self, model=name, context=contexts[name], others=others)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the address."""
        host = urlsplit(self.base).hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"


def door(settings: Settings, find: Callable[[], Sequence[Address]] = local_addresses) -> Endpoint:
    """The way in from other machines, by the settings. Raises `SettingsError` when there is none by network."""
    settings = resolve_engine(settings)
    urls = reachable(settings.bind, find(), socket.gethostname())
    if not urls:
        raise SettingsError(say("connect.no_network", bind=settings.bind))
    table = chosen_table(settings)
    contexts = {model.id: context_size(settings, model) for model in table.models}
    size = contexts.pop(table.default)
    return Endpoint(f"{urls[0][0]}/v1", first_key(settings) or ANY_KEY, table.default, size, tuple(contexts.items()))


def first_key(settings: Settings) -> str:
    """A key that the gateway accepts; empty when it needs none. Raises `SettingsError`."""
    return next(iter(settings.api_keys or file_keys(settings)), "")
