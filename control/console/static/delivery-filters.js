// What of the delivery log is meant: the same fields for looking, and for replaying what is dead.
import { useAnswer } from "./answers.js";
import { everyWebhook } from "./api.js";
import { Choice, Text } from "./controls.js";
import { html } from "./dom.js";
import { Filters } from "./filters.js";
import { FAULT_CHOICES, REASON_CHOICES, STATUS_CHOICES } from "./reasons.js";
import { allows } from "./session.js";
import { fromInput, toInput } from "./times.js";

export const FILTERS = ["webhook_id", "event_type", "status", "reason", "fault", "http_status", "since", "until", "q"];

// Names of webhooks by id, for those who may read them.
export function useWebhookNames() {
  const { data } = useAnswer(allows("read") ? everyWebhook : null, { name: "webhook-names" });
  return new Map((data?.data ?? []).map((webhook) => [webhook.id, webhook.description || webhook.url]));
}

export function DeliveryFilters({ query, names, withStatus, action, onQuery }) {
  const known = (id) => [["", "Any"], ...names, ...(id && !names.has(id) ? [[id, id]] : [])];
  return html`<${Filters} query=${query} action=${action} onQuery=${onQuery}>${(draft, set) => html`
    <${Choice} label="Webhook" value=${draft.webhook_id} onValue=${set("webhook_id")} options=${known(draft.webhook_id)} />
    <${Text} label="Event type" value=${draft.event_type} onValue=${set("event_type")} placeholder=${withStatus ? "drift.alert" : "drift.*"} />
    ${withStatus && html`<${Choice} label="Status" value=${draft.status} onValue=${set("status")} options=${STATUS_CHOICES} />`}
    <${Choice} label="Reason" value=${draft.reason} onValue=${set("reason")} options=${REASON_CHOICES} />
    <${Choice} label="Whose fault" value=${draft.fault} onValue=${set("fault")} options=${FAULT_CHOICES} />
    <${Text} label="HTTP status" type="number" min="100" max="599" value=${draft.http_status} onValue=${set("http_status")} placeholder="503" />
    <${Text} label="Since" type="datetime-local" value=${toInput(draft.since)} onValue=${(text) => set("since")(fromInput(text))} />
    <${Text} label="Until" type="datetime-local" value=${toInput(draft.until)} onValue=${(text) => set("until")(fromInput(text))} />
    <${Text} label="Text in the error" value=${draft.q} onValue=${set("q")} maxlength="200" />`}<//>`;
}
