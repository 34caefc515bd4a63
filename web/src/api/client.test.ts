import { describe, expect, it, vi } from 'vitest';
import { clientId } from '../client/identity.ts';
import { notice } from '../client/notices.ts';
import { FakeStore, problem } from '../test/store.ts';
import { answer, api } from './client.ts';
import { Fault, sentence } from './problem.ts';
import { retry, retryDelay } from './queries.ts';

function opened(): FakeStore {
  const store = new FakeStore();
  vi.stubGlobal('fetch', store.fetch);
  return store;
}
const products = (signal?: AbortSignal) => answer(api.GET('/api/products', { params: { query: { country: 'DE' } }, ...(signal && { signal }) }));
const faultOf = async (call: Promise<unknown>): Promise<Fault> => {
  const error = await call.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof Fault)) throw new Error(`no fault: ${String(error)}`);
  return error;
};

describe('a call', () => {
  it('says who calls, from which build, and under which correlation id', async () => {
    const store = opened();
    await products();
    const headers = store.requests[0]?.headers;
    expect(headers?.get('x-client-id')).toBe(clientId());
    expect(headers?.get('x-client-build')).toBe('unknown');
    expect(headers?.get('x-correlation-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(headers?.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  it('without an answer keeps the correlation id that it was sent with', async () => {
    const store = opened();
    store.failNext('/api/products', 'no-answer');
    const fault = await faultOf(products());
    expect(fault).toMatchObject({ kind: 'no-answer', temporary: true });
    expect(fault.correlationId).toBe(store.requests[0]?.headers.get('x-correlation-id'));
  });

  it('that is refused says why, by the correlation id of the answer', async () => {
    opened().failNext('/api/products', problem(409, 'unknown-product', 'There is no product 99.'));
    const fault = await faultOf(products());
    expect(fault).toMatchObject({ kind: 'refused', status: 409, temporary: false, correlationId: 'badcafe0badcafe0' });
    expect(sentence(fault)).toBe('There is no product 99.');
  });

  it.each([
    ['an edge that speaks no JSON', new Response('upstream connect error', { status: 503 }), 'refused'],
    ['a page instead of an answer', new Response('<html>', { status: 200 }), 'garbled'],
    ['nothing', new Response(null, { status: 204 }), 'garbled'],
  ])('that meets %s is a temporary fault', async (_, response, kind) => {
    opened().failNext('/api/products', response);
    expect(await faultOf(products())).toMatchObject({ kind, temporary: true });
  });

  it('that its caller gave up is no fault', async () => {
    const store = opened();
    const giveUp = new AbortController();
    vi.stubGlobal('fetch', (request: Request, init: RequestInit) => {
      giveUp.abort();
      return init.signal?.aborted ? Promise.reject(init.signal.reason) : store.fetch(request);
    });
    await expect(products(giveUp.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('of a client that is too old raises the banner', async () => {
    opened().failNext('/api/products', problem(426, 'client-too-old', 'Reload.'));
    await faultOf(products());
    expect(notice.get()).toEqual({ tooOld: true, sunset: null });
  });
});

describe('a retry', () => {
  const busy = new Fault('refused', { status: 503, retryAfterS: 2 });

  it('is for what may pass, and bounded', () => {
    expect([0, 1, 2].map((failures) => retry(failures, busy))).toEqual([true, true, false]);
    expect(retry(0, new Fault('refused', { status: 422 }))).toBe(false);
    expect(retry(0, new Error('a bug'))).toBe(false);
  });

  it('waits as long as it is asked to, within reason', () => {
    expect(retryDelay(0, busy)).toBe(2000);
    expect(retryDelay(0, new Fault('refused', { status: 503, retryAfterS: 3600 }))).toBe(5000);
    expect([0, 1].map((failures) => retryDelay(failures, new Fault('no-answer')))).toEqual([300, 600]);
  });
});
