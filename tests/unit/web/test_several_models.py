"""The lists and counts of every API where the gateway serves a table of two models, over a scripted engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import sdks
from tests.support.api_errors import check_ollama_error
from tests.support.checker import check_error
from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine

R1, QWEN = "deepseek-r1:1.5b", "qwen3-4b"
TABLE = f"""
default = "{R1}"
[[model]]
id = "{R1}"
thinking = "template"
[[model]]
id = "{QWEN}"
aliases = ["qwen"]
context = 512
idle_unload_s = 60.0
thinking = "none"
"""


@pytest.fixture
def client(serve: Serve, engine: FakeEngine, tmp_path: Path) -> FlaskClient:
    """A gateway with the table whose engine has the default model."""
    path = tmp_path / "models.toml"
    path.write_text(TABLE)
    engine.picture.update(model=R1, models={})
    return serve(models_file=path)


def entries(client: FlaskClient) -> dict[str, Any]:
    return {one["id"]: one for one in client.get("/v1/models").json["data"]}


def test_every_list_has_all_models(client: FlaskClient) -> None:
    listed = entries(client)
    assert list(listed) == [R1, QWEN, f"{R1}-think", f"{QWEN}-think"]
    assert (listed[R1]["context_length"], listed[QWEN]["context_length"]) == (4096, 512)
    assert [one["name"] for one in client.get("/api/tags").json["models"]] == [R1, f"{QWEN}:latest"]
    assert ["thinking" in listed[one]["capabilities"] for one in (R1, QWEN)] == [True, False]


def test_each_model_has_a_status_of_its_own(client: FlaskClient, engine: FakeEngine) -> None:
    assert {name: one["status"]["value"] for name, one in entries(client).items() if "-think" not in name} == {
        R1: "loaded",
        QWEN: "unloaded",
    }
    engine.picture.update(state="starting", model=QWEN, models={R1: {"error": "No BPU memory."}})
    listed = entries(client)
    assert listed[QWEN]["status"] == {"value": "loading"}
    assert listed[R1]["status"] == {"value": "failed", "reason": "No BPU memory."}


def test_only_the_loaded_model_is_in_memory(client: FlaskClient, engine: FakeEngine) -> None:
    [loaded] = client.get("/api/ps").json["models"]
    assert loaded["name"] == R1
    engine.picture["model"] = QWEN
    [loaded] = client.get("/api/ps").json["models"]
    assert loaded["context_length"] == 512


def test_an_alias_is_a_name_of_its_model(client: FlaskClient) -> None:
    assert client.get("/v1/models/qwen").json["context_length"] == 512
    assert client.post("/v1/tokenize", json={"model": "qwen", "content": "word"}).json["max_model_len"] == 512
    assert client.post("/v1/tokenize", json={"content": "word"}).json["max_model_len"] == 4096
    refused = client.post("/v1/tokenize", json={"model": "other", "content": "word"})
    assert (refused.status_code, check_error(refused.json)["code"]) == (404, "model_not_found")


def test_the_properties_are_those_of_the_model_in_the_query(client: FlaskClient) -> None:
    found = {name: client.get(f"/props?model={name}").json for name in (R1, "qwen", f"{QWEN}-think", "other", "")}
    assert [one["model_alias"] for one in found.values()] == [R1, QWEN, QWEN, R1, R1]
    assert [one["default_generation_settings"]["n_ctx"] for one in found.values()] == [4096, 512, 512, 4096, 4096]
    assert [one["is_sleeping"] for one in found.values()] == [False, True, True, False, False]


def test_the_orders_of_ollama_count_for_the_model_that_they_name(client: FlaskClient, engine: FakeEngine) -> None:
    assert client.post("/api/generate", json={"model": QWEN, "keep_alive": 0}).json["done_reason"] == "unload"
    assert engine.orders == [f"unload {QWEN}"]
    assert client.post("/api/generate", json={"model": R1}).json["done_reason"] == "load"
    assert engine.orders == [f"unload {QWEN}"], "it is loaded"


def test_a_load_is_over_when_the_model_that_was_named_is_loaded(
    client: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = dict(engine.picture)
    seen = iter([{"model": R1}, {"model": R1}, {"model": QWEN, "state": "starting"}, {"model": QWEN}])
    monkeypatch.setattr(engine, "status", lambda: {**picture, **next(seen, {"model": QWEN})})
    assert client.post("/api/generate", json={"model": "qwen"}).json["done_reason"] == "load"
    assert engine.orders == [f"load {QWEN}"]
    assert next(seen, None) is None


def test_a_load_that_failed_names_the_reason(client: FlaskClient, engine: FakeEngine) -> None:
    engine.picture.update(state="failed", since_s=-1.0, error="No BPU memory.", model=QWEN)
    response = client.post("/api/generate", json={"model": QWEN})
    assert (response.status_code, check_ollama_error(response.json)) == (424, "No BPU memory.")


def test_a_pull_of_a_model_whose_files_are_missing_says_so(serve: Serve, tmp_path: Path) -> None:
    runtime, hbm = sdks.s100(tmp_path), sdks.model(tmp_path / f"{sdks.R1}_4096.hbm")
    path = tmp_path / "models.toml"
    path.write_text(
        f'[[model]]\nid = "{R1}"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n'
        f'[[model]]\nid = "{QWEN}"\nruntime_dir = "{runtime}"\nhbm = "/no/x_1024.hbm"\n'
    )
    client = serve(engine="console", models_file=path)
    assert client.post("/api/pull", json={"model": R1, "stream": False}).json == {"status": "success"}
    refused = client.post("/api/pull", json={"model": QWEN})
    assert refused.status_code == 424
    assert "/no/x_1024.hbm" in check_ollama_error(refused.json)


def test_a_job_goes_to_the_model_that_it_names(client: FlaskClient, engine: FakeEngine) -> None:
    message = [{"role": "user", "content": "word " * 600}]
    long = client.post("/v1/chat/completions", json={"model": "qwen", "messages": message})
    assert check_error(long.json)["code"] == "context_length_exceeded"
    assert client.post("/v1/chat/completions", json={"model": R1, "messages": message}).status_code == 200
    short = client.post(
        "/api/chat", json={"model": "qwen", "stream": False, "messages": [{"role": "user", "content": "Hi"}]}
    )
    assert (short.status_code, short.json["model"]) == (200, "qwen")
    assert engine.asked == [R1, QWEN]


def test_a_model_with_the_name_of_anothers_variant_is_itself(serve: Serve, engine: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(
        '[[model]]\nid = "m"\n[[model]]\nid = "m-think"\ncontext = 512\n[[model]]\nid = "M"\ncontext = 256\n'
    )
    engine.picture.update(model="m", models={})
    client = serve(models_file=path)
    assert list(entries(client)) == ["m", "m-think", "M", "m-think-think", "M-think"]
    lengths = {name: client.get(f"/v1/models/{name}").json["context_length"] for name in entries(client)}
    assert lengths == {"m": 4096, "m-think": 512, "M": 256, "m-think-think": 512, "M-think": 256}
    for name in ("m", "M", "m-think"):
        shown = client.post("/api/show", json={"model": name}).json["model_info"]
        assert [size for key, size in shown.items() if key.endswith("context_length")] == [lengths[name]]
