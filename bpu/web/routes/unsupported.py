"""Routes for endpoints of other servers that this gateway refuses with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Blueprint, Response

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def refuse_endpoints(blueprint: Blueprint, prefix: str, names: Iterable[str], view: Callable[..., Response]) -> None:
    """Route `names` below `prefix` and all their subpaths to `view(name, rest="")`."""
    for name in names:
        for rule in (f"{prefix}/{name}", f"{prefix}/{name}/<path:rest>"):
            blueprint.add_url_rule(rule, "unsupported", view, methods=METHODS, defaults={"name": name})
