"""Makes `bpu/simulator/model/tokenizer.json` from `corpus.txt`: run it again and the file is the same.

A small byte-level BPE in the shape of DeepSeek R1's, special tokens included. Needs the `tokenizers` library.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bpu.simulator.tokens import WORDS  # noqa: E402

VOCABULARY = 4096
SPECIAL = [
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
]
PLAIN = ["<think>", "</think>"]  # ordinary text to a decoder, but one token each
TEXT = ["\n\n", "\n", "\n\n\n", "```", "**", "## ", "- ", "1. ", "</", '{"', '": "', '", "', '"}', "()", "==", "://"]


def corpus() -> list[str]:
    lines = (Path(__file__).parent / "corpus.txt").read_text(encoding="utf-8").splitlines()
    english = [line for line in lines if line.isascii()]
    # Every word is wanted with and without the blank before it, and a Chinese word by itself.
    alone = [word for line in english for word in (line.split(), line.title().split())[0]]
    chinese = [word for line in lines if not line.isascii() for word in line.split()]
    letters = [letter for word in chinese for letter in word if len(word) > 4]
    return lines * 2 + alone * 2 + [word.title() for word in alone] + chinese * 3 + letters * 2 + TEXT * 40


def make() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    added = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    added += [AddedToken(token, special=False, normalized=False) for token in PLAIN]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(added),
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens(added)
    return tokenizer


if __name__ == "__main__":
    target = ROOT / "bpu/simulator/model/tokenizer.json"
    made = make()
    made.save(str(target), pretty=False)
    print(f"{target}: {made.get_vocab_size()} tokens, {target.stat().st_size} bytes")
