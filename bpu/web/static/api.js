// Calls the gateway that served this page: adds the key, and turns every failure into an `ApiError`.

import { read } from "./store.js";

/** `code` is the gateway's error code, or "network" and "cut" for failures of the connection. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", retryAfter = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export async function call(path, { method = "GET", body = null, signal = null, headers = {} } = {}) {
  const response = await fetchResponse(path, { method, body, signal, headers });
  if (response.ok) return response;
  throw await errorOf(response);
}

export const callJson = async (path, options) => (await call(path, options)).json();

async function fetchResponse(path, { method, body, signal, headers: extra }) {
  const headers = { Accept: "application/json, text/event-stream", ...extra };
  if (body !== null) headers["Content-Type"] = "application/json";
  const key = read("key", "");
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    return await fetch(path, { method, headers, signal, body: body === null ? null : JSON.stringify(body), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("", { code: "network" });
  }
}

async function errorOf(response) {
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const facts = { status: response.status, retryAfter: Number.isNaN(seconds) ? null : seconds };
  try {
    const { error } = await response.json();
    return new ApiError(String(error.message), { ...facts, code: String(error.code ?? "") });
  } catch {
    return new ApiError(`HTTP ${response.status}`, facts);
  }
}
