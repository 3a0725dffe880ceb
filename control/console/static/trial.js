// A test event: which one, and what becomes of it until something is decided.
import { useAnswer } from "./answers.js";
import { ask, get } from "./api.js";
import { Badge, Choice } from "./controls.js";
import { Asking } from "./dialog.js";
import { html, useState } from "./dom.js";
import { to } from "./routes.js";
import { milliseconds } from "./times.js";

const EVERY_MS = 700;

export function AskTrial({ webhook, onClose, onSent }) {
  const { data } = useAnswer("/v1/event-types");
  const [chosen, setChosen] = useState(null);
  const types = (data?.data ?? []).map((each) => each.type);
  const type = chosen ?? types.find((each) => webhook.events.includes(each)) ?? types[0];
  return html`<${Asking} title="Send a test event" action="Send" onClose=${onClose} disabled=${!type}
    onSubmit=${async () => {
      onSent(await ask("POST", "/v1/webhooks/test", { body: { webhook_id: webhook.id, event_type: type } }));
      onClose();
    }}>
    <p>An example is sent there once, signed as every delivery is${webhook.active ? "" : ", although the webhook is disabled"}.</p>
    <${Choice} label="Event" value=${type} onValue=${setChosen} options=${types.map((each) => [each, each])} />
  <//>`;
}

export function Trial({ sent, onClose }) {
  const path = `/v1/deliveries/${encodeURIComponent(sent.delivery_id)}`;
  const { data, problem } = useAnswer(
    // The log has it a moment later than it is sent.
    (signal) => unlessUnknown(path, signal),
    { name: path, everyMs: ({ status }) => (status === "delivered" || status === "dead" ? 0 : EVERY_MS) },
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
