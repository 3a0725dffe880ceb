// Deliveries as a list.
import { Badge, Table } from "./controls.js";
import { html } from "./dom.js";
import { Empty } from "./feedback.js";
import { FAULTS } from "./reasons.js";
import { to } from "./routes.js";
import { Time, Until } from "./times.js";

export function DeliveryTable({ deliveries, webhooks, none = "No delivery fits that." }) {
  if (!deliveries.length) return html`<${Empty} title=${none} />`;
  const columns = [
    ["Event", (each) => html`<a class="strong types" href=${to(["deliveries", each.id])}>${each.event_type}</a><span class="sub">${each.test ? "test · " : ""}${each.event_id}</span>`],
    ["Status", (each) => html`<${Badge} state=${each.status} />${each.reason && html`<span class="sub">${each.reason}${FAULTS[each.fault] ? html`: ${FAULTS[each.fault]} fault` : ""}</span>`}`],
    ...(webhooks ? [["Webhook", (each) => html`<a class="break" href=${to(["webhooks", each.webhook_id])}>${webhooks.get(each.webhook_id) ?? each.webhook_id}</a>`]] : []),
    ["Last answer", (each) => html`<${LastAnswer} delivery=${each} />`],
    ["Created", (each) => html`<${Time} at=${each.created_at} />`],
  ];
  return html`<${Table} caption="Deliveries" rows=${deliveries} id=${(each) => each.id} columns=${columns} />`;
}

function LastAnswer({ delivery }) {
  const tries = `${delivery.attempts} ${delivery.attempts === 1 ? "try" : "tries"}`;
  const error = delivery.status !== "delivered" && delivery.last_error;
  return html`<span class="clip" title=${error || undefined}>${delivery.last_status ?? ""} ${error && error !== `HTTP ${delivery.last_status}` ? error : ""}${!delivery.last_status && !error ? "—" : ""}</span>
    <span class="sub">${tries}${delivery.status === "retrying" && delivery.next_at ? html`, again <${Until} at=${delivery.next_at} />` : ""}</span>`;
}
