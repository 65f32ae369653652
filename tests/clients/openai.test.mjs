// The official package for Node against the gateway, with the helpers that programs use.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { ANSWER, CALL, MODEL, PARAMETERS, THINK, WORDS, baseURL, say, sim } from "./said.mjs";

const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0, timeout: 30_000 });
const ask = (content, more = {}) => ({ model: MODEL, messages: [{ role: "user", content }], ...more });
const tools = [{ type: "function", function: { name: "get_weather", parameters: PARAMETERS } }];

test("the models are listed", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, [MODEL, THINK]);
});

test("an answer in one piece", async () => {
  const { choices, usage } = await client.chat.completions.create(ask(say(ANSWER)));
  assert.equal(choices[0].message.content, WORDS);
  assert.equal(choices[0].message.reasoning_content, "Thought.");
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
});

test("a raw stream", async () => {
  let words = "";
  let last;
  for await (const chunk of await client.chat.completions.create(
    ask(say(ANSWER), { stream: true, stream_options: { include_usage: true } }),
  )) {
    words += chunk.choices[0]?.delta.content ?? "";
    last = chunk;
  }
  assert.equal(words, WORDS);
  assert.ok(last.usage.total_tokens > 0);
});

test("the stream helper accumulates the same answer", async () => {
  const stream = client.chat.completions.stream(ask(say(ANSWER)));
  let words = "";
  stream.on("content", (delta) => (words += delta));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, WORDS);
  assert.equal(words, WORDS);
  assert.equal(await stream.finalContent(), WORDS);
});

test("the stream helper accumulates a call", async () => {
  const stream = client.chat.completions.stream(ask(say(`Hm.</think>\n\n${CALL}`), { tools }));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].finish_reason, "tool_calls");
  const [call] = final.choices[0].message.tool_calls;
  assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["get_weather", { city: "巴黎" }]);
});

test("tools run to the end", async () => {
  const cities = [];
  const runnable = {
    type: "function",
    function: {
      name: "get_weather",
      parameters: PARAMETERS,
      parse: JSON.parse,
      function: ({ city }) => {
        cities.push(city);
        return "sunny, 20 degrees";
      },
    },
  };
  for (const stream of [false, true]) {
    const runner = client.chat.completions.runTools(ask(say(`Hm.</think>\n\n${CALL}`), { tools: [runnable], stream }));
    assert.match(await runner.finalContent(), /sunny, 20 degrees/);
  }
  assert.deepEqual(cities, ["巴黎", "巴黎"]);
});

test("an answer of a form", async () => {
  const format = zodResponseFormat(z.object({ city: z.string() }), "place");
  const question = ask(say('Hm.</think>\n\n```json\n{"city": "Paris"}\n```'), { response_format: format });
  const parsed = await client.chat.completions.parse(question);
  assert.deepEqual(parsed.choices[0].message.parsed, { city: "Paris" });
  const wrong = ask(say("Hm.</think>\n\nNo."), { response_format: format });
  await assert.rejects(client.chat.completions.parse(wrong), { status: 422, code: "response_format_failed" });
});

test("text completions", async () => {
  const answer = await client.completions.create({ model: MODEL, prompt: say(ANSWER) });
  assert.equal(answer.choices[0].text, WORDS);
  let words = "";
  for await (const chunk of await client.completions.create({ model: MODEL, prompt: say(ANSWER), stream: true }))
    words += chunk.choices[0].text;
  assert.equal(words, WORDS);
});

test("responses in both modes", async () => {
  const answer = await client.responses.create({ model: MODEL, input: say(ANSWER) });
  assert.equal(answer.output_text, WORDS);
  const stream = client.responses.stream({ model: MODEL, input: say(ANSWER) });
  const types = [];
  for await (const event of stream) types.push(event.type);
  assert.equal((await stream.finalResponse()).output_text, WORDS);
  assert.equal(types.at(-1), "response.completed");
});

test("a call in a response", async () => {
  const flat = [{ type: "function", name: "get_weather", parameters: PARAMETERS, strict: true }];
  const stream = client.responses.stream({ model: MODEL, input: say(`Hm.</think>\n\n${CALL}`), tools: flat });
  const call = (await stream.finalResponse()).output.find((item) => item.type === "function_call");
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ["get_weather", { city: "巴黎" }]);
});

test("errors have the package's own classes", async () => {
  const wrong = { model: "gpt-4", messages: [{ role: "user", content: "Hi" }] };
  await assert.rejects(client.chat.completions.create(wrong), { name: "Error", status: 404, code: "model_not_found" });
  await assert.rejects(client.chat.completions.create(ask("word ".repeat(9000))), OpenAI.BadRequestError);
});

test("an error in a stream is thrown", async () => {
  const stream = await client.chat.completions.create(ask(sim("fault=signal"), { stream: true }));
  await assert.rejects(async () => {
    for await (const chunk of stream) assert.ok(chunk);
  }, OpenAI.APIError);
});

test("silence is bridged", async () => {
  const stream = client.chat.completions.stream(ask(`1+1=? ${sim("prefill=2")}`));
  assert.match(await stream.finalContent(), /2/);
});

test("a stream that is aborted frees the BPU", async () => {
  const stream = await client.chat.completions.create(ask(sim("tokens=3000 rate=50"), { stream: true }));
  for await (const chunk of stream) if (chunk.choices[0].delta.reasoning_content) break;
  const answer = await client.chat.completions.create(ask("1+1=?"));
  assert.match(answer.choices[0].message.content, /2/);
});
