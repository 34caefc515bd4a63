// The API in memory, true to the contract where the app depends on it: one order for one key, pages of orders, problems.
import type { Schemas } from '../api/client.ts';
import type { Report } from '../client/errors.ts';
import { VOLUME_DISCOUNTS } from '../quote/volume.ts';
import { FakeOps } from './ops.ts';
import { problem } from './problem.ts';

export { problem };

const PRICES_CENTS: Record<number, number> = { 1: 8900, 5: 1290 };
const NAMES: Record<number, string> = { 1: 'Oak desk lamp', 5: 'Enamel mug' };
const VAT = 0.19;
const PAGE = 10;
const STREAM = { type: 'sse', endpoint: { requestUri: '/ofrep/v1/events' } };

export type Fault = 'no-answer' | 'lost-answer' | Response;

export class FakeStore {
  orders = new Map<string, Schemas['Order']>();
  requests: Request[] = [];
  reports: Report[] = [];
  shelf = Object.keys(PRICES_CENTS).map(Number);
  headers: Record<string, string> = {};
  /** Of `pricing-v2`; null: killed. */
  pricing: boolean | null = false;
  ops = new FakeOps();
  private faults: { path: string; fault: Fault }[] = [];

  /** The next calls of this path fail; each fault is used once. `lost-answer`: the store does it, and the client never hears. */
  failNext(path: string, ...faults: Fault[]): void {
    this.faults.push(...faults.map((fault) => ({ path, fault })));
  }

  fetch = async (input: Request | string, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : new Request(new URL(input, location.href), init);
    const { pathname } = new URL(request.url);
    if (pathname === '/api/client-errors') {
      this.reports.push(await request.json());
      return new Response(null, { status: 204 });
    }
    this.requests.push(request.clone());
    const fault = this.takeFault(pathname);
    if (fault instanceof Response) return fault;
    if (fault === 'no-answer') throw new TypeError('Failed to fetch');
    const response = await this.answer(request, pathname);
    if (fault === 'lost-answer') throw new TypeError('Failed to fetch');
    return response;
  };

  private takeFault(path: string): Fault | undefined {
    const at = this.faults.findIndex((planned) => planned.path === path);
    return at < 0 ? undefined : this.faults.splice(at, 1)[0]?.fault;
  }

  private async answer(request: Request, path: string): Promise<Response> {
    const { searchParams } = new URL(request.url);
    if (path === '/api/products') return this.json({ items: this.shelf.map(product), next_cursor: null });
    if (path === '/api/quotes') return this.json(totals(await request.json(), this.pricing === true));
    if (path === '/ofrep/v1/evaluate/flags') return this.json({ flags: [evaluated(this.pricing)], eventStreams: [STREAM], metadata: {} });
    if (path === '/api/orders' && request.method === 'POST') return this.place(request.headers.get('idempotency-key')!, await request.json());
    if (path === '/api/orders') return this.json(this.page(Number(searchParams.get('cursor') ?? 0)));
    if (path.startsWith('/api/ops/')) return this.ops.answer(request, path);
    const order = [...this.orders.values()].find(({ id }) => path === `/api/orders/${id}`);
    return order ? this.json(order) : problem(404, 'not-found', 'There is nothing here.');
  }

  private place(key: string, body: Schemas['BasketRequest']): Response {
    const earlier = this.orders.get(key);
    if (earlier) return this.json(earlier, 200, { 'idempotent-replayed': 'true' });
    const id = `00000000-0000-4000-8000-${String(this.orders.size + 1).padStart(12, '0')}`;
    const order = { ...totals(body, this.pricing === true), id, created_at: '2026-11-23T13:07:22Z' };
    this.orders.set(key, order);
    return this.json(order, 201);
  }

  private page(from: number): Schemas['OrderPage'] {
    const newestFirst = [...this.orders.values()].toReversed();
    const end = from + PAGE;
    return { items: newestFirst.slice(from, end), next_cursor: end < newestFirst.length ? String(end) : null };
  }

  private json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
    const all = { 'content-type': 'application/json', 'x-correlation-id': 'c0ffee00c0ffee00', ...this.headers, ...headers };
    return new Response(JSON.stringify(body), { status, headers: all });
  }
}

function product(id: number): Schemas['Product'] {
  const price_cents = PRICES_CENTS[id] ?? 0;
  const tax_cents = Math.round(price_cents * VAT);
  return { id, name: NAMES[id] ?? '', description: '', price_cents, tax_cents, gross_cents: price_cents + tax_cents, currency: 'EUR' };
}

function evaluated(pricing: boolean | null): Record<string, unknown> {
  const flag = { key: 'pricing-v2', metadata: { kind: 'release' } };
  return pricing === null ? { ...flag, reason: 'DISABLED' } : { ...flag, reason: 'STATIC', value: pricing, variant: pricing ? 'on' : 'off' };
}

function totals({ country, coupon, lines }: Schemas['BasketRequest'], byVolume: boolean): Schemas['Quote'] {
  const priced = lines.map(({ product_id, quantity }) => {
    const unit_price_cents = PRICES_CENTS[product_id] ?? 0;
    const coupon_cents = coupon === 'WELCOME10' ? Math.round((unit_price_cents * quantity) / 10) : 0;
    const percent = VOLUME_DISCOUNTS.findLast(([pieces]) => byVolume && quantity >= pieces)?.[1] ?? 0;
    const volume_discount_cents = Math.round(((unit_price_cents * quantity - coupon_cents) * percent) / 100);
    const discount_cents = coupon_cents + volume_discount_cents;
    const net_cents = unit_price_cents * quantity - discount_cents;
    const tax_cents = Math.round(net_cents * VAT);
    return { product_id, quantity, unit_price_cents, discount_cents, volume_discount_cents, net_cents, tax_cents, gross_cents: net_cents + tax_cents };
  });
  const sum = (of: (line: Schemas['PricedLine']) => number) => priced.reduce((total, line) => total + of(line), 0);
  return {
    country,
    coupon: coupon ?? null,
    currency: 'EUR',
    lines: priced,
    discount_cents: sum((line) => line.discount_cents),
    volume_discount_cents: sum((line) => line.volume_discount_cents),
    net_cents: sum((line) => line.net_cents),
    tax_cents: sum((line) => line.tax_cents),
    gross_cents: sum((line) => line.gross_cents),
  };
}
