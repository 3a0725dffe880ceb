import { useAnswer } from "../answers.js";
import { Head, number } from "../controls.js";
import { html } from "../dom.js";
import { Answer, Lacking } from "../feedback.js";
import { REASONS } from "../reasons.js";
import { to } from "../routes.js";
import { allows } from "../session.js";
import { Throughput } from "../throughput.js";
import { span } from "../times.js";

const EVERY_MS = 2000;
const FAR_BEHIND_S = 30;

export function Overview() {
  const may = allows("read");
  const answer = useAnswer(may ? "/v1/overview" : null, { everyMs: EVERY_MS });
  return html`<${Head} title="Overview" />
    ${may ? html`<${Answer} answer=${answer} what="Counting">${(data) => html`<${Counted} data=${data} />`}<//>` : html`<${Lacking} scope="read" what="looking at deliveries" />`}`;
}

function Counted({ data }) {
  const { throughput, webhooks, backlog, dead_letters: dead, store, counted_to: bound } = data;
  const sum = (name) => throughput.reduce((total, minute) => total + minute[name], 0);
  const some = (value) => (value >= bound ? `${number(bound)}+` : number(value));
  return html`<div class="tiles">
      <${Tile} name="Delivered" value=${number(sum("delivered"))} note="in the last hour" href=${to("deliveries", { status: "delivered" })} />
      <${Tile} name="Failed tries" value=${number(sum("failed"))} note="in the last hour" kind=${sum("failed") ? "retrying" : ""} href=${to("deliveries", { status: "retrying" })} />
      <${Tile} name="Dead letters" value=${some(dead.total)} note=${dead.total ? "to be looked at" : "none"} kind=${dead.total ? "dead" : ""} href=${to("dead-letters")} />
      <${Tile} name="Waiting" value=${some(backlog.pending + backlog.retrying)} note=${`${some(backlog.retrying)} for their next try`} href=${to("deliveries", { status: "retrying" })} />
      <${Tile} name="Webhooks" value=${number(webhooks.active)} note=${webhooks.disabled ? `${number(webhooks.disabled)} disabled` : "all active"} href=${to("webhooks")} />
      <${Behind} delayS=${store.delay_s} />
    </div>
    <section class="card"><h2>Throughput, per minute</h2><${Throughput} minutes=${throughput} /></section>
    <div class="two">
      <section class="card"><h2>Dead letters by reason</h2><${ByReason} reasons=${dead.by_reason} total=${dead.total} /></section>
      <section class="card"><h2>Backlog by tier</h2><${Backlog} backlog=${backlog} /></section>
    </div>`;
}

const Tile = ({ name, value, note, href, kind = "" }) => html`<a class=${`tile ${kind}`} href=${href}>
  <span class="tile-name">${name}</span><span class="tile-value">${value}</span><span class="tile-note">${note}</span>
</a>`;

function Behind({ delayS }) {
  const late = delayS !== null && delayS > FAR_BEHIND_S;
  const value = delayS === null ? "—" : late ? span(delayS) : "Up to date";
  const note = delayS === null ? "nothing seen yet" : late ? "behind what happens" : "the delivery log";
  return html`<div class=${`tile ${late ? "retrying" : ""}`}><span class="tile-name">Log</span><span class="tile-value small">${value}</span><span class="tile-note">${note}</span></div>`;
}

function ByReason({ reasons, total }) {
  const found = Object.entries(reasons).sort(([, one], [, other]) => other - one);
  if (!found.length) return html`<p class="muted">Nothing is dead.</p>`;
  return html`<ul class="bars">${found.map(
    ([reason, count]) => html`<li key=${reason}>
      <a href=${to("dead-letters", { reason })}>${reason}</a><span class="count">${number(count)}</span>
      <meter min="0" max=${total} value=${count} aria-label=${`${reason}: ${count} of ${total}`}></meter>
      <span class="hint">${REASONS[reason] ?? ""}</span>
    </li>`,
  )}</ul>`;
}

function Backlog({ backlog }) {
  const own = html`<p>Of this organization: <strong>${number(backlog.pending)}</strong> wait for their first answer, <strong>${number(backlog.retrying)}</strong> for another try.</p>`;
  if (!backlog.tiers)
    return html`${own}<p class="hint">${allows("operate") ? "Kafka does not tell now what waits in the whole installation." : html`What waits in the whole installation is told to keys with the scope <code>operate</code>.`}</p>`;
  const tiers = Object.entries(backlog.tiers);
  const most = Math.max(1, ...tiers.map(([, tier]) => tier.waiting));
  return html`${own}
    <p>Whole installation: <strong>${number(backlog.live)}</strong> live, <strong>${number(backlog.due)}</strong> due, and until later:</p>
    <ul class="tiers">${tiers.map(
      ([name, tier]) => html`<li key=${name}><span>${name}</span>
        <meter min="0" max=${most} value=${tier.waiting} aria-label=${`${name}: ${tier.waiting} wait`}></meter>
        <span class="count" title=${tier.oldest_age_s === null ? "" : `the oldest for ${span(tier.oldest_age_s)}`}>${number(tier.waiting)}</span></li>`,
    )}</ul>`;
}
