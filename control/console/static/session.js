// Whose key this tab uses. It ends with the tab, and no other tab sees it.
const NAME = "tocsin.key";
const listeners = new Set();

let who = null;
let ended = "";

export const key = () => sessionStorage.getItem(NAME);
export const caller = () => who;
export const whyEnded = () => ended;

export function begin(text, organization) {
  sessionStorage.setItem(NAME, text);
  who = organization;
  ended = "";
  tell();
}

export function end(why = "") {
  sessionStorage.removeItem(NAME);
  who = null;
  ended = why;
  tell();
}

export function allows(scope) {
  const scopes = who?.key.scopes ?? [];
  return scopes.includes(scope) || (scopes.includes("admin") && scope !== "operate");
}

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell() {
  for (const listener of listeners) listener();
}
