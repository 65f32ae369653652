"""`chat`: a conversation at the terminal with this board's engine or a remote gateway."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bpu.cli import _repl
from bpu.cli._endpoint import first_key
from bpu.cli._remote import RemoteGateway
from bpu.engine.client.launch_config import chosen_table, resolve_engine
from bpu.errors import EngineUnavailable
from bpu.messages import translate
from bpu.settings import load_settings


@click.command()
@click.argument("question", nargs=-1)
@click.option("--url", metavar="URL", help=translate("chat.url"))
@click.option("--key", metavar="KEY", envvar="OPENAI_API_KEY", help=translate("chat.key"))
@click.option("--model", metavar="MODEL", help=translate("chat.model"))
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=translate("chat.image"),
)
@click.option("--system", metavar="TEXT", default="", help=translate("chat.system"))
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help=translate("chat.max_tokens"))
@click.option("--hide-thinking", is_flag=True, help=translate("chat.hide_thinking"))
@click.option("--no-thinking", is_flag=True, help=translate("chat.no_thinking"))
def command(
    question: tuple[str, ...],
    url: str | None,
    key: str | None,
    model: str | None,
    images: tuple[Path, ...],
    system: str,
    max_tokens: int | None,
    hide_thinking: bool,
    no_thinking: bool,
) -> None:
    fields = {"max_tokens": max_tokens, "thinking": {"type": "disabled"} if no_thinking else None}
    options = {name: value for name, value in fields.items() if value is not None}
    urls = [_data_url(path) for path in images]
    with _open_backend(url, key, model, options) as (backend, where):
        session = _repl.ChatSession(
            backend, system=system, show_thinking=not hide_thinking, options=options, images=urls
        )
        if question:
            _ask_once(session, " ".join(question))
            return
        click.echo(f"{where} {translate('chat.keys')}", err=True)
        session.converse(_repl.questions())


def _data_url(path: Path) -> str:
    """Return the picture in a file as a data URL, small enough to be sent.

    Raises `click.UsageError`.
    """
    from bpu.images.decode import BadImage  # Pillow is needed for images alone
    from bpu.images.shrink import shrink

    try:
        return f"data:image/jpeg;base64,{base64.b64encode(shrink(path)).decode()}"
    except (BadImage, OSError):
        raise click.UsageError(translate("chat.no_image", path=path)) from None


def _ask_once(session: _repl.ChatSession, question: str) -> None:
    try:
        session.ask(question)
    except KeyboardInterrupt:
        click.get_current_context().exit(130)


@contextlib.contextmanager
def _open_backend(
    url: str | None, key: str | None, model: str | None, options: dict[str, Any]
) -> Iterator[tuple[_repl.ChatBackend, str]]:
    """Open the backend, and return it with a sentence that names it."""
    settings = load_settings()
    if url is not None:
        remote = RemoteGateway(url, key or first_key(settings))
        options["model"] = model or _first_model(remote)
        yield remote, translate("chat.at_gateway", url=remote.base, model=options["model"])
        return
    settings = resolve_engine(settings)
    table = chosen_table(settings)
    chosen = table.default_model if model is None else table.find(model)
    if chosen is None:
        raise click.UsageError(
            translate("chat.other_model", model=model, ours=", ".join(one.id for one in table.models))
        )
    ours = chosen.id
    from bpu.cli._local import LocalBackend  # imports gevent, which a remote gateway does not need

    local = LocalBackend(settings, ours)
    try:
        place = "at_simulator" if local.simulated else "at_cpu" if local.cpu else "at_board"
        yield local, translate(f"chat.{place}", model=ours)
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{error.message} {translate('chat.try_url')}") from error
    finally:
        local.close()


def _first_model(remote: RemoteGateway) -> str:
    models = remote.models()
    if not models:
        raise EngineUnavailable(translate("remote.no_models", url=remote.base))
    return str(models[0]["id"])
