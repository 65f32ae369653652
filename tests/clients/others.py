"""LangChain, LiteLLM and the `llm` command against the gateway at `GATEWAY_URL`, set up as docs/clients.md says.

A program, because these live in an environment of their own (`make clients`). It ends with 1 at the first surprise.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

URL = os.environ["GATEWAY_URL"]
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing but this machine is reached
MODEL = "deepseek-r1:1.5b"
WORDS = "你好，world 🎉"
CALL = 'Hm.</think>\n\n<tool_call>{"name": "get_weather", "arguments": {"city": "巴黎"}}</tool_call>'


def say(text: str) -> str:
    return f"go on [[sim say={base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}]]"


ANSWER = say(f"Thought.</think>\n\n{WORDS}")
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PLACE = {"title": "Place", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def langchain_openai() -> None:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(base_url=URL, api_key="any", model=MODEL, max_retries=0)
    assert model.invoke(ANSWER).content == WORDS
    chunks = list(model.stream(ANSWER))
    assert "".join(str(chunk.content) for chunk in chunks) == WORDS
    (call,) = model.bind_tools([TOOL]).invoke(say(CALL)).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "巴黎"})
    place = model.with_structured_output(PLACE, method="json_schema")
    assert place.invoke(say('Hm.</think>{"city": "Paris"}')) == {"city": "Paris"}
    thinking = ChatOpenAI(base_url=URL, api_key="any", model=f"{MODEL}-think", max_retries=0)
    assert thinking.invoke(ANSWER).content == f"<think>\nThought.\n</think>\n\n{WORDS}"


def langchain_deepseek() -> None:
    from langchain_deepseek import ChatDeepSeek

    model = ChatDeepSeek(api_base=URL, api_key="any", model=MODEL, max_retries=0)
    answer = model.invoke(ANSWER)
    assert answer.content == WORDS
    assert answer.additional_kwargs["reasoning_content"] == "Thought."
    chunks = list(model.stream(ANSWER))
    assert "".join(str(chunk.content) for chunk in chunks) == WORDS
    assert "".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks) == "Thought."


def litellm() -> None:
    import litellm

    asked: dict[str, Any] = {"model": f"openai/{MODEL}", "api_base": URL, "api_key": "any", "num_retries": 0}
    answer: Any = litellm.completion(messages=[{"role": "user", "content": ANSWER}], **asked)
    assert answer.choices[0].message.content == WORDS
    assert answer.choices[0].message.reasoning_content == "Thought."
    stream: Any = litellm.completion(messages=[{"role": "user", "content": ANSWER}], stream=True, **asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == WORDS
    called: Any = litellm.completion(messages=[{"role": "user", "content": say(CALL)}], tools=[TOOL], **asked)
    assert called.choices[0].finish_reason == "tool_calls"


def llm_command() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = f"- model_id: bpu\n  model_name: {MODEL}\n  api_base: {URL}\n  api_key_name: bpu\n"
        (Path(folder) / "extra-openai-models.yaml").write_text(settings)
        env = {**os.environ, "LLM_USER_PATH": folder}
        llm = [str(Path(sys.executable).parent / "llm"), "-m", "bpu", "--key", "any", "--no-log"]
        for options in ([], ["--no-stream"]):
            done = subprocess.run(
                [*llm, *options, ANSWER], env=env, capture_output=True, text=True, timeout=60, check=True
            )
            assert done.stdout.strip() == WORDS, done.stdout


def main() -> None:
    for client in (langchain_openai, langchain_deepseek, litellm, llm_command):
        client()
        print(f"{client.__name__.replace('_', ' ')}: fine")


if __name__ == "__main__":
    main()
