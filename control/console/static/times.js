// Times in the reader's zone, the whole of it in the title.
import { html, useEffect, useState } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const WHOLE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function Time({ at, none = "—" }) {
  if (!at) return html`<span class="muted">${none}</span>`;
  const moment = new Date(at);
  const near = Math.abs(Date.now() - moment) < 12 * 3600e3;
  return html`<time datetime=${at} title=${`${WHOLE.format(moment)} · ${at}`}>${(near ? CLOCK : DAY).format(moment)}</time>`;
}

// How long until or since a moment, counting.
export function Until({ at }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const leftS = (new Date(at) - now) / 1000;
  return html`<span title=${WHOLE.format(new Date(at))}>${leftS > 0 ? `in ${span(leftS)}` : "due now"}</span>`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  if (seconds < 0.95) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 90) return `${seconds < 10 ? Math.round(10 * seconds) / 10 : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const milliseconds = (ms) => (ms === null || ms === undefined ? "—" : span(ms / 1000));

// What `<input type="datetime-local">` holds, and back.
export function toInput(at) {
  if (!at) return "";
  const moment = new Date(at);
  if (Number.isNaN(Number(moment))) return "";
  return new Date(moment - 60_000 * moment.getTimezoneOffset()).toISOString().slice(0, 16);
}

export const fromInput = (text) => (text ? new Date(text).toISOString() : "");
