// Ollama's API by its official package, LangChain's ChatOllama, and the AI SDK's provider (which Cherry Studio uses).
import assert from "node:assert/strict";
import { test } from "node:test";
import { HumanMessage } from "@langchain/core/messages";
import { ChatOllama } from "@langchain/ollama";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { Ollama } from "ollama";
import { createOllama } from "ollama-ai-provider-v2";
import { ANSWER, CALL, MODEL, PARAMETERS, WORDS, baseURL, say, sim } from "./said.mjs";

const host = baseURL.replace(/\/v1$/, "");
const ollama = new Ollama({ host });
const user = (content) => [{ role: "user", content }];
const TOOL = { type: "function", function: { name: "get_weather", description: "The weather", parameters: PARAMETERS } };
const CALLED = `Hm.</think>\n\n${CALL}`;

test("lists", async () => {
  assert.deepEqual((await ollama.list()).models.map((one) => one.name), [MODEL]);
  const shown = await ollama.show({ model: MODEL });
  assert.deepEqual(shown.capabilities, ["completion", "tools", "thinking"]);
  await ollama.generate({ model: MODEL, prompt: "" });
  assert.equal((await ollama.ps()).models[0].name, MODEL);
});

test("chat in both ways", async () => {
  const { message } = await ollama.chat({ model: MODEL, messages: user(say(ANSWER)) });
  assert.deepEqual([message.content, message.thinking], [WORDS, "Thought."]);
  let content = "";
  let thinking = "";
  let last;
  for await (const part of await ollama.chat({ model: MODEL, messages: user(say(ANSWER)), stream: true })) {
    content += part.message.content;
    thinking += part.message.thinking ?? "";
    last = part;
  }
  assert.deepEqual([content, thinking, last.done, last.done_reason], [WORDS, "Thought.", true, "stop"]);
});

test("a tool loop", async () => {
  const messages = user(say(CALLED));
  const first = await ollama.chat({ model: MODEL, messages, tools: [TOOL] });
  assert.deepEqual(first.message.tool_calls[0].function.arguments, { city: "巴黎" });
  messages.push(first.message, { role: "tool", content: "sunny, 20 degrees", tool_name: "get_weather" });
  assert.match((await ollama.chat({ model: MODEL, messages, tools: [TOOL] })).message.content, /sunny, 20 degrees/);
});

test("errors before and in a stream", async () => {
  await assert.rejects(ollama.show({ model: "llama3" }), (error) => error.status_code === 404 && /not found/.test(error.error));
  await assert.rejects(ollama.embed({ model: MODEL, input: "Hi" }), (error) => error.status_code === 404);
  await assert.rejects(async () => {
    for await (const part of await ollama.chat({ model: MODEL, messages: user(sim("fault=signal")), stream: true })) part;
  }, /crash/);
  assert.match((await ollama.chat({ model: MODEL, messages: user("1+1=?") })).message.content, /2/);
});

test("an answer that is aborted", async () => {
  const stream = await ollama.chat({ model: MODEL, messages: user(sim("tokens=3000 rate=50")), stream: true });
  await assert.rejects(async () => {
    for await (const part of stream) if (part.message.thinking) stream.abort();
  }, { name: "AbortError" });
  assert.match((await ollama.chat({ model: MODEL, messages: user("1+1=?") })).message.content, /2/);
});

test("silence is bridged by whole lines", async () => {
  const parts = [];
  for await (const part of await ollama.chat({ model: MODEL, messages: user(`1+1=? ${sim("prefill=2")}`), stream: true })) {
    parts.push(part);
  }
  assert.ok(parts.every((part) => typeof part.message.content === "string"));
  assert.match(parts.map((part) => part.message.content).join(""), /2/);
});

test("ChatOllama of LangChain: a check of the model, a stream, a tool, JSON of a schema", async () => {
  const model = new ChatOllama({ baseUrl: host, model: MODEL, checkOrPullModel: true });
  let words = "";
  for await (const chunk of await model.stream([new HumanMessage(say(ANSWER))])) words += chunk.content;
  assert.equal(words, WORDS);
  const called = await model.bindTools([TOOL]).invoke(say(CALLED));
  assert.deepEqual(called.tool_calls[0].args, { city: "巴黎" });
  const json = model.withStructuredOutput(PARAMETERS, { method: "jsonSchema" });
  assert.deepEqual(await json.invoke(say('Hm.</think>\n\n{"city": "Paris"}')), { city: "Paris" });
});

test("the AI SDK's provider: a stream with thinking", async () => {
  const model = createOllama({ baseURL: `${host}/api` })(MODEL);
  const result = streamText({ model, prompt: say(ANSWER), maxRetries: 0, providerOptions: { ollama: { think: true } } });
  let words = "";
  let reasoning = "";
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") words += part.text;
    if (part.type === "reasoning-delta") reasoning += part.text;
  }
  assert.deepEqual([words.trim(), reasoning.trim(), await result.finishReason], [WORDS, "Thought.", "stop"]);
});

test("the AI SDK's provider: a tool loop", async () => {
  const model = createOllama({ baseURL: `${host}/api` })(MODEL);
  const cities = [];
  const execute = async ({ city }) => {
    cities.push(city);
    return "sunny, 20 degrees";
  };
  const tools = { get_weather: tool({ inputSchema: jsonSchema(PARAMETERS), execute }) };
  const { text } = await generateText({ model, prompt: say(CALLED), tools, stopWhen: stepCountIs(3), maxRetries: 0 });
  assert.deepEqual(cities, ["巴黎"]);
  assert.match(text, /sunny, 20 degrees/);
});
