// The control API, asked as any other program asks it.
import * as session from "./session.js";

// What a call failed with. `status` is 0 when nothing answered.
export class Problem extends Error {
  constructor(status, document = {}, retryAfterS = null) {
    super(document.detail || "Tocsin does not answer.");
    this.status = status;
    this.code = document.code ?? "offline";
    this.errors = document.errors ?? [];
    this.retryAfterS = retryAfterS;
  }

  // Whether it is worth asking the same again; what takes too long takes as long then.
  get passes() {
    return this.code !== "takes_too_long" && (this.status === 0 || this.status === 429 || this.status >= 500);
  }
}

const budget = { left: Infinity, resetS: 0 };

// How long to wait before asking again: longer than wanted when the key has little left of what it may ask in a minute.
export function pace(everyMs) {
  const spare = budget.left - 20;
  return spare > 20 ? everyMs : Math.max(everyMs, (1000 * budget.resetS) / Math.max(spare, 1));
}

export const get = (path, options) => ask("GET", path, options);

export async function ask(method, path, { body, headers = {}, signal, key = session.key() } = {}) {
  const sent = { "X-API-Key": key, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: sent, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
  note(answer.headers.get("RateLimit"));
  const document = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  const problem = new Problem(answer.status, document, Number(answer.headers.get("Retry-After")) || null);
  if (problem.status === 401 && key === session.key()) session.end(problem.message);
  throw problem;
}

// Path and query; what is empty is not asked for.
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

export const webhookPath = (id, rest = "") => `/v1/webhooks/${encodeURIComponent(id)}${rest}`;

// Every page of a listing, up to a number of rows; `more` says whether there are others behind those.
export async function everyPage(path, { signal, limit }) {
  const found = [];
  let after = null;
  do {
    const page = await get(address(path, { after }), { signal });
    found.push(...page.data);
    after = page.next;
  } while (after && found.length < limit);
  return { data: found, more: after !== null };
}

export const everyWebhook = (signal) => everyPage("/v1/webhooks", { signal, limit: 1000 });

function note(told) {
  const match = /r=(\d+);t=(\d+)/.exec(told ?? "");
  if (match) Object.assign(budget, { left: Number(match[1]), resetS: Number(match[2]) });
}
