"""LangChain, LlamaIndex, Pydantic AI, LiteLLM and `llm` at the gateway of `GATEWAY_URL`, by the APIs that they speak.

A program, because these live in an environment of their own (`make clients`). It ends with 1 at the first surprise.
"""

from __future__ import annotations

import base64
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

URL = os.environ["GATEWAY_URL"]
HOST = URL.removesuffix("/v1")
SEEING_URL = os.environ.get("SEEING_GATEWAY_URL", "")
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing but this machine is reached
BLOCKS = re.findall(r"^```\w+\n(.*?)^```$", Path("docs/clients.md").read_text(), re.MULTILINE | re.DOTALL)
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


def documented(word: str) -> str:
    """The block of docs/clients.md that holds `word`, with this gateway's address."""
    (block,) = (text for text in BLOCKS if word in text)
    return str(block).replace("http://BOARD:8000/v1", URL)


def run(*command: str, **env: str) -> str:
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def langchain_openai() -> None:
    from langchain_openai import ChatOpenAI

    assert "2" in run(sys.executable, "-c", documented("from langchain_openai"))
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


def langchain_images() -> None:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI

    url = f"data:image/bmp;base64,{base64.b64encode(red_image()).decode()}"
    parts: list[Any] = [{"type": "text", "text": "What colour is the picture?"}]
    for image in (
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image", "base64": url.partition(",")[2], "mime_type": "image/bmp"},
    ):
        for more in ({}, {"use_responses_api": True}):
            model = ChatOpenAI(base_url=SEEING_URL, api_key="any", model=MODEL, max_retries=0, **more)
            answer = model.invoke([HumanMessage(content=[*parts, image])])
            assert "1 image: 448x448: #ff0000 100 %" in str(answer.content), answer.content


def red_image() -> bytes:
    """A BMP file of 8 by 8 red pixels."""
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + 192, 0, 0, 54, 40, 8, 8, 1, 24, 0, 192, 0, 0, 0, 0)
    return head + b"\0\0\xff" * 64


def langchain_deepseek() -> None:
    from langchain_deepseek import ChatDeepSeek

    assert "2" in run(sys.executable, "-c", documented("from langchain_deepseek"))
    model = ChatDeepSeek(api_base=URL, api_key="any", model=MODEL, max_retries=0)
    answer = model.invoke(ANSWER)
    assert answer.content == WORDS
    assert answer.additional_kwargs["reasoning_content"] == "Thought."
    chunks = list(model.stream(ANSWER))
    assert "".join(str(chunk.content) for chunk in chunks) == WORDS
    assert "".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks) == "Thought."


def litellm() -> None:
    import litellm
    import yaml

    asked: dict[str, Any] = {"model": f"openai/{MODEL}", "api_base": URL, "api_key": "any", "num_retries": 0}
    answer: Any = litellm.completion(messages=[{"role": "user", "content": ANSWER}], **asked)
    assert answer.choices[0].message.content == WORDS
    assert answer.choices[0].message.reasoning_content == "Thought."
    stream: Any = litellm.completion(messages=[{"role": "user", "content": ANSWER}], stream=True, **asked)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == WORDS
    # With tools, LiteLLM imports `mcp`.
    called: Any = litellm.completion(messages=[{"role": "user", "content": say(CALL)}], tools=[TOOL], **asked)
    assert called.choices[0].finish_reason == "tool_calls"
    # The proxy's own configuration; its Router is what the proxy asks models through.
    config = yaml.safe_load(documented("model_list"))
    assert config["general_settings"]["master_key"].startswith("sk-")
    router = litellm.Router(model_list=config["model_list"])
    routed: Any = router.completion(model="bpu", messages=[{"role": "user", "content": ANSWER}])
    assert routed.choices[0].message.content == WORDS


def litellm_by_the_other_apis() -> None:
    import litellm

    for name, base in (("ollama_chat", HOST), ("anthropic", HOST)):
        asked: dict[str, Any] = {"model": f"{name}/{MODEL}", "api_base": base, "api_key": "any", "num_retries": 0}
        answer: Any = litellm.completion(messages=[{"role": "user", "content": ANSWER}], max_tokens=500, **asked)
        assert answer.choices[0].message.content.strip() == WORDS, name
        stream: Any = litellm.completion(
            messages=[{"role": "user", "content": ANSWER}], max_tokens=500, stream=True, **asked
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream).strip() == WORDS, name
        called: Any = litellm.completion(
            messages=[{"role": "user", "content": say(CALL)}], tools=[TOOL], max_tokens=500, **asked
        )
        (call,) = called.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "巴黎"}, name


