// Preact with templates in the place of JSX: nothing has to be built. What a template holds becomes text nodes and
// attributes, never markup.
import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { useCallback, useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { render };
export const html = htm.bind(h);
