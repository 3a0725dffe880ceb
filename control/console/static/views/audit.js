import { useAnswer } from "../answers.js";
import { address } from "../api.js";
import { Head, Table, Text } from "../controls.js";
import { html } from "../dom.js";
import { Answer, Empty, Lacking } from "../feedback.js";
import { Filters } from "../filters.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";
import { Time, fromInput, toInput } from "../times.js";

const PAGE = 50;
const LONG = 200;

export function Audit({ query }) {
  const may = allows("admin");
  const { after, ...filters } = query;
  const answer = useAnswer(may ? address("/v1/audit", { ...query, limit: PAGE }) : null);
  if (!may) return html`<${Head} title="Audit" /><${Lacking} scope="admin" what="looking at the audit" />`;
  return html`<${Head} title="Audit"><button type="button" onClick=${answer.refresh}>Look again</button><//>
    <p class="muted">Who changed which webhook, secret, key or job, when and why. It is kept for 400 days.</p>
    <${Filters} key=${String(new URLSearchParams(filters))} query=${filters} onQuery=${(chosen) => go("audit", chosen)}>${(draft, set) => html`
      <${Text} label="What" value=${draft.action} onValue=${set("action")} maxlength="200" placeholder="key.*" />
      <${Text} label="Who" value=${draft.actor} onValue=${set("actor")} maxlength="200" placeholder="key:…" />
      <${Text} label="Of which" value=${draft.about} onValue=${set("about")} maxlength="200" placeholder="wh_…" />
      <${Text} label="Since" type="datetime-local" value=${toInput(draft.since)} onValue=${(text) => set("since")(fromInput(text))} />
      <${Text} label="Until" type="datetime-local" value=${toInput(draft.until)} onValue=${(text) => set("until")(fromInput(text))} />`}<//>
    <${Answer} answer=${answer} what="Reading the audit">${({ data, next }) => html`
      ${data.length ? html`<${Table} caption="Changes" rows=${data} id=${(each) => each.id} columns=${COLUMNS} />` : html`<${Empty} title=${next ? "Nothing so far; there is more to look through." : after ? "That is all." : "No change fits that."} />`}
      <nav class="row between" aria-label="Pages">
        ${after ? html`<a href=${to("audit", filters)}>To the newest</a>` : html`<span class="muted">Newest first.</span>`}
        ${next && html`<a class="button" href=${to("audit", { ...filters, after: next })}>Older</a>`}
      </nav>`}<//>`;
}

const COLUMNS = [
  ["What", (each) => html`<span class="strong">${each.action}</span><${Of} change=${each} />`],
  ["Change", (each) => html`<${Changed} before=${each.before} after=${each.after} />`],
  ["Why", (each) => html`<span class="break">${each.why || "—"}</span>`],
  ["Who", (each) => html`<a class="break" href=${to("audit", { actor: each.actor })}>${each.actor}</a>`],
  ["When", (each) => html`<${Time} at=${each.time} />`],
];

// What has a page of its own is led to; what was deleted says so there.
const PLACES = { subscription: "webhooks", delivery: "deliveries", replay: "replays", recover: "replays", purge: "replays" };

function Of({ change }) {
  const place = PLACES[change.action.split(".")[0]];
  return html`<span class="sub">${place ? html`<a href=${to([place, change.object])}>${change.object}</a>` : change.object}</span>`;
}

function Changed({ before, after }) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  if (!names.length) return html`<span class="muted">—</span>`;
  return html`<ul class="changes">${names.map(
    (name) => html`<li key=${name}><span class="muted">${name}</span> ${name in before && html`<del>${short(before[name])}</del>`} ${name in after && html`<ins>${short(after[name])}</ins>`}</li>`,
  )}</ul>`;
}

function short(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}
