"""`mcp`: serves the board's tools to agents over standard input and output or over HTTP."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from bpu.cli._endpoint import first_key
from bpu.cli._remote import base_url
from bpu.errors import EngineUnavailable
from bpu.messages import translate
from bpu.settings import Settings, load_settings

#: The host of `--http PORT`.
LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--url", metavar="URL", help=translate("mcp.url"))
@click.option("--key", metavar="KEY", envvar="OPENAI_API_KEY", help=translate("mcp.key"))
@click.option("--http", "address", metavar="HOST:PORT", help=translate("mcp.http"))
def command(url: str | None, key: str | None, address: str | None) -> None:
    settings = load_settings()
    host, port = _parse_address(address) if address is not None else ("", 0)
    try:
        from bpu.mcp.gateway import GatewayClient
        from bpu.mcp.server import BoardTools
    except ModuleNotFoundError as error:
        raise EngineUnavailable(translate("mcp.missing", name=error.name, pip=_pip())) from error
    base = _local_url(settings) if url is None else base_url(url)
    server = BoardTools(GatewayClient(base, key or first_key(settings)), paths=address is None)
    if address is None:
        server.run()
        return
    from bpu.mcp import http

    access = http.access(settings)
    if not (access.needs_key or settings.mcp):
        raise click.UsageError(translate("mcp.no_keys"))
    app = http.application(server, access, origins=settings.allowed_origins, max_body_bytes=settings.max_body_bytes)
    click.echo(
        translate("mcp.serving", url=f"http://{address if ':' in address else f'{host}:{port}'}{http.PATH}"), err=True
    )
    http.serve(app, host, port)


def _parse_address(address: str) -> tuple[str, int]:
    """Parse host and port of `HOST:PORT`, `[IPV6]:PORT` or `PORT`."""
    host, _, port = address.rpartition(":")
    wrong = not (port.isascii() and port.isdigit() and len(port) <= 5) or not 0 < int(port) < 65536
    if wrong or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        raise click.BadParameter(translate("mcp.bad_address", address=address), param_hint="--http")
    return host.strip("[]") or LOOPBACK, int(port)


def _local_url(settings: Settings) -> str:
    """Return the URL of this machine's gateway by `BPU_BIND`.

    Raises `EngineUnavailable` if it has no address.
    """
    for part in settings.bind.split(","):
        host, _, port = part.rpartition(":")
        if not part.startswith(("unix:", "fd:")):
            return f"http://{LOOPBACK if host in ('0.0.0.0', '[::]') else host}:{port}"
    raise EngineUnavailable(translate("mcp.no_address", bind=settings.bind))


def _pip() -> str:
    """Return the command that installs into this environment.

    A Debian package's has no pip, but a wheel of it.
    """
    wheel = next(Path(sys.prefix).parent.glob("wheels/pip-*.whl"), None)
    if find_spec("pip") is None and wheel is not None:
        return f"sudo {sys.executable} {wheel}/pip"
    return f"{sys.executable} -m pip"
