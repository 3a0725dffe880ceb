// A dialog: the browser's own keeps the focus inside, closes with Escape, and gives the focus back.
import { Failure } from "./feedback.js";
import { html, useEffect, useRef, useState } from "./dom.js";

export function Dialog({ title, onClose, children }) {
  const box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  return html`<dialog ref=${box} aria-labelledby="dialog-title" onClose=${onClose} onCancel=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

// A dialog that does something: it stays open, and says why, when that fails.
export function Asking({ title, action, danger, onClose, onSubmit, disabled, children }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  async function submit(event) {
    event.preventDefault();
    if (busy || disabled) return;
    setBusy(true);
    setProblem(null);
    try {
      await onSubmit();
    } catch (error) {
      if (!("passes" in error)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  }
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${submit} noValidate>
      ${children}
      ${problem && html`<${Failure} problem=${{ ...problem, message: problem.message, passes: false }} />`}
      <div class="row end">
        <button type="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy || disabled}>${busy ? "One moment…" : action}</button>
      </div>
    </form>
  <//>`;
}
