// The console: who looks, where they are, and the view of that place.
import * as session from "./session.js";
import { Toast } from "./feedback.js";
import { html, render, useEffect, useRef, useState } from "./dom.js";
import { to, useRoute } from "./routes.js";
import { Audit } from "./views/audit.js";
import { DeadLetters } from "./views/dead-letters.js";
import { Deliveries } from "./views/deliveries.js";
import { Delivery } from "./views/delivery.js";
import { Events } from "./views/events.js";
import { Keys } from "./views/keys.js";
import { Overview } from "./views/overview.js";
import { Quarantine, Record } from "./views/quarantine.js";
import { Replay, Replays } from "./views/replays.js";
import { Resume, SignIn } from "./views/sign-in.js";
import { Webhook } from "./views/webhook.js";
import { Webhooks } from "./views/webhooks.js";

// Place to its name, its view, the view of one thing there, and the scope without which nobody is led there.
const PLACES = {
  overview: ["Overview", Overview],
  webhooks: ["Webhooks", Webhooks, Webhook],
  deliveries: ["Deliveries", Deliveries, Delivery],
  "dead-letters": ["Dead letters", DeadLetters],
  replays: ["Replays", Replays, Replay],
  events: ["Events", Events, Events],
  keys: ["Keys", Keys],
  audit: ["Audit", Audit],
  quarantine: ["Quarantine", Quarantine, Record, "operate"],
};

function App() {
  const [, changed] = useState(0);
  useEffect(() => session.onChange(() => changed((count) => count + 1)), []);
  if (!session.key()) return html`<${SignIn} />`;
  if (!session.caller()) return html`<${Resume} />`;
  return html`<${Signed} />`;
}

function Signed() {
  const { parts, query } = useRoute();
  const [name = "overview", id] = parts;
  const [title, list, one] = PLACES[name] ?? [];
  const main = useRef(null);
  const first = useRef(true);
  const place = parts.join("/");

  useEffect(() => {
    document.title = `${title ?? "Not found"} · Tocsin`;
    if (!first.current) {
      (main.current.querySelector("h1") ?? main.current).focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    first.current = false;
  }, [place]);

  const view = id && one ? one : list;
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${Bar} here=${name} />
    <main id="main" ref=${main} tabindex="-1">
      ${view ? html`<${view} key=${place} id=${id} query=${query} />` : html`<h1 tabindex="-1">There is no such page</h1><p><a href=${to("overview")}>To the overview</a></p>`}
    </main>
    <${Toast} />`;

  function skip(event) {
    event.preventDefault();
    main.current.focus();
  }
}

function Bar({ here }) {
  const strip = useRef(null);
  useEffect(() => strip.current.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [here]);
  const { organization, system, key } = session.caller();
  return html`<header class="bar">
    <a class="brand" href=${to("overview")}><img src="icon.svg" alt="" width="24" height="24" />Tocsin</a>
    <nav aria-label="Views" ref=${strip}>
      ${Object.entries(PLACES).filter(([, place]) => !place[3] || session.allows(place[3])).map(([name, [title]]) => html`<a key=${name} href=${to(name)} aria-current=${name === here ? "page" : undefined}>${title}</a>`)}
    </nav>
    <div class="who">
      <p title=${`Scopes: ${key.scopes.join(", ")}`}><strong>${organization}</strong><span class="muted"> ${system}</span></p>
      <button type="button" class="link" onClick=${() => session.end()}>Sign out</button>
    </div>
  </header>`;
}

render(html`<${App} />`, document.getElementById("app"));
