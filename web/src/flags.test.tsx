import { screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { basketStore, EMPTY, withQuantity } from './basket/basket.ts';
import { clientId } from './client/identity.ts';
import { open, violations } from './test/open.tsx';
import { FakeStore, problem } from './test/store.ts';

const OFREP = '/ofrep/v1/evaluate/flags';
const cost = async () => within(await screen.findByRole('region', { name: 'Cost' }));
const lamps = (count: number) => basketStore.set(withQuantity(EMPTY, 1, count));
const calls = (store: FakeStore, path: string) => store.requests.filter(({ url }) => new URL(url).pathname === path);

/** The browser's, which jsdom lacks; the store's events come from the test. */
class FakeEventSource extends EventTarget {
  static last: FakeEventSource | null = null;
  readonly address: string;
  constructor(address: string) {
    super();
    this.address = address;
    FakeEventSource.last = this;
  }
  close(): void {}
  tell(etag: string): void {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ type: 'refetchEvaluation', etag }) }));
  }
}

function withPricing(pricing: boolean | null): FakeStore {
  const store = new FakeStore();
  store.pricing = pricing;
  return store;
}

beforeEach(() => {
  basketStore.set(EMPTY);
  FakeEventSource.last = null;
  vi.stubGlobal('EventSource', FakeEventSource);
});

describe('pricing-v2', () => {
  it('on: the discount is shown, and what a few more pieces would save', async () => {
    lamps(3);
    open('/basket', withPricing(true));
    const shown = await cost();
    expect(await shown.findByText('Volume discount')).toBeDefined();
    expect(shown.getByText('−€13.35')).toBeDefined();
    expect(shown.queryByText(/^Discount/)).toBeNull();
    expect(await screen.findByText('7 more and you save 10 %')).toBeDefined();
    expect(await violations()).toEqual([]);
  });

  it('on: a coupon stands beside it, each with its part', async () => {
    basketStore.set({ ...withQuantity(EMPTY, 1, 3), coupon: 'WELCOME10' });
    open('/checkout', withPricing(true));
    const shown = await cost();
    expect(await shown.findByText('−€26.70')).toBeDefined();
    expect(shown.getByText('−€12.02')).toBeDefined();
  });

  it.each([false, null])('%s: no word of it', async (pricing) => {
    lamps(3);
    const { store } = open('/basket', withPricing(pricing));
    await (await cost()).findByText('€317.73');
    await waitFor(() => expect(calls(store, OFREP)).not.toHaveLength(0));
    expect(screen.queryByText(/Volume|you save/)).toBeNull();
  });

  it('on: a coupon that gives nothing says so, whatever the pieces give', async () => {
    basketStore.set({ ...withQuantity(EMPTY, 1, 3), coupon: 'NOTHING' });
    open('/basket', withPricing(true));
    expect(await screen.findByText('NOTHING gives no discount on this basket.')).toBeDefined();
  });
});

describe('flags', () => {
  it('are asked for who and where, with the headers of every call', async () => {
    lamps(1);
    const { store } = open('/basket');
    await waitFor(() => expect(calls(store, OFREP)).toHaveLength(1));
    const [asked] = calls(store, OFREP);
    expect(await asked?.json()).toEqual({ context: { targetingKey: clientId(), country: 'DE' } });
    expect(asked?.headers.get('x-client-id')).toBe(clientId());
  });

  it('that were killed take their price along, on an open page, and the stream’s etag is passed on', async () => {
    lamps(3);
    const { store } = open('/basket', withPricing(true));
    const shown = await cost();
    await shown.findByText('Volume discount');
    await waitFor(() => expect(FakeEventSource.last).not.toBeNull());
    store.pricing = null;
    FakeEventSource.last?.tell('"killed"');
    expect(await shown.findByText('€317.73')).toBeDefined();
    expect(screen.queryByText(/Volume|you save/)).toBeNull();
    expect(new URL(calls(store, OFREP).at(-1)!.url).searchParams.get('flagConfigEtag')).toBe('"killed"');
  });

  it('that were killed are asked for again where the answer fails', async () => {
    lamps(3);
    const { store } = open('/basket', withPricing(true));
    const shown = await cost();
    await shown.findByText('Volume discount');
    await waitFor(() => expect(FakeEventSource.last).not.toBeNull());
    store.pricing = null;
    store.failNext(OFREP, problem(503, 'overloaded', 'Too many requests.'));
    FakeEventSource.last?.tell('"killed"');
    expect(await shown.findByText('€317.73', {}, { timeout: 3000 })).toBeDefined();
  });

  it('that an instance has not heard of do not leave its price in sight', async () => {
    lamps(3);
    const { store } = open('/basket', withPricing(true));
    const shown = await cost();
    await shown.findByText('Volume discount');
    await waitFor(() => expect(FakeEventSource.last).not.toBeNull());
    const late = calls(store, '/api/quotes').at(-1)!;
    store.failNext('/api/quotes', await store.fetch(late.clone())); // still by the new rule
    store.pricing = null;
    FakeEventSource.last?.tell('"killed"');
    expect(await shown.findByText('€317.73')).toBeDefined();
  });

  it.each(['no-answer', problem(404, 'not-found', 'Nothing here.'), new Response('<html>', { status: 200 })] as const)(
    'that cannot be had are off, and nobody waits for them: %s',
    async (fault) => {
      lamps(3);
      const store = withPricing(true);
      store.failNext(OFREP, ...Array.from({ length: 5 }, () => (fault instanceof Response ? fault.clone() : fault)));
      const { user } = open('/basket', store);
      await (await cost()).findByText('Volume discount'); // the API's price is the truth
      expect(screen.queryByText(/you save/)).toBeNull();
      await user.click(screen.getByRole('link', { name: 'Go to checkout' }));
      expect(await screen.findByRole('button', { name: /^Order for/ })).toBeDefined();
    },
  );

  it('leave nothing on disk that could bring them back', async () => {
    lamps(3);
    const before = new Set(Object.keys(localStorage));
    open('/basket', withPricing(true));
    await screen.findByText('7 more and you save 10 %');
    const written = [...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter((key) => !before.has(key));
    expect(written.filter((key) => !['client-id', 'country', 'basket'].includes(key))).toEqual([]);
  });
});