def langchain_ollama() -> None:
    from langchain_ollama import ChatOllama

    model = ChatOllama(base_url=HOST, model=MODEL, reasoning=True, validate_model_on_init=True)
    answer = model.invoke(ANSWER)
    assert (answer.content, answer.additional_kwargs["reasoning_content"]) == (WORDS, "Thought.")
    assert "".join(str(chunk.content) for chunk in model.stream(ANSWER)) == WORDS
    (call,) = model.bind_tools([TOOL]).invoke(say(CALL)).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "巴黎"})
    place = model.with_structured_output(PLACE, method="json_schema")
    assert place.invoke(say('Hm.</think>{"city": "Paris"}')) == {"city": "Paris"}


def langchain_anthropic() -> None:
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(base_url=HOST, api_key="any", model=MODEL, max_tokens=1000, max_retries=0)
    assert model.invoke(ANSWER).content == WORDS
    assert "".join(chunk.text for chunk in model.stream(ANSWER)) == WORDS
    (call,) = model.bind_tools([TOOL]).invoke(say(CALL)).tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "巴黎"})


def llama_index_llms_ollama() -> None:
    from llama_index.core.llms import ChatMessage
    from llama_index.core.tools import FunctionTool
    from llama_index.llms.ollama import Ollama
    from pydantic import create_model

    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return f"sunny in {city}"

    model = Ollama(model=MODEL, base_url=HOST, thinking=True, request_timeout=120)
    asked = [ChatMessage(role="user", content=ANSWER)]
    answer = model.chat(asked).message
    assert [type(block).__name__ for block in answer.blocks] == ["ThinkingBlock", "TextBlock"]
    assert answer.content == WORDS
    assert "".join(part.delta or "" for part in model.stream_chat(asked)) == WORDS
    tool = FunctionTool.from_defaults(get_weather)
    assert str(model.predict_and_call([tool], user_msg=say(CALL))) == "sunny in 巴黎"
    structured = model.as_structured_llm(create_model("Place", city=(str, ...)))
    asked = [ChatMessage(role="user", content=say('Hm.</think>{"city": "Paris"}'))]
    assert structured.chat(asked).raw.city == "Paris"


def pydantic_ai_slim() -> None:
    from pydantic import create_model
    from pydantic_ai import Agent, PromptedOutput
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        cities.append(city)
        return "sunny"

    # By Anthropic's API: its part for OpenAI's needs a newer package than LiteLLM allows.
    model = AnthropicModel(MODEL, provider=AnthropicProvider(base_url=HOST, api_key="any"))
    agent = Agent(model, system_prompt="Be brief.")
    first = agent.run_sync(ANSWER)
    assert first.output == WORDS
    assert agent.run_sync(ANSWER, message_history=first.all_messages()).output == WORDS
    assert "".join(agent.run_stream_sync(ANSWER).stream_text(delta=True)) == WORDS
    cities: list[str] = []
    assert "sunny" in Agent(model, tools=[get_weather]).run_sync(say(CALL)).output
    assert cities == ["巴黎"]
    place = Agent(model, output_type=PromptedOutput(create_model("Place", city=(str, ...))))
    assert place.run_sync(say('Hm.</think>{"city": "Paris"}')).output.city == "Paris"


def llm_command() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "extra-openai-models.yaml").write_text(documented("api_key_name"))
        llm = [str(Path(sys.executable).parent / "llm"), "-m", "bpu", "--key", "any", "--no-log"]
        for options in ([], ["--no-stream"]):
            said = run(*llm, *options, ANSWER, LLM_USER_PATH=folder)
            assert said.strip() == WORDS, said


def main() -> None:
    clients = (langchain_openai, langchain_images, langchain_deepseek, langchain_ollama, langchain_anthropic)
    for client in (
        *clients,
        llama_index_llms_ollama,
        pydantic_ai_slim,
        litellm,
        litellm_by_the_other_apis,
        llm_command,
    ):
        client()
        print(f"{client.__name__.replace('_', ' ')}: fine")


if __name__ == "__main__":
    main()
