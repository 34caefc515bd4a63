// Trying again, ever later, with chance in it so that many pages do not come at once, and with an end.
const FIRST_WAIT_MS = 500;
const WAIT_MAX_MS = 60_000;
export const TRIES_MAX = 10;

export interface Patience {
  /** False when it is at its end: then only `rest` begins anew. */
  again: (action: () => void) => boolean;
  /** It worked, or there is reason to hope: forget the failures, and what was to be tried. */
  rest: () => void;
}

export function patience(later: (action: () => void, ms: number) => () => void, random: () => number): Patience {
  let failures = 0;
  let forget: (() => void) | null = null;
  return {
    again: (action) => {
      forget?.();
      if (failures >= TRIES_MAX) return false;
      const wait_ms = Math.min(WAIT_MAX_MS, FIRST_WAIT_MS * 2 ** failures++);
      forget = later(action, wait_ms * (0.5 + random() / 2));
      return true;
    },
    rest: () => {
      failures = 0;
      forget?.();
    },
  };
}

export function timer(action: () => void, ms: number): () => void {
  const id = setTimeout(action, ms);
  return () => clearTimeout(id);
}
