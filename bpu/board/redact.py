"""Removes secrets from text: keys, credentials, prompts, the addresses of clients. Pure."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HIDDEN = "***"
#: Fields of a request's log line that hold no user text, each with the pattern of its value.
FACTS = {
    "id": r"(?:chatcmpl|cmpl|resp|msg|req)[-_][0-9a-f]{32}",
    "method": r"[A-Z]{3,8}",
    "status": r"\d{3}",
    "stream": r"True|False|true|false",
    "finish": r"[a-z_]{1,20}",
    "error": r"[a-z_]{1,40}",
    **dict.fromkeys(("ms", "queued_ms", "load_ms", "prefill_ms", "decode_ms"), r"[\d.]{1,12}"),
    **dict.fromkeys(("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens"), r"\d{1,9}"),
}
#: Routes of the API; another path may hold user text, so it is logged as `other`.
PATHS = re.compile(
    r"/(?:v1/(?:chat/completions|completions|responses|messages|models|engine/\w+|detached|activity|props"
    r"|tokenize|detokenize|apply-template)|api/(?:chat|generate|tags|show|ps|version|pull)|health|ready|slots|metrics)?"
)
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}) \[(?P<pid>\d+)\] (?P<level>[A-Z]+) (?P<event>.*)"
)
_PROMPTS = ("prompt", "answer")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
#: What follows `?` or `#` in an address: signatures and tokens have many names there.
_QUERIES = re.compile(r"(?<=://)([^\s?#]{1,200}[?#])[^\s\"')]+")
_SECRET = r"(?:keys?|token|passwords?|passwd|pwd|passphrases?|secrets?|credentials?|signatures?|licen[cs]es?)"
#: `Bearer X`, `--some-key X`, `some_key=X`, `Cookie: X`, and keys that well-known services issue.
_NAMED_KEYS = re.compile(
    rf"(?i)(bearer\s+|authorization\s*:\s*\w+\s+|(?<![\w-])--[\w-]*{_SECRET}\s+"
    rf"|(?<![a-z])(?:[\w-]{1, 60}[-_])?(?:apikeys?|{_SECRET})[\"']?\s*[=:]\s*[\"']?)[^\s\"',;]+(?:,[^\s\"',;]+)*"
    r"|((?<![\w-])(?:set-)?cookie\s*[=:]\s*)[^\r\n]+"
    r"|\b(?:sk-[\w-]{8,}|(?:hf|gh[oprsu]|github_pat|glpat|xox[abp])[-_][\w-]{8,}|AKIA[A-Z0-9]{12,})"
)
_ADDRESSES = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?::\d{1,3}(?:\.\d{1,3}){3}|(?:\.\d{1,3}){3})?(?![\w:]|\.\d))"
)
#: The head of a JSON line; text of a user in these places makes it a line of another format.
_JSON_HEAD = {"time": r"[\dT:.+Z-]{1,40}", "pid": r"\d{1,9}", "level": r"[a-z]{1,10}"}
#: Fields of the engine's lines in a JSON log.
_MOVES = ("from", "to", "move")


class Clients:
    """Numbers the addresses of clients, so that one client keeps one name."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def name(self, client: str) -> str:
        """Return `client-1` for the first one; what is this machine's own keeps its name."""
        if client == "unix" or _is_own(client):
            return client
        return f"client-{self._numbers.setdefault(client, len(self._numbers) + 1)}"

    def name_all(self, text: str) -> str:
        """Replace every address of another machine in `text`."""
        return _ADDRESSES.sub(lambda match: self.name(match[0]) if _is_address(match[0]) else match[0], text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_own(text: str) -> bool:
    """Whether it is a loopback address, or stands for all of this machine's."""
    if not _is_address(text):
        return False
    address = ipaddress.ip_address(text)
    return address.is_loopback or address.is_unspecified


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove `secrets`, credentials in URLs, and strings that look like keys from `text`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    text = _QUERIES.sub(rf"\1{HIDDEN}", text)
    return _NAMED_KEYS.sub(lambda match: (match[1] or match[2] or "") + HIDDEN, text)


def log_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a gateway's log (text or JSON) that may leave the board.

    A line of a prompt or an answer may look like any other. If the log holds any, only the lines of requests are kept,
    and of those only the fields whose pattern excludes user text.
    """
    parsed = [event for line in lines if (event := _parse_line(line)) is not None]
    holds_prompts = any(event["event"].split(" ")[0] in _PROMPTS for event in parsed)
    clients = Clients()
    for event in parsed:
        head = f"{event['time']} [{event['pid']}] {event['level'].upper()}"
        if event["event"] == "request":
            yield f"{head} request {_facts(event['facts'], clients)}"
        elif not holds_prompts:
            moves = (f"{name}={event['facts'][name]}" for name in _MOVES if name in event["facts"])
            yield " ".join([head, clients.name_all(event["event"]), *moves])


def _facts(facts: Mapping[str, str], clients: Clients) -> str:
    shown = {name: facts[name] for name, form in FACTS.items() if re.fullmatch(form, facts.get(name, ""))}
    path = facts.get("path", "")
    known = PATHS.match(path)
    shown["path"] = known[0] if known and known[0] else "other"
    if "client" in facts:
        shown["client"] = clients.name(facts["client"])
    return " ".join(f"{name}={value}" for name, value in shown.items())


def _parse_line(line: str) -> dict[str, Any] | None:
    """Parse time, pid, level, event and fields of a log line; None for another format."""
    if line.startswith("{"):
        return _parse_json_line(line)
    match = _LINE.fullmatch(line.rstrip())
    if match is None:
        return None
    event, facts = match["event"], {}
    if event.startswith("request "):
        facts = dict(word.partition("=")[::2] for word in event.split(" ")[1:] if "=" in word)
        event = "request"
    return {**match.groupdict(), "event": event, "facts": facts}


def _parse_json_line(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        head = {name: str(found.pop(name)) for name in ("time", "level", "pid", "event")}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    if not all(re.fullmatch(form, head[name]) for name, form in _JSON_HEAD.items()):
        return None
    return {**head, "facts": {name: str(value) for name, value in found.items()}}
