"""Finds this gateway's endpoint for clients by the settings: best address, key, models. It sends nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bpu.access_policy import file_keys, serves_networks
from bpu.board.addresses import Address, host_of, local_addresses, reachable
from bpu.engine.client.launch_config import chosen_table, context_size, resolve_engine
from bpu.errors import SettingsError
from bpu.messages import say
from bpu.settings import Settings

#: A key for clients that require one if the gateway has none.
ANY_KEY = "any"


@dataclass(frozen=True)
class Endpoint:
    """The settings of a client: `base` ends in `/v1`; `context` in tokens.

    `others` are the other models of the table, with their contexts. `needs_key`: the address is public, and its clients
    are refused because the gateway has no key.
    """

    base: str
    key: str
    model: str
    context: int
    others: tuple[tuple[str, int], ...] = ()
    needs_key: bool = False

    @property
    def models(self) -> tuple[tuple[str, int], ...]:
        """All models with their contexts, the selected one first."""
        return ((self.model, self.context), *self.others)

    def with_model(self, name: str) -> Endpoint:
        """Return the same endpoint with another model selected; the model need not be in the table."""
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


def find_endpoint(settings: Settings, find: Callable[[], Sequence[Address]] = local_addresses) -> Endpoint:
    """Find the endpoint for other machines. Raises `SettingsError` if the gateway listens on no network."""
    settings = resolve_engine(settings)
    urls = reachable(settings.bind, find(), socket.gethostname())
    if not urls:
        raise SettingsError(say("connect.no_network", bind=settings.bind))
    is_served = serves_networks(settings)
    near = [url for url, kind in urls if kind is not None and is_served(host_of(url))]
    base = next(iter(near), urls[0][0])
    needs_key = base not in near and urls[0][1] is not None
    table = chosen_table(settings)
    contexts = {model.id: context_size(settings, model) for model in table.models}
    size = contexts.pop(table.default)
    key = first_key(settings) or ANY_KEY
    return Endpoint(f"{base}/v1", key, table.default, size, tuple(contexts.items()), needs_key=needs_key)


def first_key(settings: Settings) -> str:
    """Return a key that the gateway accepts; "" if it needs none. Raises `SettingsError`."""
    return next(iter(settings.api_keys or file_keys(settings)), "")
