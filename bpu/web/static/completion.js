// One streamed chat completion, as plain values: accepted, reasoning, content, silence, finish.

import { ApiError, call } from "./api.js";
import { events } from "./stream.js";
import { ThinkSplitter } from "./reasoning_view.js";

/** Yields `{kind, ...}`; throws ApiError, also for an error inside the stream and for a stream that just stops. */
export async function* complete(request, signal) {
  const body = { ...request, stream: true, stream_options: { include_usage: true } };
  yield* answer(await call("/v1/chat/completions", { method: "POST", body, signal, headers: { "X-BPU-Detach": "1" } }));
}

/** The answer that the gateway has kept under `token`, from its beginning. */
export async function* resumeCompletion(token, signal) {
  yield* answer(await call("/v1/detached", { signal, headers: { "X-BPU-Resume": token } }));
}

async function* answer(response) {
  yield { kind: "accepted", id: response.headers.get("x-request-id") ?? "", token: response.headers.get("x-bpu-resume") ?? "" };
  const splitter = new ThinkSplitter();
  let finished = false;
  try {
    for await (const data of events(response.body)) {
      if (data === "[DONE]") break;
      for (const event of read(JSON.parse(data), splitter)) {
        finished ||= event.kind === "finish";
        yield event;
      }
    }
  } catch (error) {
    if (error.name === "AbortError" || error instanceof ApiError) throw error;
    throw new ApiError("", { code: "cut" });
  }
  if (!finished) throw new ApiError("", { code: "cut" });
}

function* read(chunk, splitter) {
  if (chunk.error) throw new ApiError(String(chunk.error.message), { code: String(chunk.error.code ?? "") });
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (reasoning) {
    splitter.stop();
    yield { kind: "reasoning", text: reasoning, id: chunk.id };
  }
  const parts = [...splitter.push(delta.content ?? ""), ...(choice?.finish_reason ? splitter.end() : [])];
  for (const [kind, text] of parts) yield { kind, text, id: chunk.id };
  if (!reasoning && !delta.content) yield { kind: "silence", id: chunk.id };
  if (chunk.usage || chunk.timings) yield { kind: "figures", usage: chunk.usage, timings: chunk.timings };
  if (choice?.finish_reason) yield { kind: "finish", reason: choice.finish_reason };
}
