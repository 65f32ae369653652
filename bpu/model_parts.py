"""Builds what a worker or a command needs of one model.

These are its prompter, the decoder of its answers, and its token counter. It reads the model's files and starts no
process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.loader import load_template
from bpu.chat.pipeline import Mode
from bpu.chat.prompt import Prompter
from bpu.chat.tokens import Counter, load_counter
from bpu.console.profiles import PROFILES
from bpu.engine.client.launch_config import choose_files, context_size, line_limit
from bpu.engine.launch_spec import LaunchTable
from bpu.models.spec import ModelSpec
from bpu.settings import Settings


@dataclass(frozen=True)
class ModelParts:
    """What is read from a model's files.

    It holds the prompter, the decoder of its answers and its counter of tokens.
    """

    prompter: Prompter
    decoder: AnswerDecoder
    counter: Counter


def load_parts(
    settings: Settings, model: ModelSpec, launches: LaunchTable | None, *, reasoning: Mode = "reasoning_content"
) -> ModelParts:
    """Read the files of `model` and build its parts.

    `launches` has the model's launch, whose console may read shorter lines; None: the profile's limit holds.
    `reasoning` says where the reasoning stands in an answer. Raises `SettingsError` for a file that cannot be used.
    """
    files = choose_files(settings, model)
    template = load_template(
        files.template,
        files.tokenizer_dir,
        strftime_now=lambda form: datetime.now().strftime(form),
        thinking=model.thinking,
    )
    counter = load_counter(files.tokenizer_dir)
    prompter = Prompter(
        template,
        counter,
        context_size=context_size(settings, model),
        profile=PROFILES[model.profile],
        newline=settings.newline,
        line_limit=line_limit(settings, None if launches is None else launches.launch(model.id), model),
        history=settings.history,
        thinking=model.thinking,
        image_tokens=model.image_tokens,
    )
    return ModelParts(prompter, AnswerDecoder(prompter, reasoning=reasoning), counter)
