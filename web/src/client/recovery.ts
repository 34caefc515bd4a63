// A release replaced the one that this tab came from, and a chunk cannot be loaded: one reload brings the tab to the release that is there now.
import { lazy, type ComponentType, type LazyExoticComponent } from 'react';
import { flush, report } from './errors.ts';

const RELOADED_AT = 'reloaded-at';
const AT_MOST_EVERY_MS = 10 * 60_000;

export interface Browser {
  now: () => number;
  online: () => boolean;
  memory: Pick<Storage, 'getItem' | 'setItem'>;
  reload: () => void;
}

const here: Browser = {
  now: () => Date.now(),
  online: () => navigator.onLine,
  get memory() {
    return sessionStorage; // may throw where storage is denied
  },
  reload: () => {
    flush();
    location.reload();
  },
};

/** Says whether the page reloads. Never when offline, never twice in ten minutes, never where we could not remember having done so. */
export function recovery(browser: Browser): () => boolean {
  let reloading = false;
  return () => {
    if (reloading || !browser.online() || !remembered(browser)) return reloading;
    reloading = true;
    browser.reload();
    return true;
  };
}

function remembered(browser: Browser): boolean {
  try {
    const { memory, now } = browser;
    const last = Number(memory.getItem(RELOADED_AT) ?? -Infinity);
    const tooSoon = !(Math.abs(now() - last) >= AT_MOST_EVERY_MS);
    if (tooSoon) return false;
    memory.setItem(RELOADED_AT, String(now()));
    return memory.getItem(RELOADED_AT) !== null;
  } catch {
    return false;
  }
}

export const reloadOnce = recovery(here);

export function watchPreloads(): void {
  window.addEventListener('vite:preloadError', () => {
    reloadOnce();
  });
}

/** Reported where it is thrown. */
export class ChunkGone extends Error {}

type Page = LazyExoticComponent<ComponentType> & { preload: () => void };

/** A page in a chunk of its own. If the chunk is gone: reload once, else the error boundary says so. */
export function lazyPage(load: () => Promise<{ default: ComponentType }>): Page {
  const guarded = () =>
    load().catch((error: unknown) => {
      report({ kind: 'chunk', message: String(error) });
      if (reloadOnce()) return new Promise<never>(() => {});
      throw new ChunkGone(String(error), { cause: error });
    });
  return Object.assign(lazy(guarded), { preload: () => void load().catch(() => {}) });
}
