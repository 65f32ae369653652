"""Serves a console in the usual way, one process a request, for comparison.

An asyncio server starts one console process for each request: a semaphore lets one run at a time, the process loads
its model, reads the question, and is killed at the end of its answer.
`python -m benchmarks.process_per_request PORT ARGV...`
"""

from __future__ import annotations

import asyncio
import codecs
import json
import sys
import time
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

PROMPT, START, STATISTICS = "[User] <<< ", "[Assistant] >>> ", "\nPerformance prefill"


async def read_until(process: Process, mark: str) -> str:
    """Read up to `mark`, and return the rest of that read."""
    assert process.stdout is not None
    decode, text = codecs.getincrementaldecoder("utf-8")("replace").decode, ""
    while mark not in text:
        data = await process.stdout.read(4096)
        if not data:
            raise RuntimeError("the console has ended")
        text += decode(data)
    return text.partition(mark)[2]


async def pieces(process: Process, text: str) -> AsyncIterator[str]:
    """Yield the answer, which begins with `text`, up to the statistics or the prompt."""
    assert process.stdout is not None
    decode, held = codecs.getincrementaldecoder("utf-8")("replace").decode, text
    while True:
        ends = [at for at in (held.find(STATISTICS), held.find("\n" + PROMPT)) if at >= 0]
        if ends:
            yield held[: min(ends)]
            return
        # A beginning of an end marker is held back.
        last = held.rfind("\n")
        safe = last if last >= 0 and len(held) - last < len(STATISTICS) else len(held)
        if safe:
            yield held[:safe]
        data = await process.stdout.read(4096)
        if not data:
            return
        held = held[safe:] + decode(data)


def make_app(argv: list[str]) -> FastAPI:
    app, one = FastAPI(), asyncio.Semaphore(1)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> StreamingResponse:
        body: dict[str, Any] = await request.json()
        return StreamingResponse(events(body["messages"][-1]["content"]), media_type="text/event-stream")

    async def events(question: str) -> AsyncIterator[str]:
        head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": int(time.time())}

        def event(delta: dict[str, str], reason: str | None = None) -> str:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return f"data: {json.dumps({**head, 'model': 'deepseek-r1', 'choices': [choice]}, ensure_ascii=False)}\n\n"

        async with one:
            command = ("stdbuf", "-o0", *argv)
            process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
            try:
                assert process.stdin is not None
                await read_until(process, PROMPT)
                process.stdin.write(question.encode() + b"\n")
                await process.stdin.drain()
                async for piece in pieces(process, await read_until(process, START)):
                    yield event({"content": piece})
            finally:
                process.kill()
                await process.wait()
        yield event({}, "stop")
        yield "data: [DONE]\n\n"

    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[2:]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
