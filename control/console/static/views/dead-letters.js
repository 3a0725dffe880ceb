import { address, ask } from "../api.js";
import { useAnswer } from "../answers.js";
import { Act, Choice, Head, LackingHint, number, randomId } from "../controls.js";
import { DeliveryFilters, FILTERS, useWebhookNames } from "../delivery-filters.js";
import { DeliveryTable } from "../delivery-table.js";
import { RATE, Rate, Why } from "../job-fields.js";
import { Asking } from "../dialog.js";
import { html, useRef, useState } from "../dom.js";
import { Answer, Empty, Lacking } from "../feedback.js";
import { AskPurge } from "../purge.js";
import { FAULTS, REASONS } from "../reasons.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";

const EVERY_MS = 5000;

export function DeadLetters({ query }) {
  const names = useWebhookNames();
  const filters = Object.fromEntries(FILTERS.filter((name) => name !== "status" && query[name]).map((name) => [name, query[name]]));
  const form = html`<${DeliveryFilters} key=${String(new URLSearchParams(filters))} query=${filters} names=${names} action="Count" onQuery=${(asked) => go("dead-letters", asked)} />`;
  return html`<${Head} title="Dead letters"><a href=${to("replays")}>Replays so far</a><//>
    <p class="muted">What could not be delivered. Choose what is meant, look at it, and send it again as one replay.</p>
    ${!allows("replay") && !allows("read") ? html`<${Lacking} scope="replay" what="looking at dead letters" />` : html`${form}<${Meant} filters=${filters} names=${names} />`}`;
}

function Meant({ filters, names }) {
  return allows("replay") ? html`<${Previewed} filters=${filters} names=${names} />` : html`<${Listed} filters=${filters} names=${names} />`;
}

function Previewed({ filters, names }) {
  const [asking, setAsking] = useState(null);
  const close = () => setAsking(null);
  const selection = selected(filters);
  const name = JSON.stringify(selection);
  const answer = useAnswer((signal) => ask("POST", "/v1/replays/preview", { body: { selection }, signal }), { name, everyMs: EVERY_MS });
  return html`<${Answer} answer=${answer} what="Counting">${({ deliveries, more, by_reason: reasons, by_fault: faults, sample }) => {
    if (!deliveries)
      return html`<${Empty} title=${Object.keys(filters).length ? "No dead letter fits that." : "Nothing is dead."}>${!Object.keys(filters).length && html`<p>Every delivery arrived, or will be tried again.</p>`}<//>`;
    const count = `${number(deliveries)}${more ? "+" : ""}`;
    return html`<section class="card meant">
        <p class="big" role="status"><strong>${count}</strong> ${deliveries === 1 ? "dead letter fits" : "dead letters fit"}</p>
        <ul class="reasons">${Object.entries(reasons).map(([reason, each]) => html`<li key=${reason} title=${REASONS[reason]}><a href=${to("dead-letters", { ...filters, reason })}>${reason}</a> ${number(each)}</li>`)}</ul>
        <p class="muted">${Object.entries(faults).map(([fault, each]) => `${number(each)} ${FAULTS[fault] ?? "nobody's"} fault`).join(", ")}</p>
        <div class="row"><${Act} scope="replay" kind="primary" onClick=${() => setAsking("replay")}>Replay ${count}…<//>
          <${Act} scope="admin" kind="danger" onClick=${() => setAsking("purge")}>Purge…<//></div>
      </section>
      <h2>${sample.length < deliveries ? "Some of the newest" : "These are they"}</h2>
      <${DeliveryTable} deliveries=${sample} webhooks=${names} />
      ${asking === "replay" && html`<${AskReplay} selection=${selection} count=${deliveries} label=${count} names=${names} onClose=${close} />`}
      ${asking === "purge" && html`<${AskPurge} selection=${selection} count=${deliveries} onClose=${close} />`}`;
  }}<//>`;
}

// Who may read but not replay sees the same, as a list.
function Listed({ filters, names }) {
  const answer = useAnswer(address("/v1/deliveries", { ...filters, status: "dead", limit: 50 }), { everyMs: EVERY_MS });
  return html`<${LackingHint} scope="replay" what="counting and replaying" />
    <${Answer} answer=${answer} what="Searching">${({ data }) => html`<${DeliveryTable} deliveries=${data} webhooks=${names} none="No dead letter fits that." />`}<//>`;
}

function AskReplay({ selection, count, label, names, onClose }) {
  const [why, setWhy] = useState("");
  const [rate, setRate] = useState(String(RATE));
  const [target, setTarget] = useState("");
  const key = useRef(randomId());
  const pace = Number(rate);
  return html`<${Asking} title=${`Replay ${label} dead ${count === 1 ? "letter" : "letters"}?`} action="Replay" onClose=${onClose} disabled=${!why.trim() || !(pace > 0)}
    onSubmit=${async () => {
      const body = { selection, why: why.trim(), rate_per_s: pace, target: target || null };
      const job = await ask("POST", "/v1/replays", { body, headers: { "Idempotency-Key": key.current } });
      go(["replays", job.id]);
    }}>
    <p>Each is sent again under the same delivery id, with its whole schedule before it. Live deliveries go first all the while.</p>
    <${Why} value=${why} onValue=${setWhy} placeholder="endpoint repaired, incident 4711" />
    <${Rate} value=${rate} onValue=${setRate} count=${count} />
    <${Choice} label="To" value=${target} onValue=${setTarget} options=${[["", "their own webhooks"], ...names]} hint=${target ? "That webhook gets all of them, as tests." : "Where they were meant to go."} />
  <//>`;
}

function selected(filters) {
  const { http_status: status, ...rest } = filters;
  return status ? { ...rest, http_status: Number(status) } : rest;
}
