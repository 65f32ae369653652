"""Anthropic's Messages as a format of the chat: requests, answers and errors.

It is pure: no process, no clock, no Flask.
"""

from __future__ import annotations

from bpu.chat.anthropic.answer import PING, MessageFormat
from bpu.chat.anthropic.errors import error_body
from bpu.chat.anthropic.request import omits_thinking, parse_count, parse_message

__all__ = ["PING", "MessageFormat", "error_body", "omits_thinking", "parse_count", "parse_message"]
