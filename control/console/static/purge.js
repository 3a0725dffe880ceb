// Striking dead letters off, asking twice: they are counted where they lie, and their number has to be typed.
import { useAnswer } from "./answers.js";
import { ask } from "./api.js";
import { Text, number } from "./controls.js";
import { Asking } from "./dialog.js";
import { html, useState } from "./dom.js";
import { Answer } from "./feedback.js";
import { Why } from "./job-fields.js";
import { go } from "./routes.js";

// `count` is what the delivery log knows to be dead: fewer, where some were sent again since.
export function AskPurge({ selection, count, onClose }) {
  const [why, setWhy] = useState("");
  const [typed, setTyped] = useState("");
  const counted = useAnswer((signal) => ask("POST", "/v1/purges/preview", { body: { selection }, signal }), { name: `purge ${JSON.stringify(selection)}` });
  const meant = counted.data?.dead_letters;
  return html`<${Asking} title="Strike dead letters off?" action="Strike off for good" danger onClose=${onClose} disabled=${!meant || typed !== String(meant) || !why.trim()}
    onSubmit=${async () => {
      try {
        const job = await ask("POST", "/v1/purges", { body: { selection, why: why.trim(), confirm: meant } });
        go(["replays", job.id]);
      } catch (problem) {
        if (problem.code === "other_number") counted.refresh();
        throw problem;
      }
    }}>
    <${Answer} answer=${counted} what="Counting where they lie">${(found) => html`
      <p><strong>${number(found.dead_letters)}</strong> ${found.dead_letters === 1 ? "dead letter is" : "dead letters are"} meant${reasons(found.by_reason)}. No list, count or replay shows them any more. <strong>It cannot be undone.</strong></p>
      ${found.dead_letters > count && html`<p class="muted">Among them are letters of deliveries that were sent again since, or that died more than once.</p>`}
      <${Why} value=${why} onValue=${setWhy} placeholder="the endpoint is gone for good" />
      <${Text} label=${`Type their number, ${found.dead_letters}`} inputmode="numeric" value=${typed} onValue=${setTyped} autocomplete="off" />`}<//>
  <//>`;
}

const reasons = (counts) => {
  const each = Object.entries(counts).map(([reason, count]) => `${number(count)} ${reason}`);
  return each.length ? ` (${each.join(", ")})` : "";
};
