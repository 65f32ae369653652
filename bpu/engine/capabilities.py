"""Derives what a console can do from the settings, an examination and public knowledge.

It is pure; keeper and CLI use it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpu.console.profiles import Profile
from bpu.engine.console_examination import Findings
from bpu.engine.launch_spec import LaunchSpec


@dataclass(frozen=True)
class Capabilities:
    """What the console can do, according to settings, an examination or public documentation."""

    retains_history: bool = False
    """The console keeps the conversation, so that a turn can continue it."""
    reset_works: bool = False
    """`reset` empties the cache."""
    stateless: bool = False
    """Every line begins a new conversation, so that the cache counts as empty."""


def capabilities_of(launch: LaunchSpec, profile: Profile, found: Findings) -> Capabilities:
    """Return the capabilities by the settings, an examination or public knowledge.

    The first that says something decides.
    """
    known = profile.public_knowledge
    retains = bool(found.retains_history or (known and known.retains_history))
    works = bool(found.reset_works or (known and known.reset_works)) and found.reset_works is not False
    retains = {"always": True, "never": False}.get(launch.continues, retains)
    works = {"command": True, "restart": False}.get(launch.reset, works)
    return Capabilities(
        retains_history=retains and profile.multi_turn is not False,
        reset_works=works and profile.reset is not None and not profile.ineffective_reset,
        stateless=bool(known and known.stateless) and not found.retains_history,
    )


def source_of(launch: LaunchSpec, profile: Profile, found: Findings) -> str:
    """Return their source: `settings`, `examination`, `public`, `measured by others` or `unknown`."""
    if launch.reset != "auto" and launch.continues != "auto":
        return "settings"
    if found.reset_works is not None or found.retains_history:
        return "examination"
    if profile.public_knowledge is not None:
        return "measured by others" if profile.public_knowledge.measured else "public"
    return "unknown"
