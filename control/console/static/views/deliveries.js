import { useAnswer } from "../answers.js";
import { address } from "../api.js";
import { Head } from "../controls.js";
import { DeliveryFilters, FILTERS, useWebhookNames } from "../delivery-filters.js";
import { DeliveryTable } from "../delivery-table.js";
import { html } from "../dom.js";
import { Answer, Lacking } from "../feedback.js";
import { go, to } from "../routes.js";
import { allows } from "../session.js";

const PAGE = 50;
const EVERY_MS = 5000;

export function Deliveries({ query }) {
  const may = allows("read");
  const names = useWebhookNames();
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query[name]]));
  const path = address("/v1/deliveries", { ...wanted, after: query.after, limit: PAGE });
  const answer = useAnswer(may ? path : null, { everyMs: query.after ? 0 : EVERY_MS });
  if (!may) return html`<${Head} title="Deliveries" /><${Lacking} scope="read" what="looking at deliveries" />`;
  const { after, ...filters } = query;
  return html`<${Head} title="Deliveries" />
    <${DeliveryFilters} key=${String(new URLSearchParams(filters))} query=${filters} names=${names} withStatus action="Search" onQuery=${(asked) => go("deliveries", asked)} />
    <${Answer} answer=${answer} what="Searching">${({ data, next }) => html`
      <${DeliveryTable} deliveries=${data} webhooks=${names} none=${next ? "Nothing so far; there is more to look through." : after ? "That is all." : "No delivery fits that."} />
      <nav class="row between" aria-label="Pages">
        ${after ? html`<a href=${to("deliveries", filters)}>To the newest</a>` : html`<span class="muted">Newest first; looked at again every few seconds.</span>`}
        ${next && html`<a class="button" href=${to("deliveries", { ...filters, after: next })}>Older</a>`}
      </nav>`}<//>`;
}
