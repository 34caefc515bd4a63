import { describe, expect, it } from 'vitest';
import { ALWAYS_SENT_MAX, impersonal, MESSAGE_MAX, reporter, SENT_MAX, WAITING_MAX, type Report } from './errors.ts';

function page(random = () => 0) {
  const sent: Report[] = [];
  const timers: (() => void)[] = [];
  const made = reporter({
    send: (report) => sent.push(report),
    later: (action) => timers.push(action),
    random,
    where: () => '/checkout',
    build: () => '1.abc',
  });
  return { ...made, sent, timers };
}

describe('error reports', () => {
  it('are sent as one for the same, with a count and the first correlation id', () => {
    const { report, timers, sent } = page();
    for (const correlationId of ['first', 'second', null]) report({ kind: 'api', message: 'refused 500', correlationId });
    expect(sent).toEqual([]);
    timers.forEach((fire) => fire());
    expect(sent).toEqual([{ build: '1.abc', kind: 'api', message: 'refused 500', where: '/checkout', correlation_id: 'first', count: 3, first: true }]);
    expect(timers).toHaveLength(1);
  });

  it('say which one is the first of a page load, and that it was loaded', () => {
    const { report, flush, viewed, sent } = page();
    viewed();
    for (const message of ['x', 'y']) report({ kind: 'error', message });
    flush();
    expect(sent.map(({ kind, first }) => [kind, first])).toEqual([['view', undefined], ['error', true], ['error', undefined]]);
  });

  it('go out at once when the page is left, and only once', () => {
    const { report, flush, timers, sent } = page();
    report({ kind: 'error', message: 'x' });
    flush();
    timers.forEach((fire) => fire());
    expect(sent).toHaveLength(1);
  });

  it('are bounded for a page, whatever it does', () => {
    const { report, flush, sent } = page();
    for (let at = 0; at < 1000; at++) {
      report({ kind: 'error', message: `x${at}` });
      flush();
    }
    expect(sent).toHaveLength(SENT_MAX);
  });

  it('are sampled after the first few', () => {
    const { report, flush, sent } = page(() => 0.5);
    for (let at = 0; at < 100; at++) {
      report({ kind: 'error', message: `x${at}` });
      flush();
    }
    expect(sent).toHaveLength(ALWAYS_SENT_MAX);
  });

  it('do not pile up while they wait', () => {
    const { report, flush, sent } = page(() => 0);
    for (let at = 0; at < 1000; at++) report({ kind: 'error', message: `x${at}` });
    flush();
    expect(sent.length).toBeLessThanOrEqual(WAITING_MAX);
  });

  it('carry nothing personal and no long text', () => {
    const id = '3f2b8c1e-9a4d-4c7b-8e21-0d5a6f7b8c9d';
    const text = impersonal(`TypeError at https://shop.example/orders?coupon=MINE for ann@example.org, order ${id}, card 4111111111`);
    expect(text).toBe('TypeError at https://shop.example/orders for <mail> order <id>, card <number>');
    expect(impersonal('x '.repeat(10_000))).toHaveLength(MESSAGE_MAX);
  });
});
