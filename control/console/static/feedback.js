// What a view says while it has nothing to show, and what became of something that was asked for.
import { html, useEffect, useState } from "./dom.js";

export const Loading = ({ what = "Loading" }) => html`<p class="loading" role="status"><span class="spin" aria-hidden="true"></span>${what}…</p>`;

export const Empty = ({ title, children }) => html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;

export function Failure({ problem, refresh }) {
  const [title, more] = told(problem);
  return html`<div class=${`notice ${problem.passes ? "warning" : "error"}`} role="alert">
    <p><strong>${title}</strong></p>
    <p>${more ?? problem.message}</p>
    ${problem.passes && html`<p class="muted">It is tried again by itself. ${refresh && html`<button class="link" type="button" onClick=${refresh}>Try now</button>`}</p>`}
  </div>`;
}

// Data once there is some, with what is wrong above it.
export function Answer({ answer, what, children }) {
  return html`${answer.problem && html`<${Failure} problem=${answer.problem} refresh=${answer.refresh} />`}
    ${answer.data ? children(answer.data) : !answer.problem && html`<${Loading} what=${what} />`}`;
}

export const Lacking = ({ scope, what }) => html`<div class="notice" role="note">
  <p><strong>This API key does not allow ${what}.</strong></p>
  <p>It lacks the scope <code>${scope}</code>. Somebody with an admin key makes another under Keys, or with <code>tocsin keys create</code>.</p>
</div>`;

let listener = null;

export const say = (text, kind = "good") => listener?.({ text, kind });

export function Toast() {
  const [message, setMessage] = useState(null);
  useEffect(() => {
    listener = setMessage;
    return () => (listener = null);
  }, []);
  useEffect(() => {
    if (!message) return undefined;
    const timer = setTimeout(() => setMessage(null), 6000);
    return () => clearTimeout(timer);
  }, [message]);
  return html`<div class="toasts" role="status">${message && html`<p class=${`toast ${message.kind}`}>${message.text}</p>`}</div>`;
}

function told(problem) {
  if (problem.status === 0) return ["Tocsin cannot be reached.", "The network is down, or the control API is. Deliveries do not depend on either."];
  if (problem.status === 403) return ["This API key does not allow that."];
  if (problem.status === 404) return ["There is nothing here.", "It was deleted, belongs to another organization, or never existed."];
  if (problem.status === 412) return ["Somebody else changed this meanwhile.", "Look at what it is now, then do it again."];
  if (problem.status === 429) return ["Too many requests for now."];
  if (problem.code === "takes_too_long") return ["That takes too long."];
  if (problem.code === "log_unavailable")
    return ["The delivery log does not answer.", `${problem.message}; webhooks, tests, events and keys work here as always.`];
  if (problem.status === 503) return ["Not available for the moment."];
  return problem.status >= 500 ? ["That failed in Tocsin."] : ["That is not possible."];
}
