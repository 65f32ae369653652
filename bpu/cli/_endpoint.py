"""Finds this gateway's endpoint for clients by the settings: best address, key, models.

It sends nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bpu.access_policy import file_keys, serves_networks
from bpu.board.addresses import Address, host_of, local_addresses, reachable
from bpu.chat.loader import model_reasons
from bpu.chat.model_card import ModelCard
from bpu.engine.client.launch_config import choose_files, chosen_table, context_size, resolve_engine
from bpu.errors import SettingsError
from bpu.messages import translate
from bpu.models.spec import ModelSpec
from bpu.settings import Settings

#: A key for clients that require one if the gateway has none.
ANY_KEY = "any"


@dataclass(frozen=True)
class Endpoint:
    """The settings of a client: `base` ends in `/v1`.

    `models` are all of the table, the selected one first. `needs_key`: the address is public, and its clients are
    refused because the gateway has no key.
    """

    base: str
    key: str
    models: tuple[ModelCard, ...]
    needs_key: bool = False

    @property
    def model(self) -> str:
        """The id of the selected model."""
        return self.models[0].id

    @property
    def context(self) -> int:
        """The context of the selected model in tokens."""
        return self.models[0].context

    def with_model(self, name: str) -> Endpoint:
        """Return the same endpoint with another model selected.

        The model need not be in the table.
        """
        selected = [card for card in self.models if card.id == name]
        if not selected:
            return replace(self, models=(replace(self.models[0], id=name),))
        return replace(self, models=(*selected, *(card for card in self.models if card.id != name)))

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
        raise SettingsError(translate("connect.no_network", bind=settings.bind))
    is_served = serves_networks(settings)
    near = [url for url, kind in urls if kind is not None and is_served(host_of(url))]
    base = next(iter(near), urls[0][0])
    needs_key = base not in near and urls[0][1] is not None
    table = chosen_table(settings)
    cards = tuple(_card(settings, model) for model in table.models)
    key = first_key(settings) or ANY_KEY
    return Endpoint(f"{base}/v1", key, cards, needs_key=needs_key).with_model(table.default)


def _card(settings: Settings, model: ModelSpec) -> ModelCard:
    """Return the facts of a model for clients.

    Its files may be missing.
    """
    try:
        template = choose_files(settings, model).template
    except SettingsError:
        template = None
    return ModelCard(
        id=model.id,
        context=context_size(settings, model),
        reasons=model_reasons(model.thinking, template),
        sees=model.image_side > 0,
    )


def first_key(settings: Settings) -> str:
    """Return a key that the gateway accepts; "" if it needs none. Raises `SettingsError`."""
    return next(iter(settings.api_keys or file_keys(settings)), "")
