import { useAnswer } from "../answers.js";
import { ask, everyPage } from "../api.js";
import { Act, Badge, Choice, Copy, Head, Table, Text } from "../controls.js";
import { Asking, Dialog } from "../dialog.js";
import { html, useState } from "../dom.js";
import { Answer, Lacking, say } from "../feedback.js";
import { allows, caller } from "../session.js";
import { Time } from "../times.js";

const SCOPES = [
  ["read", "look at webhooks, deliveries and events"],
  ["manage", "make, change and test webhooks"],
  ["replay", "resend, and replay dead letters"],
  ["publish", "publish events at the gateway"],
  ["admin", "all of that, and keys"],
];
// They are told oldest first, revoked ones too, and none is ever removed.
const KEYS_MAX = 10_000;
const DAY_S = 86_400;

export function Keys() {
  const [open, setOpen] = useState(null);
  const [made, setMade] = useState(null);
  const may = allows("admin");
  const answer = useAnswer(may ? every : null, { name: "keys" });
  const close = () => setOpen(null);
  return html`<${Head} title="Keys"><${Act} scope="admin" kind="primary" onClick=${() => setOpen("new")}>New key<//><//>
    ${
      may
        ? html`<${Answer} answer=${answer} what="Reading keys">${({ keys, more }) => html`${more && html`<p class="bad">There are more, newer ones among them; <code>tocsin keys list</code> shows all.</p>`}
            <${Table} caption="API keys" rows=${keys} id=${(key) => key.id} columns=${columns(setOpen)} />`}<//>`
        : html`<${Lacking} scope="admin" what="looking at keys" />`
    }
    ${open === "new" && html`<${NewKey} onClose=${close} onMade=${(key) => {
      close();
      setMade(key);
      answer.refresh();
    }} />`}
    ${
      open?.id &&
      html`<${Asking} title="Revoke the key?" action="Revoke" danger onClose=${close} onSubmit=${async () => {
        await ask("DELETE", `/v1/keys/${encodeURIComponent(open.id)}`);
        say("The key is revoked: within five seconds nothing accepts it.");
        close();
        answer.refresh();
      }}>
        <p><strong>${open.description || open.id}</strong> is refused everywhere within five seconds. It cannot be taken back.</p>
        ${open.id === caller().key.id && html`<p class="bad">It is the key that you are signed in with.</p>`}
      <//>`
    }
    ${
      made &&
      html`<${Dialog} title="The key is there" onClose=${() => setMade(null)}>
        <p>It is shown now and never again.</p><${Copy} text=${made.key} label="API key" />
        <div class="row end"><button type="button" class="primary" onClick=${() => setMade(null)}>I have kept it</button></div>
      <//>`
    }`;
}

const columns = (revoke) => [
  ["Key", (key) => html`<span class="strong">${key.description || "no description"}</span><span class="sub">${key.id}${key.id === caller().key.id ? " · yours" : ""}</span>`],
  ["Allows", (key) => key.scopes.join(", ")],
  ["System", (key) => key.system],
  ["State", (key) => html`<${Badge} state=${key.state} />`],
  ["Made", (key) => html`<${Time} at=${key.created_at} />`],
  ["Ends", (key) => html`<${Time} at=${key.revoked_at ?? key.expires_at} none="never" />`],
  ["Do", (key) => (key.state === "active" ? html`<${Act} scope="admin" kind="danger" onClick=${() => revoke(key)}>Revoke<span class="sr"> ${key.description || key.id}</span><//>` : "")],
];

function NewKey({ onClose, onMade }) {
  const [draft, setDraft] = useState({ description: "", scopes: ["read"], days: "90" });
  const toggle = (scope, on) => setDraft({ ...draft, scopes: on ? [...draft.scopes, scope] : draft.scopes.filter((each) => each !== scope) });
  return html`<${Asking} title="New key" action="Make it" onClose=${onClose} disabled=${!draft.scopes.length}
    onSubmit=${async () => {
      const body = { description: draft.description, scopes: draft.scopes, expires_in_s: draft.days ? Number(draft.days) * DAY_S : null };
      onMade(await ask("POST", "/v1/keys", { body }));
    }}>
    <${Text} label="What it is for" wide value=${draft.description} onValue=${(description) => setDraft({ ...draft, description })} maxlength="500" />
    <fieldset><legend>It allows to</legend>${SCOPES.map(
      ([scope, what]) => html`<label class="check" key=${scope}><input type="checkbox" checked=${draft.scopes.includes(scope)} onChange=${(event) => toggle(scope, event.target.checked)} /> <span><strong>${scope}</strong>: ${what}</span></label>`,
    )}</fieldset>
    <${Choice} label="It ends" value=${draft.days} onValue=${(days) => setDraft({ ...draft, days })} options=${[["1", "in a day"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"], ["", "never"]]} />
  <//>`;
}

async function every(signal) {
  const { data, more } = await everyPage("/v1/keys", { signal, limit: KEYS_MAX });
  const rank = { active: 0, expired: 1, revoked: 2 };
  return { keys: data.reverse().sort((one, other) => rank[one.state] - rank[other.state]), more };
}
