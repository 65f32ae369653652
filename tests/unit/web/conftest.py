"""Applications over a scripted engine, with the simulator's model files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import flask.testing
import pytest
from werkzeug.test import TestResponse

from app import create_app
from bpu.settings import load_settings
from tests.support.streams import check_streamed, check_whole
from tests.unit.web.fakes import FakeEngine

ANSWERING = ("/chat/completions", "/completions", "/responses", "/messages", "/api/chat", "/api/generate")
Serve = Callable[..., "FlaskClient"]


class JsonResponse(TestResponse):
    """A response whose body a test takes for JSON. Only a type: the client makes the object."""

    @property
    def json(self) -> Any: ...


class FlaskClient(flask.testing.FlaskClient):
    """A client that reads each response to its end and closes it, as gunicorn does, unless `buffered=False`.

    Every answer that it has read is held against the checker of its endpoint.
    """

    def open(self, *args: Any, **fields: Any) -> JsonResponse:
        fields.setdefault("buffered", True)
        response = cast(JsonResponse, super().open(*args, **fields))
        if fields["buffered"] and response.status_code == 200 and str(args[0]).endswith(ANSWERING):
            self._check(args[0], fields.get("json") or json.loads(fields["data"]), response)
        return response

    if TYPE_CHECKING:  # they call `open`

        def get(self, *args: Any, **fields: Any) -> JsonResponse: ...
        def post(self, *args: Any, **fields: Any) -> JsonResponse: ...
        def put(self, *args: Any, **fields: Any) -> JsonResponse: ...
        def delete(self, *args: Any, **fields: Any) -> JsonResponse: ...

    def _check(self, path: str, asked: dict[str, Any], response: JsonResponse) -> None:
        if not response.content_type.startswith("text/event-stream"):
            if response.content_type == "application/x-ndjson":
                check_streamed(path, asked, response.data)
            else:
                check_whole(path, asked, response.json)
            return
        ctx = self.application.extensions["bpu"]
        check_streamed(path, asked, response.data, inline=ctx.settings.reasoning == "think-tags")


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def serve(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """`serve(**settings)`: a test client of an application with these settings over `engine`."""
    for name in ("BPU_API_KEYS", "BPU_ENGINE", "BPU_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)

    def start(**settings: Any) -> FlaskClient:
        app = create_app(load_settings(**{"engine": "simulator", **settings}), engine)
        app.test_client_class = FlaskClient
        client = app.test_client()
        assert isinstance(client, FlaskClient)
        return client

    return start


@pytest.fixture
def client(serve: Serve) -> FlaskClient:
    return serve()


@pytest.fixture
def request_log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The facts of every line that was written for a request."""
    with caplog.at_level(logging.INFO, "bpu"):
        yield lambda: [record.facts for record in caplog.records if record.name == "bpu.web.request"]  # type: ignore[attr-defined]
