"""Routes for other servers' endpoints that this gateway does not have, so that clients get a reason, not a 404."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Blueprint, Response

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def refuse_endpoints(blueprint: Blueprint, prefix: str, names: Iterable[str], view: Callable[..., Response]) -> None:
    """Route each of `names` below `prefix`, and all paths below it, to `view(name, rest="")`, for every method."""
    for name in names:
        for rule in (f"{prefix}/{name}", f"{prefix}/{name}/<path:rest>"):
            blueprint.add_url_rule(rule, "unsupported", view, methods=METHODS, defaults={"name": name})
