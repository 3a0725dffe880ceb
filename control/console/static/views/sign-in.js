import { get } from "../api.js";
import { Text } from "../controls.js";
import { html, useEffect, useState } from "../dom.js";
import { Failure, Loading } from "../feedback.js";
import * as session from "../session.js";

const STRANGE = {};

export function SignIn() {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Tocsin";
  }, []);

  async function submit(event) {
    event.preventDefault();
    const key = text.trim();
    // Other characters a header cannot carry, so the browser would not even ask.
    if (!/^[\x21-\x7e]+$/.test(key)) return setProblem(STRANGE);
    setBusy(true);
    setProblem(null);
    try {
      session.begin(key, await get("/v1/organization", { key }));
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  }

  const refused = problem === STRANGE ? "That is no API key: it has characters that keys do not have." : problem?.status === 401 ? "This key is unknown, expired or revoked." : null;
  return html`<main class="sign-in">
    <h1><img src="icon.svg" alt="" width="32" height="32" />Tocsin</h1>
    <p class="muted">Governance events as signed webhooks: what was sent, what came back, what waits, and what to do about it.</p>
    ${session.whyEnded() && !problem && html`<div class="notice warning" role="alert"><p><strong>You were signed out.</strong></p><p>${session.whyEnded()}</p></div>`}
    ${problem && !refused && html`<${Failure} problem=${{ ...problem, message: problem.message, passes: false }} />`}
    <form onSubmit=${submit}>
      <${Text} label="API key" type="password" value=${text} onValue=${setText} error=${refused} required autocomplete="off" spellcheck="false"
        hint="It stays in this tab, and is forgotten with it." />
      <button class="primary" type="submit" disabled=${busy || !text.trim()}>${busy ? "One moment…" : "Sign in"}</button>
    </form>
    <p class="hint">No key yet? <code>tocsin keys create --organization … --system …</code> makes one.</p>
  </main>`;
}

// A reload: the tab still has its key, and asks whose it is.
export function Resume() {
  const [problem, setProblem] = useState(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let timer = null;
    const key = session.key();
    get("/v1/organization").then(
      (who) => session.begin(key, who),
      (error) => {
        if (!error.passes) return session.end(error.message);
        setProblem(error);
        timer = setTimeout(() => setAgain((count) => count + 1), 4000);
      },
    );
    return () => clearTimeout(timer);
  }, [again]);
  return html`<main class="sign-in"><h1>Tocsin</h1>${problem ? html`<${Failure} problem=${problem} refresh=${() => setAgain(again + 1)} />` : html`<${Loading} />`}</main>`;
}
