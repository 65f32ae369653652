"""The sign by which a response ends before its end. It has a module of its own because gunicorn's master imports it."""

from __future__ import annotations


class BodyCut(OSError):
    """A body ends before its end, so that no client takes it for an answer; its connection must be closed.

    An OSError, because gunicorn takes those for the end of a connection and logs no traceback.
    """
