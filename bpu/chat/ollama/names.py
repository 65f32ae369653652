"""Ollama's names of models: `[host/][namespace/]model[:tag]`, in any case, `latest` where there is no tag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bpu.chat.requests import THINK_SUFFIX

_LATEST = ":latest"


def tagged(model: str) -> str:
    """Return `model` with a tag, as lists of models show it."""
    return model if ":" in model.rpartition("/")[2] else f"{model}{_LATEST}"


def resolve(name: str, served: Iterable[str]) -> str | None:
    """Return the id among `served` that `name` means; None if it means none of them."""
    ids = list(served)
    if name in ids:
        return name
    own = [one for one in ids if one.removesuffix(THINK_SUFFIX) == one or one.removesuffix(THINK_SUFFIX) not in ids]
    bases = Counter(map(_base, own))
    by_name = {_base(one): one for one in own if bases[_base(one)] == 1}
    by_name |= {_bare(tagged(one)): one for one in ids}
    by_name |= {tagged(one).lower(): one for one in ids}
    wanted = tagged(name).lower()
    for form in (wanted, _bare(wanted), _bare(wanted).removesuffix(_LATEST)):
        if form in by_name:
            return by_name[form]
    return None


def _bare(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _base(name: str) -> str:
    return _bare(name).partition(":")[0]
