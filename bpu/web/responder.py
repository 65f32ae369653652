"""From a chat request to its response, straight down: turn, job, deltas. It owns the job until the response does.

All endpoints that answer share it; each brings an `EndpointFormat`, the shape of its answers. Everything that can be
refused is refused before the first byte, so that a refusal is a true status.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from bpu.web import detaching, json_response, request_log, sse
from bpu.web.client_key import caller_key
from bpu.web.context import AppContext, Job
from bpu.web.heartbeat import Heartbeat
from bpu.web.request_body import client_socket
from bpu.web.routes import activity

log = logging.getLogger("bpu.web")

#: A reader that takes nothing for this long is given up: gunicorn itself would wait for ever.
WRITE_S = 60.0


@dataclass(frozen=True)
class EndpointFormat:
    """The shape of one endpoint's answers: `events` and their `style` when streamed, else the `join`."""

    events: Callable[[Iterator[Delta]], Iterator[dict[str, Any]]]
    join: json_response.ResponseBuilder
    style: sse.StreamFormat


Shape = Callable[[ResponseMetadata], EndpointFormat]


def options(here: AppContext) -> dict[str, Any]:
    """What every parser of a request needs to know of this gateway and this caller."""
    return {
        "models": here.served.names,
        "think_model": here.settings.think_model,
        "limits": Limits(max_messages=here.settings.max_messages),
        "namespace": caller_key(),
    }


def respond(here: AppContext, asked: ChatRequest, shape: Shape, prefix: str) -> Response:
    """The answer to `asked`. `prefix` begins its id."""
    request_log.current().id = f"{prefix}{uuid4().hex}"
    request_log.note(stream=asked.stream, model=asked.model)
    name = conversation_title(asked) if here.settings.side_requests == "gateway" else None
    response = _own_answer(here, asked, shape, name) if name is not None else _engine_answer(here, asked, shape)
    if asked.ignored:
        response.headers["X-BPU-Ignored"] = ", ".join(asked.ignored)
    return response


def let_go(error: BaseException | None) -> None:
    """At the end of a request that failed after its view: nobody will close its response, so its job is closed."""
    job: Job | None = g.pop("job", None)
    if job is not None and error is not None:
        job.close()


def _engine_answer(here: AppContext, asked: ChatRequest, shape: Shape) -> Response:
    """The engine's answer. From `submit` on the job is closed on every way out."""
    model, record = here.served.find(asked.model), request_log.current()
    plan = model.parts.prompter.plan(asked)
    request_log.note(model=model.id)
    if here.settings.log_prompts:
        log.info("prompt", extra={"facts": {"id": record.id, "line": plan.turn.line.decode("utf-8", "replace")}})
    detached = detaching.reserve() if asked.stream else None
    try:
        job = here.engine.submit(
            plan.turn,
            job_id=record.id,
            remember=partial(model.parts.decoder.conversation_digest, asked),
            count=model.parts.counter.count,
            client=None if detached else client_socket(),
            model=model.id,
        )
    except BaseException:
        if detached:
            detached.drop()
        raise
    g.job = job
    try:
        answer = _answer(here, model.parts.decoder, asked, plan.turn, job, record)
        response = _deliver(here, asked, shape, answer, prompt_tokens=plan.turn.tokens)
        response.call_on_close(job.close)
        response.call_on_close(lambda: record.facts.update(_phases(job)))
        if detached:
            response = detaching.detach(response, detached, cancel=job.close)
    except BaseException:
        job.close()
        raise
    _limit_writes(response)
    if here.simulated:
        response.headers["X-BPU-Simulated"] = "1"
    if plan.dropped:
        response.headers["X-BPU-History-Trimmed"] = str(plan.dropped)
    return response


def _own_answer(here: AppContext, asked: ChatRequest, shape: Shape, text: str) -> Response:
    """An answer of the gateway's own, marked as such. No model was asked, so no token was used."""
    answer: list[Delta] = [Content(text), Finish("stop", Usage(prompt_tokens=0, completion_tokens=0))]
    response = _deliver(here, asked, shape, iter(answer))
    response.headers["X-BPU-Answered-By"] = "gateway"
    return response


def _deliver(
    here: AppContext, asked: ChatRequest, shape: Shape, answer: Iterator[Delta], *, prompt_tokens: int = 0
) -> Response:
    """`answer` in the form that was asked for; not streamed, this waits for it."""
    record, settings = request_log.current(), here.settings
    head = ResponseMetadata(
        id=record.id,
        created=int(time.time()),
        model=asked.model,
        include_usage=asked.include_usage,
        system_fingerprint=here.fingerprint,
        reasoning_key="reasoning" if settings.reasoning == "reasoning" else "reasoning_content",
        prompt_tokens=prompt_tokens,
    )
    face = shape(head)
    if asked.stream:
        events = face.events(answer)
        data = sse.stream(events, keepalive=settings.keepalive, record=record, style=face.style)
        return sse.response(data, face.style.content_type)
    return json_response.response(
        answer, face.join, patience_s=settings.header_drip_s, period_s=settings.keepalive_s, record=record
    )


def _answer(
    here: AppContext,
    decoder: AnswerDecoder,
    asked: ChatRequest,
    turn: Turn,
    job: Job,
    record: request_log.RequestRecord,
) -> Iterator[Delta]:
    """The deltas of `job`, with its counts noted for the log."""
    settings = here.settings
    pace = Heartbeat(settings.keepalive_s if asked.stream else min(settings.keepalive_s, settings.header_drip_s))
    deltas = decoder.read(here.meters.watch(pace.events(job), record), asked, turn, lambda: job.timing)
    if settings.activity == "bodies":
        deltas = activity.noted(deltas, asked, record)
    for delta in _logged(deltas, record) if settings.log_prompts else deltas:
        if isinstance(delta, Finish):
            record.facts.update(_counts(delta))
        yield delta
        pace.sent()


def _logged(deltas: Iterator[Delta], record: request_log.RequestRecord) -> Iterator[Delta]:
    """`deltas` as they are; at their end, whatever it is, a line with all that was said."""
    said: list[str] = []
    try:
        for delta in deltas:
            if isinstance(delta, (Reasoning, Content)):
                said.append(delta.text)
            yield delta
    finally:
        log.info("answer", extra={"facts": {"id": record.id, "text": "".join(said)}})


def _counts(finish: Finish) -> dict[str, object]:
    usage = finish.usage
    return {
        "finish": finish.reason,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _phases(job: Job) -> dict[str, float]:
    timing = job.timing
    phases = {"queued": timing.queued_s, "load": timing.load_s, "prefill": timing.prefill_s, "decode": timing.decode_s}
    return {f"{name}_ms": round(seconds * 1000, 1) for name, seconds in phases.items()}


def _limit_writes(response: Response) -> None:
    client = client_socket()
    if client is not None:
        client.settimeout(WRITE_S)
        response.call_on_close(lambda: client.settimeout(None))
