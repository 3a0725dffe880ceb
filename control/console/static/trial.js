// A test event that was sent, followed until something is decided.
import { useAnswer } from "./answers.js";
import { get } from "./api.js";
import { Badge } from "./controls.js";
import { html } from "./dom.js";
import { to } from "./routes.js";
import { milliseconds } from "./times.js";

const EVERY_MS = 700;

export function Trial({ sent, onClose }) {
  const path = `/v1/deliveries/${encodeURIComponent(sent.delivery_id)}`;
  const { data, problem } = useAnswer(
    // The log has it a moment later than it is sent.
    (signal) => unlessUnknown(path, signal),
    { name: path, everyMs: EVERY_MS },
  );
  const last = data?.timeline?.at(-1);
  return html`<div class="notice" role="status" data-trial>
    <p><strong>Test event <code>${sent.event_type}</code>:</strong> ${
      problem ? problem.message : last ? html`<${Badge} state=${data.status} /> ${last.status ? `answered ${last.status}` : (last.error ?? "")} after ${milliseconds(last.duration_ms)}` : "on its way…"
    }</p>
    <p class="row"><a href=${to(["deliveries", sent.delivery_id])}>Look at it</a> <button type="button" class="link" onClick=${onClose}>Put away</button></p>
  </div>`;
}

async function unlessUnknown(path, signal) {
  try {
    return await get(path, { signal });
  } catch (problem) {
    if (problem.status === 404) return {};
    throw problem;
  }
}
