"""`GET /v1/activity`: the last requests that the client may see."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from bpu.access_policy import Access, is_loopback_address
from bpu.web import request_log
from bpu.web.activity_store import ActivityStore, Viewer, activity_config

MAX_ROWS = 1000


def activity_blueprint(access: Access, mode: str, store: Callable[[], ActivityStore | None]) -> Blueprint:
    """Make the blueprint `activity`. `mode` is `BPU_ACTIVITY`."""
    activity = Blueprint("activity", __name__)

    @activity.get("/v1/activity")
    def rows() -> Response:
        client = request_log.current().client
        viewer = Viewer(client, is_privileged=access.needs_key or client == "unix" or is_loopback_address(client))
        kept = store()
        limit = min(MAX_ROWS, max(0, request.args.get("limit", 200, type=int)))
        found = kept.rows(viewer, limit=limit) if kept is not None and limit else []
        return jsonify({**activity_config(mode), "data": found})

    return activity
