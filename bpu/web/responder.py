"""From a chat request to its response, in order: turn, job, deltas.

It owns the job until the response does. All endpoints that answer share it; each brings an `EndpointFormat`. What can
be refused is refused before the first byte, so that the refusal is the response's status. A worker runs it in the
greenlet of the request.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from flask import Response, g

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.chunks import ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, Reasoning
from bpu.chat.requests import ChatRequest, Limits
from bpu.chat.title_requests import conversation_title
from bpu.chat.usage import Usage
from bpu.turn import Turn
from bpu.web import activity_store, detaching, json_response, request_log, sse
from bpu.web.answer_chain import AnswerChain, Observer, Output
from bpu.web.client_key import key_digest
from bpu.web.context import AppContext, Job
from bpu.web.endpoint_format import FormatFactory
from bpu.web.request_body import client_socket
from bpu.web.request_images import read_images

log = logging.getLogger("bpu.web")

#: A connection whose client reads nothing for this long is closed, because gunicorn itself would wait for ever.
WRITE_S = 60.0


def options(ctx: AppContext) -> dict[str, Any]:
    """Return the arguments that all request parsers take from the gateway and client key."""
    return {
        "models": ctx.served.names,
        "seeing": ctx.served.seeing,
        "think_model": ctx.settings.think_model,
        "limits": Limits(max_messages=ctx.settings.max_messages),
        "namespace": key_digest(),
    }


def respond(ctx: AppContext, chat_request: ChatRequest, make_format: FormatFactory, prefix: str) -> Response:
    """Answer `chat_request`; the answer's id begins with `prefix`."""
    request_log.current().id = f"{prefix}{uuid4().hex}"
    request_log.add_fields(stream=chat_request.stream, model=chat_request.model)
    title = conversation_title(chat_request) if ctx.settings.side_requests == "gateway" else None
    if title is not None:
        response = _gateway_answer(ctx, chat_request, make_format, title)
    else:
        response = _engine_answer(ctx, chat_request, make_format)
    if chat_request.ignored:
        response.headers["X-BPU-Ignored"] = ", ".join(chat_request.ignored)
    return response


def release_job(error: BaseException | None) -> None:
    """Close the job of a request that failed after its view."""
    job: Job | None = g.pop("job", None)
    if job is not None and error is not None:
        job.close()


def _engine_answer(ctx: AppContext, chat_request: ChatRequest, make_format: FormatFactory) -> Response:
    """Answer by the engine. From `submit` on the job is closed on every way out."""
    model, record = ctx.served.find(chat_request.model), request_log.current()
    images = read_images(ctx.images, chat_request, model.image_side)
    plan = model.parts.prompter.plan(chat_request)
    turn = plan.turn
    request_log.add_fields(model=model.id)
    if ctx.settings.log_prompts:
        log.info("prompt", extra={"facts": {"id": record.id, "line": plan.turn.line.decode("utf-8", "replace")}})
    detached = detaching.reserve() if chat_request.stream else None
    try:
        turn = replace(turn, images=images.save(plan.images))
        job = ctx.engine.submit(
            turn,
            job_id=record.id,
            conversation_digest=partial(model.parts.decoder.conversation_digest, chat_request),
            count_tokens=model.parts.counter.count,
            client=None if detached else client_socket(),
            model=model.id,
            on_end=images.remove,
        )
    except BaseException:
        images.remove()
        if detached:
            detached.discard()
        raise
    g.job = job
    resources = ExitStack()
    resources.callback(job.close)
    try:
        output = _output(ctx, chat_request, make_format, prompt_tokens=plan.turn.tokens)
        chain = _chain(ctx, model.parts.decoder, chat_request, turn, job, output)
        resources.callback(chain.close)
        settings = ctx.settings
        period_s = settings.keepalive_s if chat_request.stream else min(settings.keepalive_s, settings.header_drip_s)
        response = output.response(job.feed(chain, period_s))
        response.call_on_close(resources.close)
        response.call_on_close(lambda: record.facts.update(_phases(job)))
        if detached:
            response = detaching.detach(response, detached, cancel=job.close)
    except BaseException:
        resources.close()
        if detached:
            detached.discard()
        raise
    _limit_writes(response)
    if ctx.simulated:
        response.headers["X-BPU-Simulated"] = "1"
    if plan.dropped:
        response.headers["X-BPU-History-Trimmed"] = str(plan.dropped)
    if plan.images_left_out:
        response.headers["X-BPU-Images-Left-Out"] = str(plan.images_left_out)
    return response


def _gateway_answer(ctx: AppContext, chat_request: ChatRequest, make_format: FormatFactory, text: str) -> Response:
    """Answer with `text` from the gateway itself, without a model and without tokens."""
    output = _output(ctx, chat_request, make_format)
    answer: list[Delta] = [Content(text), Finish("stop", Usage(prompt_tokens=0, completion_tokens=0))]
    response = output.response(output.add(delta) for delta in answer)
    response.headers["X-BPU-Answered-By"] = "gateway"
    return response


def _output(
    ctx: AppContext, chat_request: ChatRequest, make_format: FormatFactory, *, prompt_tokens: int = 0
) -> sse.EventStream | json_response.JsonBody:
    """Make the output of an answer, streamed or not."""
    record, settings = request_log.current(), ctx.settings
    head = ResponseMetadata(
        id=record.id,
        created=int(time.time()),
        model=chat_request.model,
        include_usage=chat_request.include_usage,
        system_fingerprint=ctx.fingerprint,
        reasoning_key="reasoning" if settings.reasoning == "reasoning" else "reasoning_content",
        prompt_tokens=prompt_tokens,
    )
    endpoint_format = make_format(head)
    if chat_request.stream:
        return sse.EventStream(endpoint_format, keepalive=settings.keepalive, record=record)
    return json_response.JsonBody(
        endpoint_format.body, patience_s=settings.header_drip_s, period_s=settings.keepalive_s, record=record
    )


def _chain(
    ctx: AppContext, decoder: AnswerDecoder, chat_request: ChatRequest, turn: Turn, job: Job, output: Output
) -> AnswerChain:
    """Make the chain from the events of `job` to `output`."""
    record, settings = request_log.current(), ctx.settings
    observers: list[Observer] = []
    if settings.activity == "bodies":
        observers.append(activity_store.TextRecorder(chat_request, record))
    if settings.log_prompts:
        observers.append(_AnswerLog(record.id))
    return AnswerChain(
        lambda emit: decoder.reader(chat_request, turn, lambda: job.timing, emit),
        output,
        times=ctx.request_metrics.token_times(record),
        record=record,
        observers=observers,
    )


class _AnswerLog:
    """Logs the text of an answer when it ends, also by an error."""

    def __init__(self, answer_id: str) -> None:
        self._id = answer_id
        self._texts: list[str] = []

    def add(self, delta: Delta) -> None:
        if isinstance(delta, (Reasoning, Content)):
            self._texts.append(delta.text)

    def close(self) -> None:
        log.info("answer", extra={"facts": {"id": self._id, "text": "".join(self._texts)}})


def _phases(job: Job) -> dict[str, float]:
    timing = job.timing
    phases = {"queued": timing.queued_s, "load": timing.load_s, "prefill": timing.prefill_s, "decode": timing.decode_s}
    return {f"{name}_ms": round(seconds * 1000, 1) for name, seconds in phases.items()}


def _limit_writes(response: Response) -> None:
    client = client_socket()
    if client is not None:
        client.settimeout(WRITE_S)
        response.call_on_close(lambda: client.settimeout(None))
