// Images by the packages for Node, to a model that sees: each sends the bytes in its own way.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { HumanMessage } from "@langchain/core/messages";
import { ChatOllama } from "@langchain/ollama";
import { generateText } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { MODEL, baseURL } from "./said.mjs";

const host = baseURL.replace(/\/v1$/, "");
const data = process.env.PICTURE; // base64 of a red PNG
const url = `data:image/png;base64,${data}`;
const ASK = "What colour is the picture?";
const sees = (text) => assert.match(text, /1 image: 448x448: #ff0000 100 %/);

const models = {
  "openai-compatible": createOpenAICompatible({ name: "board", apiKey: "any", baseURL })(MODEL),
  "openai, chat": createOpenAI({ apiKey: "any", baseURL }).chat(MODEL),
  "openai, responses": createOpenAI({ apiKey: "any", baseURL }).responses(MODEL),
  anthropic: createAnthropic({ apiKey: "any", baseURL })(MODEL),
};
for (const [name, model] of Object.entries(models)) {
  test(`AI SDK, ${name}`, async () => {
    const content = [{ type: "text", text: ASK }, { type: "image", image: Buffer.from(data, "base64") }];
    const { text } = await generateText({ model, messages: [{ role: "user", content }], maxRetries: 0 });
    sees(text);
  });
}

test("openai", async () => {
  const client = new OpenAI({ apiKey: "any", baseURL, maxRetries: 0 });
  const content = [{ type: "text", text: ASK }, { type: "image_url", image_url: { url, detail: "low" } }];
  const answer = await client.chat.completions.create({ model: MODEL, messages: [{ role: "user", content }] });
  sees(answer.choices[0].message.content);
  const parts = [{ type: "input_text", text: ASK }, { type: "input_image", image_url: url, detail: "auto" }];
  const response = await client.responses.create({ model: MODEL, input: [{ role: "user", content: parts }] });
  sees(response.output_text);
});

test("anthropic", async () => {
  const client = new Anthropic({ apiKey: "any", baseURL: host, maxRetries: 0 });
  const source = { type: "base64", media_type: "image/png", data };
  const content = [{ type: "image", source }, { type: "text", text: ASK }];
  const message = await client.messages.create({ model: MODEL, max_tokens: 200, messages: [{ role: "user", content }] });
  sees(message.content[0].text);
});

test("ollama", async () => {
  const client = new Ollama({ host });
  const messages = [{ role: "user", content: ASK, images: [data] }];
  sees((await client.chat({ model: MODEL, messages })).message.content);
  sees((await client.generate({ model: MODEL, prompt: ASK, images: [data] })).response);
});

test("LangChain, ollama", async () => {
  const model = new ChatOllama({ baseUrl: host, model: MODEL });
  const content = [{ type: "text", text: ASK }, { type: "image_url", image_url: url }];
  sees((await model.invoke([new HumanMessage({ content })])).content);
});
