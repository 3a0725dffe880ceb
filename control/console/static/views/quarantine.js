import { useAnswer } from "../answers.js";
import { address, ask } from "../api.js";
import { Act, Badge, Choice, Facts, Head, Table, Text, number } from "../controls.js";
import { Asking } from "../dialog.js";
import { html, useState } from "../dom.js";
import { Answer, Empty, Lacking, say } from "../feedback.js";
import { Filters } from "../filters.js";
import { Why } from "../job-fields.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";
import { Time } from "../times.js";

const PAGE = 50;
const ROW = 16;

export function Quarantine({ query }) {
  const may = allows("operate");
  const { after, ...filters } = query;
  const answer = useAnswer(may ? address("/v1/quarantine", { ...query, limit: PAGE }) : null);
  const [asking, setAsking] = useState(null);
  if (!may) return html`<${Head} title="Quarantine" /><${Lacking} scope="operate" what="looking at quarantine" />`;
  return html`<${Head} title="Quarantine"><button type="button" onClick=${answer.refresh}>Look again</button><//>
    <p class="muted">Records of the whole installation that nobody could read, as they were found. Once what was wrong is mended, they go back.</p>
    <${Filters} key=${String(new URLSearchParams(filters))} query=${filters} onQuery=${(chosen) => go("quarantine", chosen)}>${(draft, set) => html`
      <${Text} label="Topic" value=${draft.topic} onValue=${set("topic")} maxlength="200" placeholder="tocsin.events.driftguard" />
      <${Text} label="Text in the reason" value=${draft.reason} onValue=${set("reason")} maxlength="200" />
      <${Choice} label="State" value=${draft.redriven} onValue=${set("redriven")} options=${STATES} />`}<//>
    <${Answer} answer=${answer} what="Reading quarantine">${({ data, next }) => {
      const ready = data.filter((each) => each.can_return && !each.redriven).map((each) => each.id);
      return html`${
        data.length
          ? html`<div class="row between"><span class="muted">Newest first.</span><${Act} scope="operate" disabled=${!ready.length} why="Nothing here goes back" onClick=${() => setAsking(ready)}>Send ${number(ready.length)} of these back…<//></div>
            <${Table} caption="Quarantined records" rows=${data} id=${(each) => each.id} columns=${COLUMNS} />`
          : html`<${Empty} title=${next ? "Nothing so far; there is more to look through." : after || Object.keys(filters).length ? "No record fits that." : "Nothing is quarantined."} />`
      }
      <nav class="row between" aria-label="Pages">
        ${after ? html`<a href=${to("quarantine", filters)}>To the newest</a>` : html`<span></span>`}
        ${next && html`<a class="button" href=${to("quarantine", { ...filters, after: next })}>Older</a>`}
      </nav>`;
    }}<//>
    ${asking && html`<${AskRedrive} ids=${asking} onClose=${() => setAsking(null)} onDone=${answer.refresh} />`}`;
}

const STATES = [["", "Any"], ["false", "still here"], ["true", "sent back"]];

const COLUMNS = [
  ["Record", (each) => html`<a class="strong" href=${to(["quarantine", each.id])}>${each.id}</a><span class="sub">${source(each)}</span>`],
  ["Reason", (each) => html`<span class="clip bad" title=${each.reason}>${each.reason}</span>`],
  ["State", (each) => html`<${State} record=${each} />`],
  ["Organization", (each) => each.organization ?? "—"],
  ["By", (each) => each.program],
  ["Set aside", (each) => html`<${Time} at=${each.quarantined_at} />`],
];

const State = ({ record }) => html`<${Badge} state=${record.redriven ? "done" : "dead"}>${record.redriven ? "sent back" : "still here"}<//>`;

const source = (record) => `${record.source_topic}/${record.source_partition}/${record.source_offset}`;

export function Record({ id }) {
  const may = allows("operate");
  const answer = useAnswer(may ? `/v1/quarantine/${encodeURIComponent(id)}` : null);
  const [asking, setAsking] = useState(false);
  if (!may) return html`<${Head} title="Quarantined record" /><${Lacking} scope="operate" what="looking at quarantine" />`;
  return html`<${Answer} answer=${answer} what="Reading the record">${(record) => html`
      <${Head} title=${`Quarantined record ${record.id}`} crumb=${html`<a class="crumb" href=${to("quarantine")}>Quarantine</a>`}>
        <${Act} scope="operate" kind="primary" disabled=${!record.can_return} why="A row of a table does not go back: it would undo what came after it" onClick=${() => setAsking(true)}>${record.redriven ? "Send back again…" : "Send back…"}<//>
      <//>
      <section class="card"><${Facts} pairs=${[
        ["State", html`<${State} record=${record} />`],
        ["Reason", html`<span class="bad">${record.reason}</span>`],
        ["Found at", html`<code class="break">${source(record)}</code>`],
        ["Written", html`<${Time} at=${record.written_at} />`],
        ["Set aside", html`<${Time} at=${record.quarantined_at} /> by ${record.program}`],
        ["Organization", record.organization],
        ["Key", record.key && html`<code class="break">${record.key.text ?? record.key.base64}</code>`],
      ]} /></section>
      <section class="card"><h2>Headers</h2>${
        record.headers.length
          ? html`<dl class="headers" aria-label="Headers">${record.headers.map(({ name, value }, index) => html`<div key=${index}><dt>${name}</dt><dd>${value ? (value.text ?? value.base64) : ""}</dd></div>`)}</dl>`
          : html`<p class="muted">No headers.</p>`
      }</section>
      <section class="card"><h2>Value, ${number(record.size_bytes)} bytes</h2>${record.value ? html`<${Dump} value=${record.value} />` : html`<p class="muted">No value.</p>`}</section>
      ${asking && html`<${AskRedrive} ids=${[record.id]} again=${record.redriven} onClose=${() => setAsking(false)} onDone=${answer.refresh} />`}`}<//>
    ${!answer.data && html`<p><a href=${to("quarantine")}>To all quarantined records</a></p>`}`;
}

const Dump = ({ value }) => html`<pre tabindex="0">${dumped(value)}</pre>${value.truncated && html`<p class="muted">It is longer; 64 KiB are shown.</p>`}`;

// Offset, hex and text, 16 bytes a line.
function dumped({ text, base64 }) {
  const bytes = text === null ? Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) : new TextEncoder().encode(text);
  const lines = [];
  for (let start = 0; start < bytes.length; start += ROW) {
    const row = [...bytes.slice(start, start + ROW)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${start.toString(16).padStart(8, "0")}  ${hex.padEnd(3 * ROW)} ${shown}`);
  }
  return lines.join("\n");
}

function AskRedrive({ ids, again = false, onClose, onDone }) {
  const [why, setWhy] = useState("");
  return html`<${Asking} title=${ids.length === 1 ? "Send the record back?" : `Send ${number(ids.length)} records back?`} action="Send back" onClose=${onClose} disabled=${!why.trim()}
    onSubmit=${async () => {
      const { redriven, refused } = await ask("POST", "/v1/quarantine/redrive", { body: { ids, why: why.trim(), again } });
      const [first] = Object.values(refused);
      say(first ? `${number(redriven.length)} are sent back; of the rest: ${first}` : `${number(redriven.length)} ${redriven.length === 1 ? "is" : "are"} on the way back.`, first ? "bad" : "good");
      onClose();
      onDone();
    }}>
    <p>Each goes back to where it was found, with the bytes and headers it had. What still cannot be read comes back here.</p>
    <${Why} value=${why} onValue=${setWhy} placeholder="schema registered" />
  <//>`;
}
