import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query';
import { broke } from '../client/errors.ts';
import { Fault } from './problem.ts';

const RETRIES_MAX = 2;
const FIRST_WAIT_MS = 300;
const WAIT_MAX_MS = 5000;

/** Orders too: their key makes a second sending harmless. */
export function retry(failures: number, error: Error): boolean {
  return failures < RETRIES_MAX && error instanceof Fault && error.temporary;
}

export function retryDelay(failures: number, error: Error): number {
  const asked_s = error instanceof Fault ? error.retryAfterS : null;
  return Math.min(WAIT_MAX_MS, asked_s ? asked_s * 1000 : FIRST_WAIT_MS * 2 ** failures);
}

/** Faults are told where they happen; any other error is a bug of ours that the cache would swallow. */
function bug(error: Error): void {
  if (!(error instanceof Fault)) broke('error', error);
}

export function queryClient(): QueryClient {
  const always = { retry, retryDelay, networkMode: 'always' as const };
  return new QueryClient({
    queryCache: new QueryCache({ onError: bug }),
    mutationCache: new MutationCache({ onError: bug }),
    defaultOptions: { queries: { ...always, staleTime: 30_000 }, mutations: always },
  });
}
