"""The error that cuts a response; a separate module because gunicorn's master imports it."""

from __future__ import annotations


class BodyCut(OSError):
    """A response body is cut; its connection must be closed.

    No client can mistake the cut body for an answer. An OSError, because gunicorn treats those as a closed connection
    and logs no traceback.
    """
