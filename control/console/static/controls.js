// Buttons and fields as every view uses them.
import { html, useEffect, useRef, useState } from "./dom.js";
import { say } from "./feedback.js";
import { allows } from "./session.js";

let counted = 0;

export function useId(prefix) {
  const id = useRef(null);
  id.current ??= `${prefix}-${(counted += 1)}`;
  return id.current;
}

export function Field({ label, hint, error, wide, children }) {
  const id = useId("field");
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${`field ${wide ? "wide" : ""}`}>
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": about, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="hint bad" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

export function Text({ value, onValue, type = "text", ...rest }) {
  const { label, hint, error, wide, ...input } = rest;
  return html`<${Field} label=${label} hint=${hint} error=${error} wide=${wide}>
    ${(field) => html`<input ...${field} ...${input} type=${type} value=${value ?? ""} onInput=${(event) => onValue(event.target.value)} />`}
  <//>`;
}

// `options` are pairs of value and text.
export function Choice({ label, value, onValue, options, hint }) {
  return html`<${Field} label=${label} hint=${hint}>
    ${(field) => html`<select ...${field} value=${value ?? ""} onChange=${(event) => onValue(event.target.value)}>
      ${options.map(([each, text]) => html`<option key=${each} value=${each} selected=${each === (value ?? "")}>${text}</option>`)}
    </select>`}
  <//>`;
}

// A button that a key must allow. It can be reached when it may not be used, so that everybody can find out why.
export function Act({ scope, kind = "", onClick, disabled, why, children }) {
  const id = useId("why");
  const reason = !allows(scope) ? `This API key lacks the scope ${scope}` : disabled ? why : null;
  const refused = reason && { title: reason, "aria-disabled": "true", "aria-describedby": id };
  return html`<button type="button" class=${kind} ...${refused} onClick=${() => !reason && onClick()}>
      ${children}${reason && html`<span class="sr" id=${id}>${reason}</span>`}
    </button>`;
}

// For a button that does something without a dialog: whether it is being done, and the function that does it once at a time.
export function useDoing(what) {
  const [busy, setBusy] = useState(false);
  const open = useRef(false);
  async function act() {
    if (open.current) return;
    open.current = true;
    setBusy(true);
    try {
      await what();
    } catch (problem) {
      if (!("passes" in problem)) throw problem;
      say(problem.status === 412 ? "Somebody else changed it meanwhile; look again." : problem.message, "bad");
    } finally {
      open.current = false;
      setBusy(false);
    }
  }
  return [busy, act];
}

export const LackingHint = ({ scope, what }) =>
  allows(scope) ? null : html`<p class="hint">This API key lacks the scope <code>${scope}</code>, which ${what} needs.</p>`;

export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  const field = useRef(null);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
    } catch {
      // Without TLS a browser keeps the clipboard to itself; what is selected can be copied by hand.
      field.current.select();
    }
  }
  return html`<div class="copy">
    <input ref=${field} readonly value=${text} aria-label=${label} onFocus=${(event) => event.target.select()} />
    <button type="button" onClick=${copy}>${done ? "Copied" : "Copy"}</button>
  </div>`;
}

const MARKS = { delivered: "✓", active: "✓", done: "✓", dead: "✕", failed: "✕", revoked: "✕", retrying: "↻", running: "▸", paused: "‖" };

export const Badge = ({ state, children }) => html`<span class=${`badge ${state}`}><span aria-hidden="true">${MARKS[state] ?? "•"}</span> ${children ?? state}</span>`;

// Rows as a table; on a phone each becomes a card. `columns` are pairs of heading and what a row shows there.
export function Table({ caption, columns, rows, id }) {
  return html`<table>
    <caption class="sr">${caption}</caption>
    <thead><tr>${columns.map(([heading]) => html`<th scope="col" key=${heading}>${heading}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${id(row)}>${columns.map(([heading, shown]) => html`<td key=${heading} data-label=${heading}>${shown(row)}</td>`)}</tr>`)}</tbody>
  </table>`;
}

export const Facts = ({ pairs }) => html`<dl class="facts">${pairs
  .filter(([, value]) => value !== undefined && value !== null && value !== "")
  .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

// A view's heading. It takes the focus from the page around it, where a change of view has put it meanwhile.
export function Head({ title, children, crumb }) {
  const heading = useRef(null);
  useEffect(() => {
    if (document.activeElement?.matches("main")) heading.current.focus({ preventScroll: true });
  }, []);
  return html`<header class="head">
    <div>${crumb}<h1 tabindex="-1" ref=${heading}>${title}</h1></div>
    <div class="row">${children}</div>
  </header>`;
}

export const number = (value) => (value ?? 0).toLocaleString();
export const percent = (share) => (share === null || share === undefined ? "—" : `${(100 * share).toFixed(share > 0.9995 || share === 0 ? 0 : 1)} %`);

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
