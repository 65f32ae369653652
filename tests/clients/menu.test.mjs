// The menu of a gateway with several models, as Chatbox and the official package read it; each model of it answers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import OpenAI from "openai";
import { baseURL, sim } from "./said.mjs";

const SERVED = process.env.MODELS.split(" ");

test("openai: models.list and models.retrieve see every model", async () => {
  const client = new OpenAI({ baseURL, apiKey: "any", maxRetries: 0, timeout: 60_000 });
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, [...SERVED, ...SERVED.map((id) => `${id}-think`)]);
  for (const id of ids) assert.equal((await client.models.retrieve(id)).id, id);
});

// Chatbox fills its menu with the ids of `GET {API Host}/models`, from a page of its own, and then asks by the AI SDK.
test("Chatbox: every model of the menu answers under its own name", async () => {
  const headers = { Authorization: "Bearer any", Origin: "app://chatbox" };
  const answer = await fetch(`${baseURL}/models`, { headers });
  assert.equal(answer.status, 200);
  const { data } = await answer.json();
  const menu = data.filter(({ id }) => !id.endsWith("-think"));
  assert.deepEqual(menu.map(({ id }) => id), SERVED);
  assert.ok(menu.every(({ context_length: context, status }) => context > 0 && status.value));
  const provider = createOpenAICompatible({ name: "chatbox", apiKey: "any", baseURL });
  for (const id of SERVED) {
    const { text, response } = await generateText({ model: provider(id), prompt: sim("tokens=5"), maxRetries: 0 });
    assert.equal(response.modelId, id);
    assert.ok(text.length > 0);
  }
});
