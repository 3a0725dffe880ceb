import { useAnswer } from "../answers.js";
import { Head } from "../controls.js";
import { html, useState } from "../dom.js";
import { Answer, Empty, Lacking } from "../feedback.js";
import { to } from "../routes.js";
import { allows, caller } from "../session.js";

export function Events({ id }) {
  const may = allows("read");
  const answer = useAnswer(may ? "/v1/event-types" : null);
  if (!may) return html`<${Head} title="Events" /><${Lacking} scope="read" what="looking at the catalogue" />`;
  return html`<${Answer} answer=${answer} what="Reading the catalogue">${({ data }) =>
    id ? html`<${One} known=${data.find((each) => each.type === id)} />` : html`<${Catalogue} types=${data} />`}<//>`;
}

function Catalogue({ types }) {
  const [search, setSearch] = useState("");
  const text = search.toLowerCase();
  const found = types.filter((each) => `${each.type} ${each.description}`.toLowerCase().includes(text));
  return html`<${Head} title="Events" />
    <p class="muted">What ${caller().system} tells of, and what a receiver of it gets.</p>
    <div class="filters"><div class="field wide"><label for="event-search">Search</label><input id="event-search" type="search" value=${search} onInput=${(event) => setSearch(event.target.value)} /></div></div>
    ${found.length ? html`<ul class="catalogue">${found.map(
      (each) => html`<li key=${each.type} class="card"><h2><a class="types" href=${to(["events", each.type])}>${each.type}</a></h2><p>${each.description}</p><p class="muted">version ${each.version}</p></li>`,
    )}</ul>` : html`<${Empty} title="No event has that." />`}`;
}

function One({ known }) {
  if (!known) return html`<${Head} title="There is no such event" /><p><a href=${to("events")}>To the catalogue</a></p>`;
  const fields = Object.entries(known.schema.properties ?? {});
  const required = new Set(known.schema.required ?? []);
  return html`<${Head} title=${known.type} crumb=${html`<a class="crumb" href=${to("events")}>Events</a>`} />
    <p>${known.description}</p>
    <p class="muted">Version ${known.version}; the example is ${known.example_source === "documentation" ? "the documentation's" : "ours"}.</p>
    <div class="two">
      <section class="card"><h2>What a receiver gets</h2><pre tabindex="0">${shown(known.body)}</pre></section>
      <section class="card"><h2>Data</h2>
        <dl class="headers">${fields.map(([name, field]) => html`<div key=${name}><dt>${name}${required.has(name) ? "" : " (optional)"}</dt><dd>${field.description ?? ""} <span class="muted">${kind(field)}</span></dd></div>`)}</dl>
        <details><summary>JSON Schema</summary><pre tabindex="0">${shown(known.schema)}</pre></details>
        <details><summary>Example of the data</summary><pre tabindex="0">${shown(known.example)}</pre></details>
      </section>
    </div>`;
}

const shown = (value) => JSON.stringify(value, null, 2);
const kind = (field) => [].concat(field.type ?? field.enum ?? (field.anyOf ?? []).map((each) => each.type)).filter(Boolean).join(" or ");
