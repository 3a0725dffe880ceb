import { useAnswer } from "../answers.js";
import { address, ask, webhookPath } from "../api.js";
import { Act, Choice, Facts, Head, LackingHint, number, percent, pretty, useDoing } from "../controls.js";
import { Asking } from "../dialog.js";
import { html, useState } from "../dom.js";
import { Answer, Lacking, say } from "../feedback.js";
import { DeliveryTable } from "../delivery-table.js";
import { EditWebhook, OwnSecret, Secret, own } from "../new-webhook.js";
import { NeverDelivered } from "../never-delivered.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";
import { Time, milliseconds, span } from "../times.js";
import { AskTrial, Trial } from "../trial.js";
import { State } from "./webhooks.js";

const EVERY_MS = 5000;

export function Webhook({ id }) {
  const webhook = useAnswer(allows("read") ? webhookPath(id) : null, { everyMs: EVERY_MS });
  if (!allows("read")) return html`<${Head} title="Webhook" /><${Lacking} scope="read" what="looking at webhooks" />`;
  return html`<${Answer} answer=${webhook} what="Reading the webhook">${(data) => html`<${Shown} webhook=${data} refresh=${webhook.refresh} />`}<//>
    ${!webhook.data && html`<p><a href=${to("webhooks")}>To all webhooks</a></p>`}`;
}

function Shown({ webhook, refresh }) {
  const [open, setOpen] = useState(null);
  const [trial, setTrial] = useState(null);
  const [secret, setSecret] = useState(null);
  const match = { headers: { "If-Match": `"${webhook.version}"` } };
  const close = () => setOpen(null);

  const turn = (active) => ask("PATCH", webhookPath(webhook.id), { body: { active }, ...match });

  const [enabling, enable] = useDoing(async () => {
    await turn(true);
    say("The webhook is enabled.");
    refresh();
  });

  return html`<${Head} title=${webhook.description || webhook.url} crumb=${html`<a class="crumb" href=${to("webhooks")}>Webhooks</a>`}>
      <${Act} scope="manage" kind="primary" onClick=${() => setOpen("test")}>Send test<//>
      ${webhook.active ? html`<${Act} scope="manage" onClick=${() => setOpen("disable")}>Disable<//>` : html`<${Act} scope="manage" onClick=${enable} disabled=${enabling} why="It is being enabled">Enable<//>`}
      <${Act} scope="manage" onClick=${() => setOpen("edit")}>Change<//>
      <${Act} scope="manage" onClick=${() => setOpen("rotate")} disabled=${!webhook.secrets.length} why="Its format has no signing secret">Rotate secret<//>
      <${Act} scope="manage" kind="danger" onClick=${() => setOpen("delete")}>Delete<//>
    <//>
    <${LackingHint} scope="manage" what="testing and changing webhooks" />
    ${trial && html`<${Trial} key=${trial.delivery_id} sent=${trial} onClose=${() => setTrial(null)} />`}
    <div class="two">
      <section class="card"><h2>Settings</h2><${Settings} webhook=${webhook} /></section>
      <section class="card"><h2>Health</h2><${Health} webhook=${webhook} /></section>
    </div>
    <section><div class="row between"><h2>Newest deliveries</h2><a href=${to("deliveries", { webhook_id: webhook.id })}>All of them, with filters</a></div>
      <${Newest} id=${webhook.id} /></section>
    <${NeverDelivered} webhook=${webhook} />
    ${open === "test" && html`<${AskTrial} webhook=${webhook} onClose=${close} onSent=${setTrial} />`}
    ${
      open === "disable" &&
      html`<${Asking} title="Disable the webhook?" action="Disable" danger onClose=${close} onSubmit=${async () => {
        await turn(false);
        say("The webhook is disabled.");
        close();
        refresh();
      }}><p>Nothing more is sent there. What is on its way becomes dead letters, which can be replayed; what is published meanwhile can be recovered.</p><//>`
    }
    ${
      open === "delete" &&
      html`<${Asking} title="Delete the webhook?" action="Delete" danger onClose=${close} onSubmit=${async () => {
        await ask("DELETE", webhookPath(webhook.id), match);
        say("The webhook is deleted.");
        go("webhooks");
      }}><p>It cannot be taken back. What is still to be delivered to it becomes dead letters.</p><//>`
    }
    ${
      open === "rotate" &&
      html`<${Rotation} onClose=${close} rotate=${async (asked) => {
        const answer = await ask("POST", webhookPath(webhook.id, "/secret"), { body: asked, ...match });
        close();
        setSecret(answer.secret);
        refresh();
      }} />`
    }
    ${open === "edit" && html`<${EditWebhook} webhook=${webhook} onClose=${close} onChanged=${refresh} />`}
    ${secret && html`<${Secret} title="The new signing secret" secret=${secret} onClose=${() => setSecret(null)} />`}`;
}

function Rotation({ onClose, rotate }) {
  const [overlap, setOverlap] = useState("86400");
  const [secret, setSecret] = useState("");
  return html`<${Asking} title="Rotate the signing secret" action="Rotate" onClose=${onClose} onSubmit=${() => rotate({ expires_in_s: Number(overlap), ...own(secret) })}>
    <p>A new secret is made and shown once. The old one holds beside it for a while, so that the receiver can be changed in peace.</p>
    <${Choice} label="The old one holds for" value=${overlap} onValue=${setOverlap} options=${[["3600", "an hour"], ["86400", "a day"], ["604800", "a week"], ["0", "no longer: it is known to somebody"]]} />
    <${OwnSecret} value=${secret} onValue=${setSecret} />
  <//>`;
}

