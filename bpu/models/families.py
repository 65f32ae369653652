"""Data of model families: type numbers by SDK, reasoning, image configuration. Pure data.

Numbers are those of the SDKs' headers and manuals (`xlm.h` of each version).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Sdk = Literal["0.9", "1.0", "S600"]
Thinking = Literal["auto", "template", "model", "off", "none"]

#: Numbers of model types by SDK. The first name found in the file's counts, so longer names come first.
TYPES: Mapping[Sdk, Mapping[str, int]] = {
    "0.9": {"deepseek": 3, "internvl": 4, "internlm": 2, "qwen": 1, "llama": 0},
    # The vendor's own program loads MiniCPM5 as DeepSeek, with a template that holds everything.
    "1.0": {"deepseek": 1, "minicpm5": 1, "internvl": 0, "internlm": 4, "qwen2.5": 7, "qwen": 2, "llama": 3},
    "S600": {"deepseek": 1, "internvl": 0, "internlm": 4, "qwen3": 9, "qwen": 7, "llama": 3},
}
#: How each family reasons; with `auto` the template decides.
THINKING: Mapping[str, Thinking] = {
    "deepseek": "auto",
    "minicpm5": "off",
    # All published image models of the S600 are `Instruct` ones.
    "qwen3vl": "none",
    "qwen3": "model",
    "qwen2.5": "none",
    "internlm": "none",
}
#: The model types that a program loads and chats with, of those that its SDK has a number for; `oellm_run` also loads
#: InternVL (0), for one question about one image. The others load every type.
ACCEPTED: Mapping[str, frozenset[int]] = {"oellm_multichat": frozenset({1, 7}), "oellm_run": frozenset({1, 4, 7})}


def accepts(profile: str, number: int | None) -> bool:
    """Whether a console chats with models of this type; true for an unknown type."""
    return number is None or profile not in ACCEPTED or number in ACCEPTED[profile]


def family_of(name: str, families: Mapping[str, Any]) -> str | None:
    """Return the first of `families` that the name of a model file contains."""
    plain = name.lower().replace("_", "").replace("-", "")
    return next((family for family in families if family in plain), None)


def known_type(name: str, sdk: Sdk) -> int | None:
    """Return the type number of the model in file `name`; None for an unknown family."""
    family = family_of(name, TYPES[sdk])
    return None if family is None else TYPES[sdk][family]


def model_type(name: str, sdk: Sdk) -> int:
    """Return the type number of the model in file `name`; DeepSeek's for an unknown family."""
    number = known_type(name, sdk)
    return TYPES[sdk]["deepseek"] if number is None else number


def thinking(name: str) -> Thinking:
    """Return how the model in file `name` reasons."""
    return THINKING.get(family_of(name, THINKING) or "", "auto")


@dataclass(frozen=True)
class Vision:
    """The configuration of one image model for the S600's `vlm` program."""

    name: str
    vocabulary: str
    embed_dim: int
    temporal_patch_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    patch_size: int | None = None

    def config(self) -> dict[str, Any]:
        """Return the keys of its configuration file that do not name files or cores."""
        return {
            "model_type": self.name,
            "text_end_token": "<|endoftext|>",
            "img_start_token": "<|vision_start|>",
            "img_end_token": "<|vision_end|>",
            "img_context_token": "<|image_pad|>",
            "mask_pad_value": -32768,
            "temporal_patch_size": self.temporal_patch_size,
            **({} if self.patch_size is None else {"patch_size": self.patch_size}),
            "vocab_size": 151936,
            "embed_dim": self.embed_dim,
            "image_height": 448,
            "image_width": 448,
            "image_net_mean": list(self.mean),
            "image_net_std": list(self.std),
        }


_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_HALF = (0.5, 0.5, 0.5)


def _qwen25(embed_dim: int) -> Vision:
    return Vision("Qwen2.5-VL", "Qwen2.5_VL_config", embed_dim, 1, _CLIP_MEAN, _CLIP_STD)


def _qwen3(embed_dim: int) -> Vision:
    return Vision("Qwen3-VL", "Qwen3_VL_config", embed_dim, 2, _HALF, _HALF, patch_size=16)


#: By the beginning of the file's name. The 7B's width is that of its published weights; the others were seen in use.
VISIONS: Mapping[str, Vision] = {
    "Qwen2.5-VL-3B": _qwen25(2048),
    "Qwen2.5-VL-7B": _qwen25(3584),
    "Qwen3-VL-2B": _qwen3(2048),
    "Qwen3-VL-4B": _qwen3(2560),
    "Qwen3-VL-8B": _qwen3(4096),
}


def vision(name: str) -> Vision | None:
    """Return the image model whose language part is the file `name`; None if unknown."""
    return next((one for start, one in VISIONS.items() if name.startswith(start)), None)
