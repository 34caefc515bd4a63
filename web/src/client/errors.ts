// What breaks in browsers, told to the API in a few small messages. They say what broke and on which kind of page, never who or with what.
import { routePattern } from '../routes.ts';
import { build } from './build.ts';
import { clientId } from './identity.ts';

export const MESSAGE_MAX = 200;
export const ALWAYS_SENT_MAX = 5; // then one in ten, then none
export const SENT_MAX = 20;
export const WAITING_MAX = 20;
const SAMPLED = 0.1;
const FLUSH_MS = 1000;
const ADDRESS = '/api/client-errors';

export type Kind = 'error' | 'rejection' | 'render' | 'chunk' | 'api';
export const VIEW = 'view'; // not an error: one for each page load, so that errors can be counted as a share of them

export interface Report {
  build: string;
  kind: Kind | typeof VIEW;
  message: string;
  where: string;
  correlation_id?: string;
  /** How often since the last message about the same. */
  count: number;
  /** The first error of this page load: however many follow, one page load was broken. */
  first?: true;
}

export interface Incident {
  kind: Kind;
  message: string;
  correlationId?: string | null;
}

export interface Outside {
  send: (report: Report) => void;
  later: (action: () => void) => void;
  random: () => number;
  where: () => string;
  build: () => string;
}

export function reporter(outside: Outside): { report: (incident: Incident) => void; flush: () => void; viewed: () => void } {
  const waiting = new Map<string, Report>();
  let sent = 0;

  function flush(): void {
    for (const one of waiting.values()) if (wanted()) outside.send(sent === 1 ? { ...one, first: true } : one);
    waiting.clear();
  }
  function wanted(): boolean {
    const chosen = sent < ALWAYS_SENT_MAX || (sent < SENT_MAX && outside.random() < SAMPLED);
    if (chosen) sent += 1;
    return chosen;
  }
  function report({ kind, message, correlationId }: Incident): void {
    const one = { build: outside.build(), kind, message: impersonal(message), where: outside.where() };
    const same = `${one.kind} ${one.where} ${one.message}`;
    const known = waiting.get(same);
    if (known) known.count += 1;
    else if (waiting.size < WAITING_MAX) waiting.set(same, { ...one, ...(correlationId && { correlation_id: correlationId }), count: 1 });
    if (waiting.size === 1 && !known) outside.later(flush);
  }
  function viewed(): void {
    outside.send({ build: outside.build(), kind: VIEW, message: '', where: outside.where(), count: 1 });
  }
  return { report, flush, viewed };
}

/** Addresses lose their query; mail addresses, ids and longer numbers their value. */
export function impersonal(message: string): string {
  const plain = message
    .slice(0, 10 * MESSAGE_MAX)
    .replace(/[?#][^\s"')]*/g, '')
    .replace(/[^\s@]{1,64}@[^\s@]{1,64}/g, '<mail>')
    .replace(/\b[0-9a-f]{8}[0-9a-f-]{4,28}\b/gi, '<id>')
    .replace(/\d{5,}/g, '<number>');
  return plain.slice(0, MESSAGE_MAX);
}

/** Outlives the page, and nobody waits for its answer: an API that does not know the address yet is no error. */
function beacon(report: Report): void {
  const headers = { 'content-type': 'application/json', 'x-client-id': clientId(), 'x-client-build': report.build };
  fetch(ADDRESS, { method: 'POST', keepalive: true, headers, body: JSON.stringify(report) }).catch(() => {});
}

const page = reporter({
  send: beacon,
  later: (action) => void setTimeout(action, FLUSH_MS),
  random: Math.random,
  where: () => routePattern(location.pathname),
  build,
});
export const { report, flush, viewed } = page;

let lastCorrelationId: string | null = null;

/** The latest answer's, for errors that come of no call of their own. */
export function correlated(id: string | null): void {
  lastCorrelationId = id ?? lastCorrelationId;
}

export function broke(kind: Kind, error: unknown): void {
  report({ kind, message: String(error), correlationId: lastCorrelationId });
}

export function watchErrors(): void {
  window.addEventListener('error', (event) => broke('error', event.error ?? event.message));
  window.addEventListener('unhandledrejection', (event) => broke('rejection', event.reason));
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && page.flush());
}
