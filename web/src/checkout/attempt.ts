// One attempt to order has one key, kept until the API says what became of it: an answer that got lost, a reload, a second tab or a second click
// bring the same order again instead of another one.
import type { Schemas } from '../api/client.ts';
import { randomId } from '../client/ids.ts';
import { stored } from '../client/stored.ts';

/** After a day the same goods are a new wish. */
export const KEPT_MS = 24 * 3600_000;

interface Attempt {
  key: string;
  body: string;
  since_ms: number;
}

const attempt = stored<Attempt | null>('attempt', (found) => {
  const { key, body, since_ms }: Record<string, unknown> = Object(found);
  const whole = typeof key === 'string' && /^[0-9a-f]{32}$/.test(key) && typeof body === 'string' && typeof since_ms === 'number';
  return whole ? { key, body, since_ms } : null;
});

export function keyFor(order: Schemas['BasketRequest'], now_ms = Date.now()): string {
  const body = JSON.stringify(order);
  const open = attempt.get();
  if (open?.body === body && Math.abs(now_ms - open.since_ms) < KEPT_MS) return open.key;
  const key = randomId();
  attempt.set({ key, body, since_ms: now_ms });
  return key;
}

export function settle(): void {
  attempt.set(null);
}
