// What is asked of everybody who asks for a job: why, and how fast.
import { Text, number } from "./controls.js";
import { html } from "./dom.js";
import { span } from "./times.js";

export const RATE = 50;

export const Why = ({ value, onValue, placeholder }) => html`<${Text} label="Why" wide value=${value} onValue=${onValue} maxlength="500" required placeholder=${placeholder} hint="It is kept in the audit, for those who ask later." />`;

export const Rate = ({ value, onValue, count }) => {
  const pace = Number(value);
  return html`<${Text} label="Deliveries a second, at most" type="number" min="1" max="1000" value=${value} onValue=${onValue} hint=${pace > 0 ? `About ${span(Math.max(count / pace, 1))} in all for ${number(count)}.` : "More than none."} />`;
};
