// The last hour as stacked bars, made by hand.
import { html } from "./dom.js";
import { number } from "./controls.js";

const WIDTH = 720;
const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 20;
const KINDS = ["delivered", "failed", "dead"];
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export function Throughput({ minutes }) {
  const totals = minutes.map((minute) => KINDS.reduce((sum, kind) => sum + minute[kind], 0));
  const top = nice(Math.max(1, ...totals));
  const step = (WIDTH - LEFT) / minutes.length;
  const scale = (HEIGHT - BOTTOM - 6) / top;
  const now = minutes.at(-1);
  const told = `Now: ${KINDS.map((kind) => `${number(now[kind])} ${kind}`).join(", ")} in this minute.`;
  return html`<figure class="chart">
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`Deliveries per minute in the last hour, ${number(top)} at the most. ${told}`}>
      ${[0, 0.5, 1].map((share) => {
        const y = HEIGHT - BOTTOM - share * top * scale;
        return html`<g key=${share}><line class="grid" x1=${LEFT} x2=${WIDTH} y1=${y} y2=${y} /><text x=${LEFT - 6} y=${y + 4} text-anchor="end">${label(top * share)}</text></g>`;
      })}
      ${minutes.map((minute, index) => html`<${Bar} key=${minute.minute} minute=${minute} x=${LEFT + index * step} width=${step} scale=${scale} />`)}
      ${minutes.map((minute, index) => index % 15 === 0 && html`<text key=${minute.minute} x=${LEFT + index * step} y=${HEIGHT - 4}>${CLOCK.format(new Date(minute.minute))}</text>`)}
    </svg>
    <figcaption><span class="legend">${KINDS.map((kind) => html`<span key=${kind} class=${`key ${kind}`}>${kind}</span>`)}</span><span data-now>${told}</span></figcaption>
  </figure>`;
}

function Bar({ minute, x, width, scale }) {
  let y = HEIGHT - BOTTOM;
  const told = `${CLOCK.format(new Date(minute.minute))}: ${KINDS.map((kind) => `${minute[kind]} ${kind}`).join(", ")}`;
  return html`<g><title>${told}</title>
    <rect class="column" x=${x} y="0" width=${width} height=${HEIGHT - BOTTOM} />
    ${KINDS.map((kind) => {
      const height = minute[kind] * scale;
      y -= height;
      return height > 0 && html`<rect key=${kind} class=${kind} x=${x + 1} y=${y} width=${width - 2} height=${Math.max(height, 1)} />`;
    })}</g>`;
}

function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= most);
}

const label = (value) => (value >= 1000 ? `${value / 1000}k` : Number.isInteger(value) ? value : value.toFixed(1));
