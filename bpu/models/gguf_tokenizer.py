"""Converts a GGUF file's vocabulary to the `tokenizer.json` of Hugging Face's library. Pure.

Only byte-level BPE vocabularies with a known pre-tokenizer are converted, because a guess would give wrong counts that
look exact. The expressions are those of the models' own `tokenizer.json`, by the names that llama.cpp gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}"
_LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
_QWEN35 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
)
_DIGITS_GPT2 = (r"\p{N}", _GPT2)

#: llama.cpp's name of a pre-tokenizer: the expressions that split a text, in order.
_SPLITS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("gpt-2", "phi-2", "gigachat", "exaone4", "mpt", "olmo", "jais", "trillion"), (_GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"), _DIGITS_GPT2),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"), (_QWEN2,)),
    "qwen35": (_QWEN35,),
    **dict.fromkeys(
        ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2", "dbrx", "smaug-bpe", "glm4", "chatglm-bpe"),
        (_LLAMA3,),
    ),
    **dict.fromkeys(("deepseek-v3", "hunyuan-dense"), _DEEPSEEK3),
}
#: Pre-tokenizers whose vocabulary holds words that no merges make.
_IGNORE_MERGES = frozenset({"llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2"})


def tokenizer_json(metadata: Mapping[str, Any]) -> Json | None:
    """Return the tokenizer of the model with this `metadata`; None if its kind is unknown."""
    splits = _SPLITS.get(str(metadata.get("tokenizer.ggml.pre")))
    tokens, merges = _texts(metadata, "tokens"), _texts(metadata, "merges")
    if metadata.get("tokenizer.ggml.model") != "gpt2" or splits is None or not tokens or not merges:
        return None
    kinds = token_kinds(metadata)
    pairs = [merge.split(" ") for merge in merges]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    # The library refuses a merge whose parts or whole are not in the vocabulary.
    known = [pair for pair in pairs if len(pair) == 2 and {*pair, "".join(pair)} <= vocabulary.keys()]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added_token(number, token, special=kind == _CONTROL)
            for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind in (_CONTROL, _USER_DEFINED) and token
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*map(_split, splits), _byte_level()]},
        "post_processor": None,
        "decoder": {**_byte_level(), "trim_offsets": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": metadata.get("tokenizer.ggml.pre") in _IGNORE_MERGES,
            "vocab": vocabulary,
            "merges": known,
        },
    }


def tokenizer_config(metadata: Mapping[str, Any]) -> Json:
    """Return the model's `tokenizer_config.json`: special tokens, and whether a text begins with one."""
    tokens, kinds = _texts(metadata, "tokens"), token_kinds(metadata)
    return {
        "bos_token": _token(metadata, tokens, "bos_token_id"),
        "eos_token": _token(metadata, tokens, "eos_token_id"),
        "add_bos_token": _begins_with_bos(metadata),
        "additional_special_tokens": [
            token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL and len(token) > 1
        ],
    }


def token_kinds(metadata: Mapping[str, Any]) -> list[int]:
    """Return the kind of each token; normal if the file has none."""
    tokens, found = _texts(metadata, "tokens"), metadata.get("tokenizer.ggml.token_type")
    kinds = [kind for kind in found if isinstance(kind, int)] if isinstance(found, list) else []
    return kinds if len(kinds) == len(tokens) else [_NORMAL] * len(tokens)


def _begins_with_bos(metadata: Mapping[str, Any]) -> bool:
    said = metadata.get("tokenizer.ggml.add_bos_token")
    if isinstance(said, bool):
        return said
    return metadata.get("tokenizer.ggml.model") == "llama" or metadata.get("tokenizer.ggml.pre") in _IGNORE_MERGES


def _texts(metadata: Mapping[str, Any], name: str) -> list[str]:
    found = metadata.get(f"tokenizer.ggml.{name}")
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def _token(metadata: Mapping[str, Any], tokens: Sequence[str], name: str) -> str | None:
    number = metadata.get(f"tokenizer.ggml.{name}")
    return tokens[number] if isinstance(number, int) and 0 <= number < len(tokens) else None


def _added_token(number: int, token: str, *, special: bool) -> Json:
    fixed = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": token, **fixed, "special": special}


def _split(expression: str) -> Json:
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


def _byte_level() -> Json:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
