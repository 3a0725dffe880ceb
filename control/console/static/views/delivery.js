import { useAnswer } from "../answers.js";
import { ask } from "../api.js";
import { Act, Badge, Facts, Head, LackingHint, pretty, randomId, useDoing } from "../controls.js";
import { useWebhookNames } from "../delivery-filters.js";
import { html, useRef } from "../dom.js";
import { Answer, Lacking, say } from "../feedback.js";
import { FAULTS, REASONS } from "../reasons.js";
import { to } from "../routes.js";
import { allows } from "../session.js";
import { Time, Until, milliseconds } from "../times.js";

const EVERY_MS = 2000;
const SETTLED_MS = 4000;

export function Delivery({ id }) {
  const may = allows("read");
  const path = `/v1/deliveries/${encodeURIComponent(id)}`;
  const answer = useAnswer(may ? path : null, { everyMs: often });
  const names = useWebhookNames();
  // Until one is answered, every click asks for the same one.
  const key = useRef(randomId());
  const [sending, resend] = useDoing(async () => {
    await ask("POST", `${path}/resend`, { headers: { "Idempotency-Key": key.current } });
    key.current = randomId();
    say("It is on its way again, under the same id.");
    answer.refresh();
  });
  if (!may) return html`<${Head} title="Delivery" /><${Lacking} scope="read" what="looking at deliveries" />`;

  return html`<${Answer} answer=${answer} what="Reading the delivery">${(delivery) => html`
      <${Head} title=${delivery.event_type} crumb=${html`<a class="crumb" href=${to("deliveries")}>Deliveries</a>`}>
        <${Act} scope="replay" kind="primary" disabled=${sending || bodiless(delivery.request)} why=${sending ? "It is being sent" : "Its body is not known"} onClick=${resend}>Resend<//>
      <//>
      <${LackingHint} scope="replay" what="resending" />
      <section class="card"><${Summary} delivery=${delivery} names=${names} /></section>
      <section><h2>Tries</h2><${Timeline} delivery=${delivery} /></section>
      <section class="card"><h2>Request</h2><${Sent} request=${delivery.request} /></section>`}<//>
    ${!answer.data && html`<p><a href=${to("deliveries")}>To all deliveries</a></p>`}`;
}

const bodiless = (request) => request.body === null && request.body_base64 === null;

const often = ({ status }) => (status === "delivered" || status === "dead" ? SETTLED_MS : EVERY_MS);

const Summary = ({ delivery, names }) => html`<${Facts} pairs=${[
  ["Status", html`<${Badge} state=${delivery.status} />${delivery.test ? " a test" : ""}`],
  ["Next try", delivery.status === "retrying" && delivery.next_at ? html`<strong><${Until} at=${delivery.next_at} /></strong> (<${Time} at=${delivery.next_at} />)` : null],
  ["Reason", delivery.reason && `${delivery.reason}${REASONS[delivery.reason] ? `: ${REASONS[delivery.reason]}` : ""}`],
  ["Fault", delivery.fault && delivery.status !== "delivered" ? FAULTS[delivery.fault] : null],
  ["Last error", delivery.status !== "delivered" ? delivery.last_error : null],
  ["Webhook", html`<a class="break" href=${to(["webhooks", delivery.webhook_id])}>${names.get(delivery.webhook_id) ?? delivery.webhook_id}</a>`],
  ["Event", html`<code class="break">${delivery.event_id}</code> from <code class="break">${delivery.event_source}</code>`],
  ["Happened", html`<${Time} at=${delivery.event_time} />`],
  ["Created", html`<${Time} at=${delivery.created_at} />`],
  ["Format", delivery.format ?? `${delivery.system}'s own`],
  ["Id", html`<code class="break">${delivery.id}</code>`],
]} />`;

function Timeline({ delivery }) {
  const tries = delivery.timeline;
  return html`${delivery.timeline_truncated && html`<p class="muted">There are more; these are the newest.</p>`}
    ${!tries.length && html`<p class="muted">Nothing is decided yet.</p>`}
    <ol class="timeline">
      ${tries.map((each, index) => html`<${Try} key=${`${each.run} ${each.step}`} each=${each} open=${index === tries.length - 1} again=${index > 0 && tries[index - 1].run !== each.run} />`)}
      ${delivery.status === "retrying" && delivery.next_at && html`<li class="next"><p>Next try <${Until} at=${delivery.next_at} /></p></li>`}
    </ol>`;
}

const VERDICTS = { delivered: "delivered", dead_letter: "dead", retry: "retrying", parked: "pending", interrupted: "pending" };

function Try({ each, open, again }) {
  const title = each.posted ? `Try ${each.attempt}` : "Not sent";
  return html`<li class=${VERDICTS[each.verdict] ?? ""}>
    ${again && html`<p class="run">Set going again by <code>${each.run}</code></p>`}
    <details open=${open}>
      <summary><span class="strong">${title}</span> <${Badge} state=${VERDICTS[each.verdict]}>${each.verdict.replace("_", " ")}<//>
        <span>${each.status ?? ""}</span><span class="muted"><${Time} at=${each.started_at} />${each.posted ? `, ${milliseconds(each.duration_ms)}` : ""}</span>
      </summary>
      ${each.error && html`<p class="bad break">${each.error}</p>`}
      <${Facts} pairs=${[
        ["Sent to", each.url && html`<code class="break">${each.url}</code>`],
        ["Reason", each.reason],
        ["Fault", FAULTS[each.fault]],
        ["Then", each.next_tier && html`waits ${each.next_tier}, until <${Time} at=${each.next_at} />`],
      ]} />
      ${each.posted && html`<h3>Request headers</h3><${HeaderTable} caption="Request headers" headers=${each.request_headers} />
        <h3>Response</h3><${HeaderTable} caption="Response headers" headers=${each.response_headers} />
        <${Content} text=${each.response_body} base64=${each.response_body_base64} none="No body." />`}
    </details>
  </li>`;
}

const Sent = ({ request }) => html`<p>POST <code class="break">${request.url ?? "an address that is not known any more"}</code></p>
  <${HeaderTable} caption="Headers rendered with the body" headers=${request.headers} />
  <${Content} text=${request.body} base64=${request.body_base64} none="The body is not known yet, or not any more." />
  ${request.body_truncated && html`<p class="muted">It is longer; 64 KiB are shown.</p>`}`;

function HeaderTable({ caption, headers }) {
  const pairs = Object.entries(headers);
  if (!pairs.length) return html`<p class="muted">No headers.</p>`;
  return html`<dl class="headers" aria-label=${caption}>${pairs.map(
    ([name, value]) => html`<div key=${name} class=${/signature/i.test(name) ? "signature" : ""}><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

function Content({ text, base64, none }) {
  if (base64) return html`<p class="muted">Not text; in base64:</p><pre tabindex="0">${base64}</pre>`;
  if (!text) return html`<p class="muted">${none}</p>`;
  return html`<pre tabindex="0">${pretty(text)}</pre>`;
}
