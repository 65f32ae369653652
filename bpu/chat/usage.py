"""Token counts and speeds of one answer, in OpenAI's and llama-server's fields.

It measures nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpu.console.events import Stats
from bpu.turn import Timing, Turn


@dataclass(frozen=True)
class Usage:
    """Counts in tokens, times in milliseconds.

    `cached_tokens` is part of `prompt_tokens`, `reasoning_tokens` of `completion_tokens`; `predicted_n` is the
    console's own count where it prints one. `queued_ms` and `load_ms` are the waits for the console and for the model.
    `image_ms` is the time of the step that reads images, which `prompt_ms` includes, `vit_ms` the console's own figure
    of its vision model, None where it printed none.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    queued_ms: float = 0.0
    load_ms: float = 0.0
    image_ms: float = 0.0
    vit_ms: float | None = None

    def body(self) -> dict[str, Any]:
        """Return OpenAI's `usage`, with DeepSeek's two cache counts."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "prompt_cache_hit_tokens": self.cached_tokens,
            "prompt_cache_miss_tokens": self.prompt_tokens - self.cached_tokens,
        }

    def timings(self) -> dict[str, Any]:
        """Return llama-server's `timings`.

        With images they also hold the times of the image step and of the vision model.
        """
        prompt_n = self.prompt_tokens - self.cached_tokens
        return {
            "cache_n": self.cached_tokens,
            **_speeds("prompt", prompt_n, self.prompt_ms),
            **_speeds("predicted", self.predicted_n, self.predicted_ms),
            **({"image_ms": round(self.image_ms, 3)} if self.image_ms else {}),
            **({"vit_ms": round(self.vit_ms, 3)} if self.vit_ms is not None else {}),
        }


def usage(turn: Turn, timing: Timing, stats: Stats, *, completion: int, reasoning: int) -> Usage:
    """Compute the figures of an answer of `completion` tokens.

    The engine's counts of written and cached tokens take precedence over the full rendering's count, because a
    continued chat keeps earlier reasoning in the cache, which the rendering leaves out. Speeds are the console's own
    where it printed them.
    """
    cached = timing.cached_tokens
    written = timing.prompt_tokens or max(0, turn.tokens - cached)
    image_ms = timing.image_s * 1000
    own_ms = stats.prefill_ms
    predicted = stats.decode_tokens if stats.decode_tokens is not None else completion
    return Usage(
        prompt_tokens=cached + written,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=min(reasoning, completion),
        prompt_ms=_first(
            None if own_ms is None else own_ms + image_ms,
            _at(written, stats.prefill_per_second),
            timing.prefill_s * 1000 + image_ms,
        ),
        predicted_n=predicted,
        predicted_ms=_first(
            _times(predicted, stats.decode_ms_per_token),
            _at(predicted, stats.decode_per_second),
            timing.decode_s * 1000,
        ),
        queued_ms=timing.queued_s * 1000,
        load_ms=timing.load_s * 1000,
        image_ms=image_ms,
        vit_ms=timing.vit_ms if stats.vit_ms is None else stats.vit_ms,
    )


def _at(tokens: int, per_second: float | None) -> float | None:
    return tokens * 1000 / per_second if per_second else None


def _times(tokens: int, each: float | None) -> float | None:
    return tokens * each if each else None


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _speeds(name: str, tokens: int, ms: float) -> dict[str, Any]:
    return {
        f"{name}_n": tokens,
        f"{name}_ms": round(ms, 3),
        f"{name}_per_token_ms": round(ms / tokens, 3) if tokens else 0.0,
        f"{name}_per_second": round(tokens * 1000 / ms, 3) if ms else 0.0,
    }
