// A value that outlives the page and is the same in all tabs. Others can write there too, old releases among them: it is validated when read.
import { signal, type Signal } from './signal.ts';

/** `valid` turns whatever was found (undefined: nothing) into a value that holds its rules. Without storage it lives as long as the page. */
export function stored<T>(key: string, valid: (found: unknown) => T): Signal<T> {
  let text: string | null = null;
  let value = valid(undefined);
  const changes = signal(0);

  const changed = () => changes.set(changes.get() + 1);
  return {
    get: () => {
      const now = readText(key, text);
      if (now !== text) {
        text = now;
        value = valid(parse(now));
      }
      return value;
    },
    set: (next) => {
      value = next;
      text = JSON.stringify(next);
      writeText(key, text);
      changed();
    },
    subscribe: (listener) => {
      const elsewhere = (event: StorageEvent) => (event.key === key || event.key === null) && listener();
      const forget = changes.subscribe(listener);
      window.addEventListener('storage', elsewhere);
      return () => {
        forget();
        window.removeEventListener('storage', elsewhere);
      };
    },
  };
}

const unwritable = new Set<string>(); // storage is denied or full: what we hold is the truth

function readText(key: string, held: string | null): string | null {
  if (unwritable.has(key)) return held;
  try {
    return localStorage.getItem(key);
  } catch {
    return held;
  }
}

function writeText(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
    unwritable.delete(key);
  } catch {
    unwritable.add(key);
  }
}

function parse(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
