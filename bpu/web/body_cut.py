"""The error that ends a response before its end; a separate module because gunicorn's master imports it."""

from __future__ import annotations


class BodyCut(OSError):
    """A body is cut so that no client takes it for an answer; its connection must be closed.

    An OSError, because gunicorn treats those as a closed connection and logs no traceback.
    """
