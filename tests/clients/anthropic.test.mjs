// Anthropic's Messages by its official package for TypeScript and by the AI SDK's provider.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import Anthropic from "@anthropic-ai/sdk";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { ANSWER, CALL, MODEL, PARAMETERS, THINK, WORDS, baseURL, say, sim } from "./said.mjs";

const client = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ""), apiKey: "any", maxRetries: 0 });
const asked = (content, more = {}) => ({ model: MODEL, max_tokens: 1000, messages: [{ role: "user", content }], ...more });
const TOOL = { name: "get_weather", description: "The weather", input_schema: PARAMETERS };
const CALLED = `Hm.</think>\n\n${CALL}`;

test("a message and its count", async () => {
  const message = await client.messages.create(asked(say(ANSWER)));
  assert.deepEqual(message.content.map((block) => block.text), [WORDS]);
  const { input_tokens } = await client.messages.countTokens({ model: MODEL, messages: asked(say(ANSWER)).messages });
  assert.equal(input_tokens, message.usage.input_tokens + message.usage.cache_read_input_tokens);
});

test("a stream with thinking", async () => {
  const stream = client.messages.stream(asked(say(ANSWER), { thinking: { type: "adaptive" } }));
  let words = "";
  stream.on("text", (text) => (words += text));
  const message = await stream.finalMessage();
  assert.equal(words, WORDS);
  assert.deepEqual(message.content.map((block) => block.type), ["thinking", "text"]);
  assert.ok(message.content[0].signature);
});

test("a tool loop in a stream", async () => {
  const messages = asked(say(CALLED)).messages;
  const first = await client.messages.stream({ ...asked(""), messages, tools: [TOOL] }).finalMessage();
  const [call] = first.content.filter((block) => block.type === "tool_use");
  assert.deepEqual(call.input, { city: "巴黎" });
  const result = { type: "tool_result", tool_use_id: call.id, content: "sunny, 20 degrees" };
  messages.push({ role: "assistant", content: first.content }, { role: "user", content: [result] });
  const last = await client.messages.create({ ...asked(""), messages, tools: [TOOL] });
  assert.match(last.content.at(-1).text, /sunny, 20 degrees/);
});

test("models", async () => {
  const ids = [];
  for await (const model of client.models.list({ limit: 1 })) ids.push(model.id);
  assert.deepEqual(ids, [MODEL, THINK]);
});

test("errors before and in a stream", async () => {
  await assert.rejects(client.messages.create({ ...asked("Hi"), model: "claude-x" }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create(asked("word ".repeat(5000))), /prompt is too long: \d+ tokens > \d+ maximum/);
  await assert.rejects(client.messages.stream(asked(sim("fault=signal"))).finalMessage(), /crash/);
  assert.match((await client.messages.create(asked("1+1=?"))).content[0].text, /2/);
});

test("the stop button", async () => {
  const stream = client.messages.stream(asked(sim("tokens=3000 rate=50"), { thinking: { type: "adaptive" } }));
  stream.on("thinking", () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  assert.match((await client.messages.create(asked("1+1=?"))).content[0].text, /2/);
});

const model = createAnthropic({ baseURL, apiKey: "any" })(MODEL);
const thinking = { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };

test("the AI SDK's provider: a stream with thinking", async () => {
  const result = streamText({ model, prompt: say(ANSWER), maxRetries: 0, providerOptions: thinking });
  let words = "";
  let reasoning = "";
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") words += part.text;
    if (part.type === "reasoning-delta") reasoning += part.text;
  }
  assert.deepEqual([words.trim(), reasoning.trim(), await result.finishReason], [WORDS, "Thought.", "stop"]);
});

test("the AI SDK's provider: a tool loop with thinking", async () => {
  const cities = [];
  const execute = async ({ city }) => {
    cities.push(city);
    return "sunny, 20 degrees";
  };
  const tools = { get_weather: tool({ inputSchema: jsonSchema(PARAMETERS), execute }) };
  const options = { stopWhen: stepCountIs(3), maxRetries: 0, providerOptions: thinking };
  const { text } = await generateText({ model, prompt: say(CALLED), tools, ...options });
  assert.deepEqual(cities, ["巴黎"]);
  assert.match(text, /sunny, 20 degrees/);
});

test("the AI SDK's provider: an error in a stream is an error", async () => {
  const result = streamText({ model, prompt: sim("fault=signal"), maxRetries: 0, onError: () => {} });
  const errors = [];
  for await (const part of result.fullStream) if (part.type === "error") errors.push(part.error);
  assert.equal(errors.length, 1);
  assert.match((await generateText({ model, prompt: "1+1=?" })).text, /2/);
});
