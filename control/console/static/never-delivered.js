// What a webhook wants and did not get, and its recovery. It is read in Kafka, so it is looked for when somebody asks.
import { useAnswer } from "./answers.js";
import { address, ask, webhookPath } from "./api.js";
import { Act, Badge, Choice, Table, number, randomId } from "./controls.js";
import { Asking } from "./dialog.js";
import { html, useRef, useState } from "./dom.js";
import { Answer, Empty } from "./feedback.js";
import { RATE, Rate, Why } from "./job-fields.js";
import { go, to } from "./routes.js";
import { Time } from "./times.js";

const HOUR_MS = 3_600_000;
const PAGE = 20;
const PERIODS = [["1", "the last hour"], ["24", "the last 24 hours"], ["168", "the last 7 days"], ["720", "the last 30 days"]];
const STATES = { never: "never sent", dead: "dead letter", waiting: "on its way" };
const BADGES = { never: "expired", dead: "dead", waiting: "pending" };

export function NeverDelivered({ webhook }) {
  const [hours, setHours] = useState("24");
  const [since, setSince] = useState(null);
  const look = () => setSince(new Date(Date.now() - Number(hours) * HOUR_MS).toISOString());
  return html`<section class="stack" data-missing><h2>Never delivered</h2>
    <form class="filters" onSubmit=${(event) => (event.preventDefault(), look())}>
      <${Choice} label="Of what was published in" value=${hours} onValue=${setHours} options=${PERIODS} />
      <div class="row end-align"><button type="submit">Look</button></div>
    </form>
    ${since ? html`<${Found} key=${since} webhook=${webhook} since=${since} />` : html`<p class="muted">Events that this webhook wants today and did not get: from before it was made, while it was disabled, or dead.</p>`}
  </section>`;
}

function Found({ webhook, since }) {
  const [asking, setAsking] = useState(false);
  const [after, setAfter] = useState(null);
  const answer = useAnswer(address(webhookPath(webhook.id, "/missing"), { since, after, limit: PAGE }));
  return html`<${Answer} answer=${answer} what="Looking through the events">${({ data, next, counts }) => {
    const missed = counts.never + counts.dead;
    if (!missed && !counts.waiting) return html`<${Empty} title="All that it wants was delivered." />`;
    return html`<div class="card meant"><p role="status"><strong>${number(counts.never)}</strong> never sent, <strong>${number(counts.dead)}</strong> dead, ${number(counts.waiting)} on their way</p>
        <${Act} scope="replay" kind="primary" disabled=${!missed || !webhook.active} why=${webhook.active ? "Nothing was missed" : "The webhook is disabled: enable it first"} onClick=${() => setAsking(true)}>Recover ${number(missed)}…<//></div>
      <${Table} caption="Events that were not delivered" rows=${data} id=${(each) => each.delivery_id} columns=${COLUMNS} />
      <nav class="row between" aria-label="Pages of what was not delivered">
        ${after ? html`<button type="button" class="link" onClick=${() => setAfter(null)}>To the oldest</button>` : html`<span class="muted">Oldest first.</span>`}
        ${next && html`<button type="button" onClick=${() => setAfter(next)}>Newer</button>`}
      </nav>
      ${asking && html`<${AskRecovery} webhook=${webhook} since=${since} count=${missed} onClose=${() => setAsking(false)} />`}`;
  }}<//>`;
}

const COLUMNS = [
  ["Event", (each) => html`<span class="strong types">${each.event_type}</span><span class="sub">${each.event_id}</span>`],
  ["State", (each) => html`<${Badge} state=${BADGES[each.state]}>${STATES[each.state]}<//>`],
  ["Published", (each) => html`<${Time} at=${each.published_at} />`],
  ["Delivery", (each) => (each.state === "never" ? html`<code class="break">${each.delivery_id}</code>` : html`<a href=${to(["deliveries", each.delivery_id])}><code class="break">${each.delivery_id}</code></a>`)],
];

function AskRecovery({ webhook, since, count, onClose }) {
  const [why, setWhy] = useState("");
  const [rate, setRate] = useState(String(RATE));
  const key = useRef(randomId());
  return html`<${Asking} title=${`Recover ${number(count)} ${count === 1 ? "delivery" : "deliveries"}?`} action="Recover" onClose=${onClose} disabled=${!why.trim() || !(Number(rate) > 0)}
    onSubmit=${async () => {
      const body = { webhook_id: webhook.id, since, why: why.trim(), rate_per_s: Number(rate) };
      const job = await ask("POST", "/v1/recoveries", { body, headers: { "Idempotency-Key": key.current } });
      go(["replays", job.id]);
    }}>
    <p>What was never sent and what is dead is delivered as if it had just happened; what is on its way is left alone. Live deliveries go first all the while.</p>
    <${Why} value=${why} onValue=${setWhy} placeholder="they were down on Friday" />
    <${Rate} value=${rate} onValue=${setRate} count=${count} />
  <//>`;
}
