// A fold of fields that say what is looked for; open where there is room, or where something is chosen.
import { html, useState } from "./dom.js";

// `children` gets what is chosen so far and `set(name)`, which gives the function that chooses it.
export function Filters({ query, action = "Search", onQuery, children }) {
  const [draft, setDraft] = useState(query);
  const [wide] = useState(() => matchMedia("(min-width: 641px)").matches);
  const set = (name) => (value) => setDraft({ ...draft, [name]: value });

  function submit(event) {
    event.preventDefault();
    onQuery(draft);
  }

  function clear() {
    setDraft({});
    onQuery({});
  }

  return html`<details class="fold" open=${wide || Object.keys(query).length > 0}><summary>Filters</summary><form class="filters" role="search" onSubmit=${submit}>
    ${children(draft, set)}
    <div class="row end-align"><button class="primary" type="submit">${action}</button><button type="button" onClick=${clear}>Clear</button></div>
  </form></details>`;
}
