"""A group of commands whose list shows one whole sentence for each command."""

from __future__ import annotations

import gettext
import re

import click

#: Chinese sentences have no blank between them.
_END_OF_SENTENCE = re.compile(r"(?<=\.)\s|(?<=。)")


class Group(click.Group):
    """A click group that does not truncate the sentences in its list, as click does."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, _first_sentence(self.commands[name].help or "")) for name in self.list_commands(ctx)]
        with formatter.section(gettext.gettext("Commands")):
            formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return _END_OF_SENTENCE.split(paragraph)[0]
