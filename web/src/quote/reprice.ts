import type { QueryClient } from '@tanstack/react-query';
import type { Schemas } from '../api/client.ts';
import { volumeDiscount } from './volume.ts';

const TRIES_MAX = 5;
const WAIT_MS = 200;
const QUOTES = { queryKey: ['quote'] };

/** Asks for prices anew where the rule changed, and while an instance that has not heard of it gives a discount that there is no more. Returns how to stop it. */
export function reprice(cache: QueryClient, rule: { changed: boolean; discounts: boolean }): () => void {
  const stopped = new AbortController();
  void settle(cache, rule, stopped.signal);
  return () => stopped.abort();
}

async function settle(cache: QueryClient, { changed, discounts }: { changed: boolean; discounts: boolean }, stopped: AbortSignal): Promise<void> {
  const wrong = () => !discounts && shown(cache).some((quote) => volumeDiscount(quote) > 0);
  for (let tries = 0; tries < TRIES_MAX && !stopped.aborted; tries++) {
    if (!wrong() && !(changed && tries === 0)) return;
    if (tries > 0) await new Promise((resolve) => void setTimeout(resolve, WAIT_MS));
    await cache.invalidateQueries(QUOTES);
  }
}

function shown(cache: QueryClient): Schemas['Quote'][] {
  const found = cache.getQueriesData<Schemas['Quote']>({ ...QUOTES, type: 'active' });
  return found.flatMap(([, quote]) => quote ?? []);
}