const Settings = ({ webhook }) => html`<${Facts} pairs=${[
  ["State", html`<${State} webhook=${webhook} />`],
  ["Address", html`<code class="break">${webhook.url}</code>`],
  ["Events", html`<span class="types">${webhook.events.join(", ")}</span>`],
  ["Filters", webhook.filters?.length ? html`<pre>${pretty(JSON.stringify(webhook.filters))}</pre>` : null],
  ["Format", webhook.format ?? "the system's own"],
  ["Headers", Object.keys(webhook.headers ?? {}).join(", ")],
  ["Secrets", webhook.secrets.length ? webhook.secrets.map((each) => html`<span class="sub" key=${each.id}>since <${Time} at=${each.created_at} />${each.expires_at && html`, until <${Time} at=${each.expires_at} />`}</span>`) : "none"],
  ["Created", html`<${Time} at=${webhook.created_at} />`],
  ["Version", html`${webhook.version}, in effect from <${Time} at=${webhook.effective_at} />`],
  ["Id", html`<code class="break">${webhook.id}</code>`],
]} />`;

function Health({ webhook }) {
  const answer = useAnswer(webhookPath(webhook.id, "/health"), { everyMs: EVERY_MS });
  return html`<${Answer} answer=${answer}>${(health) => html`<${Facts} pairs=${[
    ["Delivered, 24 h", html`<strong>${percent(health.success_rate)}</strong> of tries`],
    ["Tries, 24 h", `${number(health.delivered)} succeeded, ${number(health.failed)} failed`],
    ["Dead, 24 h", health.dead ? html`<a href=${to("dead-letters", { webhook_id: webhook.id })}>${number(health.dead)}</a>` : "0"],
    ["Half within", milliseconds(health.p50_ms)],
    ["95 % within", milliseconds(health.p95_ms)],
    ["In a row failed", number(health.consecutive_failures)],
    ["Failing since", health.failing_since && html`<${Time} at=${health.failing_since} />`],
    ["Oldest waiting", health.oldest_undelivered_age_s === null ? "nothing waits" : `for ${span(health.oldest_undelivered_age_s)}`],
    ["Last success", html`<${Time} at=${health.last_success_at} none="none" />`],
    ["Last failure", html`<${Time} at=${health.last_failure_at} none="none" />`],
  ]} />`}<//>`;
}

function Newest({ id }) {
  const answer = useAnswer(address(webhookPath(id, "/deliveries"), { limit: 20 }), { everyMs: EVERY_MS });
  return html`<${Answer} answer=${answer} what="Reading deliveries">${({ data }) => html`<${DeliveryTable} deliveries=${data} none="Nothing was sent there yet." />`}<//>`;
}
