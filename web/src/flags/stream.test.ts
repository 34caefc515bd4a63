import { describe, expect, it, vi } from 'vitest';
import { TRIES_MAX } from './patience.ts';
import { refetch, stream, streamAddress } from './stream.ts';

class FakeSource extends EventTarget {
  closed = false;
  readonly address: string;
  constructor(address: string) {
    super();
    this.address = address;
  }
  close(): void {
    this.closed = true;
  }
  say(data: string): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }
  fail(): void {
    this.dispatchEvent(new Event('error'));
  }
}

function page() {
  const sources: FakeSource[] = [];
  const timers: (() => void)[] = [];
  const seen = { visible: true };
  const heard = vi.fn<(etag: string | null) => void>();
  const made = stream(heard, {
    open: (address) => {
      const source = new FakeSource(address);
      sources.push(source);
      return source;
    },
    later: (action) => {
      timers.push(action);
      return () => void timers.splice(0);
    },
    random: () => 1,
    visible: () => seen.visible,
  });
  const open = () => sources.filter(({ closed }) => !closed);
  return { ...made, sources, timers, seen, heard, open };
}

describe('a stream of changes', () => {
  it('tells each change with its etag, and nothing else that comes', () => {
    const { listen, sources, heard } = page();
    listen('/events');
    sources[0]?.say('{"type": "refetchEvaluation", "etag": "\\"7\\""}');
    for (const other of ['{"type": "hello"}', 'null', '{', '{"type": 1}']) sources[0]?.say(other);
    expect(heard.mock.calls).toEqual([['"7"']]);
  });

  it('is one, however often its address is told', () => {
    const { listen, sources, open } = page();
    for (const address of ['/events', '/events', '/other']) listen(address);
    expect(sources.map(({ address }) => address)).toEqual(['/events', '/other']);
    expect(open()).toHaveLength(1);
  });

  it('comes back after an end, and gives up where it never gets through', () => {
    const { listen, sources, timers, open } = page();
    listen('/events');
    for (let round = 0; round < 3 * TRIES_MAX; round++) {
      open()[0]?.fail();
      timers.splice(0).forEach((fire) => fire());
    }
    expect(sources).toHaveLength(1 + TRIES_MAX);
    expect(open()).toEqual([]);
  });

  it('that got through may fail as often again', () => {
    const { listen, sources, timers, open } = page();
    listen('/events');
    for (let round = 0; round < 3 * TRIES_MAX; round++) {
      open()[0]?.say('{"type": "refetchEvaluation"}');
      open()[0]?.fail();
      timers.splice(0).forEach((fire) => fire());
    }
    expect(sources).toHaveLength(1 + 3 * TRIES_MAX);
  });

  it('is let go while nobody looks, and taken up again', () => {
    const { listen, looked, seen, open, timers } = page();
    listen('/events');
    seen.visible = false;
    looked();
    expect(open()).toEqual([]);
    timers.forEach((fire) => fire());
    listen('/events');
    expect(open()).toEqual([]);
    seen.visible = true;
    looked();
    expect(open()).toHaveLength(1);
  });

  it('is not reopened after its end by what was planned before', () => {
    const { listen, close, open, timers } = page();
    listen('/events');
    open()[0]?.fail();
    const planned = [...timers];
    close();
    planned.forEach((fire) => fire());
    expect(open()).toEqual([]);
  });
});

it.each([
  ['{"type":"refetchEvaluation","etag":"\\"a\\""}', '"a"'],
  ['{"type":"refetchEvaluation"}', null],
  ['{"type":"refetchEvaluation","etag":7}', null],
  ['{"type":"other"}', undefined],
  ['7', undefined],
  ['no JSON', undefined],
])('%s asks to look again: %s', (data, etag) => {
  expect(refetch(data)).toBe(etag);
});

it.each([
  [{ eventStreams: [{ type: 'other' }, { type: 'sse', endpoint: { requestUri: '/e' } }] }, '/e'],
  [{ eventStreams: [{ type: 'sse', url: 'https://flags.example/e' }] }, 'https://flags.example/e'],
  [{ eventStreams: [{ type: 'sse', endpoint: { requestUri: 7 } }] }, null],
  [{ eventStreams: 'x' }, null],
  [null, null],
])('the bulk answer %j has the stream %s', (body, address) => {
  expect(streamAddress(body)).toBe(address);
});
