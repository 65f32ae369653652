// The chain that Chatbox is built on: the AI SDK with both of its OpenAI providers, think extraction and retries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  extractReasoningMiddleware,
  generateObject,
  generateText,
  jsonSchema,
  stepCountIs,
  streamText,
  tool,
  wrapLanguageModel,
} from "ai";
import { ANSWER, CALL, MODEL, PARAMETERS, THINK, WORDS, baseURL, say, sim } from "./said.mjs";

const compatible = createOpenAICompatible({ name: "chatbox", apiKey: "any", baseURL, supportsStructuredOutputs: true });
const builtIn = createOpenAI({ apiKey: "any", baseURL });
// Chatbox wraps every model so.
const wrapped = (model) =>
  wrapLanguageModel({ model, middleware: extractReasoningMiddleware({ tagName: "think", startWithReasoning: false }) });
const ways = {
  "openai-compatible": wrapped(compatible(MODEL)),
  "openai, chat": wrapped(builtIn.chat(THINK)),
  "openai, responses": wrapped(builtIn.responses(MODEL)),
};

for (const [name, model] of Object.entries(ways)) {
  test(`${name}: a stream of reasoning and words`, async () => {
    const result = streamText({ model, prompt: say(ANSWER), maxRetries: 0 });
    let words = "";
    let reasoning = "";
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") words += part.text;
      if (part.type === "reasoning-delta") reasoning += part.text;
    }
    assert.equal(words.trim(), WORDS);
    assert.equal(await result.finishReason, "stop");
    assert.ok((await result.usage).totalTokens > 0);
    assert.equal(reasoning.trim(), "Thought.");
  });

  test(`${name}: an answer in one piece`, async () => {
    const { text, reasoningText } = await generateText({ model, prompt: say(ANSWER), maxRetries: 0 });
    assert.equal(text.trim(), WORDS);
    assert.equal(reasoningText.trim(), "Thought.");
  });

  test(`${name}: a tool is called, its result returned, an answer given`, async () => {
    const cities = [];
    const tools = {
      get_weather: tool({
        inputSchema: jsonSchema(PARAMETERS),
        execute: async ({ city }) => {
          cities.push(city);
          return "sunny, 20 degrees";
        },
      }),
    };
    const prompt = say(`Hm.</think>\n\n${CALL}`);
    // Without `store: false` the Responses provider refers to items that the server is to have kept.
    const providerOptions = { openai: { store: false } };
    const result = streamText({ model, prompt, tools, providerOptions, stopWhen: stepCountIs(3), maxRetries: 0 });
    for await (const part of result.fullStream) if (part.type === "error") throw part.error;
    assert.deepEqual(cities, ["巴黎"]);
    assert.match(await result.text, /sunny, 20 degrees/);
    assert.equal((await result.steps)[0].finishReason, "tool-calls");
  });

  test(`${name}: silence is bridged`, async () => {
    const result = streamText({ model, prompt: `1+1=? ${sim("prefill=2")}`, maxRetries: 0 });
    assert.match(await result.text, /2/);
  });

  test(`${name}: a conversation with a system text`, async () => {
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "Hello." }] },
      { role: "user", content: [{ type: "text", text: "1+1=?" }] },
    ];
    const { text } = await generateText({ model, system: "Be brief.", messages, maxRetries: 0 });
    assert.match(text, /2/);
  });

  test(`${name}: an error in a stream is an error, and the next request works`, async () => {
    const result = streamText({ model, prompt: sim("fault=signal"), maxRetries: 0, onError: () => {} });
    const errors = [];
    for await (const part of result.fullStream) if (part.type === "error") errors.push(part.error);
    assert.equal(errors.length, 1);
    assert.match((await generateText({ model, prompt: "1+1=?" })).text, /2/);
  });

  test(`${name}: too long a conversation is told at once, with the words that Chatbox shows`, async () => {
    await assert.rejects(generateText({ model, prompt: "word ".repeat(9000) }), (error) => {
      assert.equal(error.statusCode, 400);
      assert.equal(error.isRetryable, false);
      return /maximum context length is 4096 tokens/.test(error.responseBody);
    });
  });
}

test("openai, responses: the default tool loop, which refers to earlier items by their ids", async () => {
  const tools = { get_weather: tool({ inputSchema: jsonSchema(PARAMETERS), execute: async () => "sunny, 20 degrees" }) };
  const options = { tools, stopWhen: stepCountIs(3), maxRetries: 0 };
  const { text } = await generateText({ model: builtIn.responses(MODEL), prompt: say(`Hm.</think>\n\n${CALL}`), ...options });
  assert.match(text, /sunny, 20 degrees/);
});

test("an object by schema", async () => {
  const prompt = say('Hm.</think>\n\n{"city": "Paris"}');
  const schema = jsonSchema(PARAMETERS);
  const { object } = await generateObject({ model: compatible(MODEL), schema, prompt, maxRetries: 0 });
  assert.deepEqual(object, { city: "Paris" });
});

test("the built-in way without the think model reads the answer and leaves out what it cannot read", async () => {
  const { text } = await generateText({ model: builtIn.chat(MODEL), prompt: say(ANSWER), maxRetries: 0 });
  assert.equal(text, WORDS);
});

test("the stop button", async () => {
  const abort = new AbortController();
  const result = streamText({ model: ways["openai-compatible"], prompt: sim("tokens=3000 rate=50"), abortSignal: abort.signal });
  for await (const part of result.fullStream) if (part.type === "reasoning-delta") abort.abort();
  assert.match((await generateText({ model: ways["openai-compatible"], prompt: "1+1=?" })).text, /2/);
});
