import { describe, expect, it, vi } from 'vitest';
import { recovery, type Browser } from './recovery.ts';

const MINUTE_MS = 60_000;

function browser(changes: Partial<Browser> = {}): Browser {
  return { now: () => 1_000_000, online: () => true, memory: sessionStorage, reload: vi.fn<() => void>(), ...changes };
}

/** What the page does when it is loaded once more and fails in the same way. */
const loadedAgain = (page: Browser) => recovery(page)();

describe('a chunk that is gone', () => {
  it('reloads the page once, however many chunks are gone', () => {
    const page = browser();
    const recover = recovery(page);
    expect([recover(), recover()]).toEqual([true, true]);
    expect(page.reload).toHaveBeenCalledOnce();
  });

  it('never reloads in a loop', () => {
    const page = browser();
    const outcomes = Array.from({ length: 20 }, () => loadedAgain(page));
    expect(outcomes.filter(Boolean)).toHaveLength(1);
    expect(page.reload).toHaveBeenCalledOnce();
  });

  it('may reload again after the next release, minutes later', () => {
    expect(loadedAgain(browser())).toBe(true);
    expect(loadedAgain(browser({ now: () => 1_000_000 + 9 * MINUTE_MS }))).toBe(false);
    expect(loadedAgain(browser({ now: () => 1_000_000 + 10 * MINUTE_MS }))).toBe(true);
  });

  it('keeps the page when offline, and the right to reload later', () => {
    expect(loadedAgain(browser({ online: () => false }))).toBe(false);
    expect(loadedAgain(browser())).toBe(true);
  });

  it('does not reload where it could not remember that it did', () => {
    const denied = { getItem: () => null, setItem: () => { throw new DOMException('denied'); } };
    const forgetful = { getItem: () => null, setItem: () => {} };
    expect(loadedAgain(browser({ memory: denied }))).toBe(false);
    expect(loadedAgain(browser({ memory: forgetful }))).toBe(false);
    const page = { ...browser() };
    Object.defineProperty(page, 'memory', { get: () => { throw new DOMException('denied'); } });
    expect(loadedAgain(page)).toBe(false);
  });

  it('does not reload after a memory that makes no sense', () => {
    sessionStorage.setItem('reloaded-at', 'yesterday');
    expect(loadedAgain(browser())).toBe(false);
  });
});
