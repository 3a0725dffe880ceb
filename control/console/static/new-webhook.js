// The form of a webhook: a new one, or a change of one.
import { ask, webhookPath } from "./api.js";
import { useAnswer } from "./answers.js";
import { Choice, Copy, Field, Text } from "./controls.js";
import { Asking, Dialog } from "./dialog.js";
import { html, useState } from "./dom.js";
import { say } from "./feedback.js";
import { go } from "./routes.js";

const COMPARISONS = [["exact", "is exactly"], ["prefix", "begins with"], ["suffix", "ends with"]];
const FORMATS = [
  ["", "The system's own"],
  ["standard-webhooks", "Standard Webhooks"],
  ["cloudevents-binary", "CloudEvents, binary"],
  ["cloudevents-structured", "CloudEvents, structured"],
  ["slack", "Slack message"],
  ["pagerduty", "PagerDuty event"],
];

export function NewWebhook({ onClose, onMade }) {
  const [made, setMade] = useState(null);
  const [draft, setDraft] = useState({ url: "", description: "", events: ["*"], format: "", secret: "", filters: [] });
  if (made) return html`<${Secret} title="The webhook is there" secret=${made.secret} onClose=${() => go(["webhooks", made.id])} />`;
  return html`<${Asking} title="New webhook" action="Create" onClose=${onClose} disabled=${!draft.url || !draft.events.length}
    onSubmit=${async () => {
      const body = { url: draft.url.trim(), events: draft.events, description: draft.description, format: draft.format || null, filters: expressions(draft.filters), ...own(draft.secret) };
      setMade(await ask("POST", "/v1/webhooks", { body }));
      onMade();
    }}>
    <${Settings} draft=${draft} onDraft=${setDraft} />
    <${Choice} label="Format" value=${draft.format} onValue=${(format) => setDraft({ ...draft, format })} options=${FORMATS} hint="What the body and its signature look like. It never changes." />
    <${OwnSecret} value=${draft.secret} onValue=${(secret) => setDraft({ ...draft, secret })} />
    <${Comparisons} filters=${draft.filters} onFilters=${(filters) => setDraft({ ...draft, filters })} />
  <//>`;
}

export function EditWebhook({ webhook, onClose, onChanged }) {
  // As it was when the dialog opened: what the page around it learns meanwhile is not what is changed here.
  const [before] = useState(webhook);
  const [draft, setDraft] = useState({ url: "", description: before.description ?? "", events: before.events });
  return html`<${Asking} title="Change the webhook" action="Save" onClose=${onClose} disabled=${!draft.events.length}
    onSubmit=${async () => {
      const body = { description: draft.description, events: draft.events, ...(draft.url ? { url: draft.url.trim() } : {}) };
      await ask("PATCH", webhookPath(before.id), { body, headers: { "If-Match": `"${before.version}"` } });
      say("The webhook is changed.");
      onChanged();
      onClose();
    }}>
    <${Settings} draft=${draft} onDraft=${setDraft} now=${before.url} />
  <//>`;
}

// A secret that the owner brings; where there is none, one is made.
export const OwnSecret = ({ value, onValue }) => html`<${Text} label="Own secret" type="password" wide value=${value} onValue=${onValue} autocomplete="off" spellcheck="false"
  hint="Empty: one is made. PagerDuty needs its routing key." />`;

export const own = (secret) => (secret ? { secret } : {});

// A secret, this once.
export const Secret = ({ title, secret, onClose }) => html`<${Dialog} title=${title} onClose=${onClose}>
  ${
    secret
      ? html`<p>This is its signing secret. It is shown now and never again: keep it where your receiver finds it.</p><${Copy} text=${secret} label="Signing secret" />`
      : html`<p>Its format has no signing secret.</p>`
  }
  <div class="row end"><button type="button" class="primary" onClick=${onClose}>${secret ? "I have kept it" : "Go on"}</button></div>
<//>`;

function Settings({ draft, onDraft, now }) {
  const set = (name) => (value) => onDraft({ ...draft, [name]: value });
  return html`<${Text} label="Address" type="url" wide value=${draft.url} onValue=${set("url")} required=${!now} placeholder=${now ?? "https://example.com/hooks"}
      hint=${now ? "Empty leaves it as it is." : "Events are sent there by POST, signed."} />
    <${Text} label="Description" wide value=${draft.description} onValue=${set("description")} maxlength="500" />
    <${EventTypes} chosen=${draft.events} onChosen=${set("events")} />`;
}

function EventTypes({ chosen, onChosen }) {
  const { data } = useAnswer("/v1/event-types");
  const every = chosen.includes("*");
  const [more, setMore] = useState("");
  const known = (data?.data ?? []).map((each) => each.type);
  const others = chosen.filter((each) => each !== "*" && !known.includes(each));
  const toggle = (type, on) => onChosen(on ? [...chosen, type] : chosen.filter((each) => each !== type));
  const add = () => {
    if (more.trim() && !chosen.includes(more.trim())) onChosen([...chosen, more.trim()]);
    setMore("");
  };
  return html`<fieldset><legend>Events</legend>
    <label class="check"><input type="checkbox" checked=${every} onChange=${(event) => onChosen(event.target.checked ? ["*"] : known.slice(0, 1))} /> All of them, new ones too</label>
    ${!every && html`<div class="checks">${[...known, ...others].map((type) => html`<label class="check" key=${type}><input type="checkbox" checked=${chosen.includes(type)} onChange=${(event) => toggle(type, event.target.checked)} /> <span class="types">${type}</span></label>`)}</div>
      <${Field} label="A pattern" hint="Such as drift.*">${(field) => html`<div class="row"><input ...${field} value=${more} onInput=${(event) => setMore(event.target.value)} /><button type="button" onClick=${add}>Add</button></div>`}<//>`}
  </fieldset>`;
}

function Comparisons({ filters, onFilters }) {
  const change = (index, part) => onFilters(filters.map((each, at) => (at === index ? { ...each, ...part } : each)));
  return html`<fieldset><legend>Only events whose …</legend>
    ${filters.map(
      (each, index) => html`<div class="row comparison" key=${index}>
        <input aria-label=${`Condition ${index + 1}: attribute or data path`} placeholder="data.risk_level" value=${each.path} onInput=${(event) => change(index, { path: event.target.value })} />
        <select aria-label=${`Condition ${index + 1}: comparison`} value=${each.how} onChange=${(event) => change(index, { how: event.target.value })}>${COMPARISONS.map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}</select>
        <input aria-label=${`Condition ${index + 1}: text`} placeholder="HIGH" value=${each.text} onInput=${(event) => change(index, { text: event.target.value })} />
        <button type="button" class="link" aria-label=${`Remove condition ${index + 1}`} onClick=${() => onFilters(filters.filter((_, at) => at !== index))}>Remove</button>
      </div>`,
    )}
    <button type="button" onClick=${() => onFilters([...filters, { path: "", how: "exact", text: "" }])}>Add a condition</button>
    <p class="hint">All of them must hold. The API knows more: any, all, not.</p>
  </fieldset>`;
}

const expressions = (filters) => filters.filter((each) => each.path && each.text).map((each) => ({ [each.how]: { [each.path]: each.text } }));
