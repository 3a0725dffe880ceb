// What a view shows of the API: asked for once or again and again, only while somebody looks.
import { get, pace } from "./api.js";
import { useEffect, useRef, useState } from "./dom.js";

const AGAIN_MS = 4000;
const EMPTY = { data: null, problem: null };

// Returns data, problem (the newest data stays beside it), and `refresh`.
// `question` is a path, null for nothing yet, or a function of an abort signal that is named by `name`; `everyMs` is a
// number or what the newest data makes of it, 0 for once.
export function useAnswer(question, { everyMs = 0, name = question } = {}) {
  const [state, setState] = useState({ ...EMPTY, name });
  const refresh = useRef(() => {});
  useEffect(() => {
    if (!question) return undefined;
    let over = false;
    let timer = null;
    let due = false;
    let open = new AbortController();

    async function run() {
      clearTimeout(timer);
      open.abort();
      const own = (open = new AbortController());
      let waitMs = null;
      try {
        const asked = typeof question === "function" ? question(own.signal) : get(question, { signal: own.signal });
        const data = await asked;
        if (over || own.signal.aborted) return;
        setState({ name, data, problem: null });
        const wantedMs = typeof everyMs === "function" ? everyMs(data) : everyMs;
        if (wantedMs) waitMs = pace(wantedMs);
      } catch (problem) {
        if (over || own.signal.aborted) return;
        if (!("passes" in problem)) throw problem;
        setState((before) => ({ ...(before.name === name ? before : EMPTY), name, problem }));
        waitMs = problem.passes ? Math.max(AGAIN_MS, 1000 * (problem.retryAfterS ?? 0)) : null;
      }
      if (waitMs !== null) timer = setTimeout(tick, waitMs);
    }

    function tick() {
      due = document.hidden;
      if (!due) run();
    }

    function seen() {
      if (!document.hidden && due) tick();
    }

    refresh.current = run;
    document.addEventListener("visibilitychange", seen);
    run();
    return () => {
      over = true;
      clearTimeout(timer);
      open.abort();
      document.removeEventListener("visibilitychange", seen);
    };
  }, [name]);
  const current = state.name === name ? state : EMPTY;
  return { ...current, refresh: () => refresh.current() };
}
