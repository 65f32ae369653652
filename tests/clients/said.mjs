// What the tests of both packages share: the gateway, and questions that the simulator answers as they say.
export const baseURL = process.env.GATEWAY_URL;
export const MODEL = "deepseek-r1:1.5b";
export const THINK = `${MODEL}-think`;

// A question that the simulator answers with exactly `text`, reasoning and tags as written.
export const say = (text) => `go on [[sim say=${Buffer.from(text, "utf-8").toString("base64url")}]]`;
export const sim = (words) => `go on [[sim ${words}]]`;

export const CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "巴黎"}}\n</tool_call>';
export const PARAMETERS = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const ANSWER = "Thought.</think>\n\n你好，world 🎉";
export const WORDS = "你好，world 🎉";
