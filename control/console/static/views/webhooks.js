import { useAnswer } from "../answers.js";
import { everyWebhook, webhookPath } from "../api.js";
import { Act, Badge, Head, Table, number, percent } from "../controls.js";
import { html, useState } from "../dom.js";
import { Answer, Empty, Lacking } from "../feedback.js";
import { NewWebhook } from "../new-webhook.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";
import { milliseconds } from "../times.js";

const SHOWN = 25;
const EVERY_MS = 15_000;
const HEALTH_EVERY_MS = 60_000;

export function Webhooks({ query }) {
  const [search, setSearch] = useState(query.q ?? "");
  const [count, setCount] = useState(SHOWN);
  const answer = useAnswer(allows("read") ? everyWebhook : null, { name: "webhooks", everyMs: EVERY_MS });
  if (!allows("read")) return html`<${Head} title="Webhooks" /><${Lacking} scope="read" what="looking at webhooks" />`;
  return html`<${Head} title="Webhooks">
      <${Act} scope="manage" kind="primary" onClick=${() => go("webhooks", { new: "1" })}>New webhook<//>
    <//>
    ${query.new && allows("manage") && html`<${NewWebhook} onClose=${() => go("webhooks")} onMade=${answer.refresh} />`}
    <${Answer} answer=${answer} what="Reading webhooks">${({ data, more }) => {
      if (!data.length)
        return html`<${Empty} title="There is no webhook yet."><p>A webhook is an address of yours that gets the events it asks for, signed.</p>
          <${Act} scope="manage" kind="primary" onClick=${() => go("webhooks", { new: "1" })}>Make the first one<//><//>`;
      const found = data.filter((webhook) => fits(webhook, search.toLowerCase())).reverse();
      return html`<div class="filters"><div class="field wide"><label for="webhook-search">Search</label>
          <input id="webhook-search" type="search" placeholder="address, event, description, id" value=${search} onInput=${(event) => setSearch(event.target.value)} /></div></div>
        <p class="muted" role="status">${number(found.length)} of ${number(data.length)}${more ? "; there are more than are searched" : ""}</p>
        ${found.length
          ? html`<${Table} caption="Webhooks" rows=${found.slice(0, count)} id=${(webhook) => webhook.id} columns=${COLUMNS} />`
          : html`<${Empty} title="No webhook has that." />`}
        ${found.length > count && html`<button type="button" onClick=${() => setCount(count + SHOWN)}>Show more</button>`}`;
    }}<//>`;
}

const COLUMNS = [
  ["Webhook", (webhook) => html`<a class="strong" href=${to(["webhooks", webhook.id])}>${webhook.description || webhook.url}</a>${webhook.description && html`<span class="sub">${webhook.url}</span>`}`],
  ["Events", (webhook) => html`<span class="types">${webhook.events.slice(0, 3).join(", ")}${webhook.events.length > 3 ? ` and ${webhook.events.length - 3} more` : ""}</span>`],
  ["State", (webhook) => html`<${State} webhook=${webhook} />`],
  ["Last 24 hours", (webhook) => html`<${Health} id=${webhook.id} />`],
];

export function State({ webhook }) {
  return webhook.active ? html`<${Badge} state="active" />` : html`<${Badge} state="dead">disabled<//>${webhook.disabled_reason && html`<span class="sub">${webhook.disabled_reason}</span>`}`;
}

function Health({ id }) {
  const { data, problem } = useAnswer(webhookPath(id, "/health"), { everyMs: HEALTH_EVERY_MS });
  if (problem) return html`<span class="muted" title=${problem.message}>not known now</span>`;
  if (!data) return html`<span class="muted">…</span>`;
  if (data.success_rate === null) return html`<span class="muted">nothing sent</span>`;
  const notes = [data.p95_ms !== null && `p95 ${milliseconds(data.p95_ms)}`, data.dead && `${number(data.dead)} dead`, data.consecutive_failures > 1 && `the last ${number(data.consecutive_failures)} failed`];
  return html`<span class=${data.success_rate < 0.9 ? "bad" : ""}>${percent(data.success_rate)} delivered</span><span class="sub">${notes.filter(Boolean).join(" · ")}</span>`;
}

const fits = (webhook, text) => !text || [webhook.url, webhook.id, webhook.description, ...webhook.events].some((each) => (each ?? "").toLowerCase().includes(text));
