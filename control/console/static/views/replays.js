import { useAnswer } from "../answers.js";
import { address, ask } from "../api.js";
import { Act, Badge, Facts, Head, Table, number } from "../controls.js";
import { html } from "../dom.js";
import { Answer, Empty, Lacking, say } from "../feedback.js";
import { to } from "../routes.js";
import { allows } from "../session.js";
import { Time, span } from "../times.js";

const PAGE = 50;
const EVERY_MS = 1000;
const LIST_MS = 4000;
const ENDED = new Set(["done", "cancelled", "failed"]);
const KINDS = {
  replay: {
    name: "Replay",
    what: "dead letters are sent again",
    done: "on their way",
    all: "Everything that was meant is on its way.",
    none: "No dead letter was meant by that.",
    every: "all dead letters",
  },
  recover: {
    name: "Recovery",
    what: "what a webhook missed is delivered to it",
    done: "on their way",
    all: "Everything that was missed is on its way.",
    none: "Nothing was missed.",
    every: "everything",
  },
  purge: {
    name: "Purge",
    what: "dead letters are struck off every list, count and replay",
    done: "struck off",
    all: "Everything that was meant is struck off. Its bytes go with the topic's retention.",
    none: "No dead letter was meant by that.",
    every: "all dead letters",
  },
};
const WORDS = { webhook_id: "webhook", event_type: "event type", http_status: "HTTP status", delivery_id: "delivery", q: "error has" };

export function Replays({ query: { after } }) {
  const answer = useAnswer(allows("replay") ? address("/v1/replays", { after, limit: PAGE }) : null, { everyMs: after ? 0 : LIST_MS });
  return html`<${Head} title="Replays"><a class="button" href=${to("dead-letters")}>To dead letters</a><//>
    ${
      allows("replay")
        ? html`<${Answer} answer=${answer} what="Reading replays">${({ data, next }) =>
            data.length || after
              ? html`<${Table} caption="Replays" rows=${data} id=${(job) => job.id} columns=${COLUMNS} />
                <nav class="row between" aria-label="Pages">
                  ${after ? html`<a href=${to("replays")}>To the newest</a>` : html`<span class="muted">Newest first.</span>`}
                  ${next && html`<a class="button" href=${to("replays", { after: next })}>Older</a>`}
                </nav>`
              : html`<${Empty} title="Nothing was replayed yet."><p>Under <a href=${to("dead-letters")}>Dead letters</a> you choose what to send again or to strike off; a webhook's own page tells what it missed.</p><//>`}<//>`
        : html`<${Lacking} scope="replay" what="looking at replays" />`
    }`;
}

const COLUMNS = [
  ["Replay", (job) => html`<a class="strong" href=${to(["replays", job.id])}>${job.why || job.id}</a><span class="sub">${KINDS[job.kind].name} · ${meant(job)}</span>`],
  ["State", (job) => html`<${Badge} state=${job.state} />`],
  ["Progress", (job) => html`<${Bar} job=${job} />`],
  ["By", (job) => html`<span class="break">${job.requested_by}</span>`],
  ["Asked for", (job) => html`<${Time} at=${job.requested_at} />`],
];

export function Replay({ id }) {
  const path = `/v1/replays/${encodeURIComponent(id)}`;
  const answer = useAnswer(allows("replay") ? path : null, { everyMs: (job) => (ENDED.has(job.state) ? 0 : EVERY_MS) });
  if (!allows("replay")) return html`<${Head} title="Replay" /><${Lacking} scope="replay" what="looking at replays" />`;

  async function steer(verb) {
    try {
      await ask("POST", `${path}/${verb}`);
    } catch (problem) {
      say(problem.message, "bad");
    }
    answer.refresh();
  }

  return html`<${Answer} answer=${answer} what="Reading the replay">${(job) => {
      const over = ENDED.has(job.state);
      const kind = KINDS[job.kind];
      const paused = job.wanted === "pause";
      return html`<${Head} title=${job.why || kind.name} crumb=${html`<a class="crumb" href=${to("replays")}>Replays</a>`}>
        ${!over && (paused ? html`<${Act} scope="replay" kind="primary" onClick=${() => steer("resume")}>Resume<//>` : html`<${Act} scope="replay" onClick=${() => steer("pause")}>Pause<//>`)}
        ${!over && html`<${Act} scope="replay" kind="danger" onClick=${() => steer("cancel")}>Cancel ${kind.name.toLowerCase()}<//>`}
      <//>
      <section class="card progress">
        <p class="big"><${Badge} state=${job.state} /> <strong>${number(reached(job))}</strong> of ${job.selected === null ? "… (counting)" : number(job.selected)} ${kind.done}</p>
        <${Bar} job=${job} />
        <p class="muted" role="status">${saying(job, paused)}</p>
        ${job.error && html`<p class="bad break">${job.error}</p>`}
      </section>
      <section class="card"><${Facts} pairs=${[
        ["Kind", `${kind.name}: ${kind.what}`],
        ["Meant", meant(job)],
        ["To", job.target ? html`<a href=${to(["webhooks", job.target])}>${job.target}</a>, as tests` : job.kind === "replay" ? "their own webhooks" : null],
        ["At most", job.kind === "purge" ? null : `${number(job.rate_per_s)} a second`],
        ["By", job.requested_by],
        ["Asked for", html`<${Time} at=${job.requested_at} />`],
        ["Newest sign", html`<${Time} at=${job.updated_at} />`],
        ["Records read", number(job.read)],
        ["Id", html`<code class="break">${job.id}</code>`],
      ]} /></section>
      ${job.kind !== "purge" && html`<p><a href=${to("deliveries", job.selection.webhook_id ? { webhook_id: job.selection.webhook_id } : {})}>Look at what becomes of the deliveries</a></p>`}`;
    }}<//>
    ${!answer.data && html`<p><a href=${to("replays")}>To all replays</a></p>`}`;
}

function Bar({ job }) {
  const share = job.selected ? Math.min(reached(job) / job.selected, 1) : ENDED.has(job.state) ? 1 : 0;
  const label = `${number(reached(job))} of ${job.selected === null ? "an unknown number" : number(job.selected)}`;
  return html`<progress max="1" value=${share} aria-label=${label}></progress><span class="sub">${label}</span>`;
}

function saying(job, paused) {
  const rest = job.kind === "purge" ? "nothing was struck off." : "what was written before that is delivered.";
  if (job.state === "done" && !job.selected) return KINDS[job.kind].none;
  if (job.state === "done") return KINDS[job.kind].all;
  if (job.state === "cancelled") return `It was cancelled; ${rest}`;
  if (job.state === "failed") return `It failed; ${rest}`;
  if (paused) return job.state === "paused" ? "It waits until somebody resumes it." : "It will pause in a moment.";
  return job.eta_s === null ? "It begins in a moment." : `About ${span(job.eta_s)} to go.`;
}

// A purge is done all at once, when everything that it means is counted.
const reached = (job) => (job.kind === "purge" && job.state === "done" ? (job.selected ?? 0) : job.replayed);

function meant({ kind, selection }) {
  const given = Object.entries(selection).filter(([, value]) => value !== null);
  return given.length ? given.map(([name, value]) => `${WORDS[name] ?? name} ${value}`).join(", ") : KINDS[kind].every;
}
