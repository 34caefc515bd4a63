// Hears that flags changed: the event stream that OFREP's bulk answer names. The provider has a client for it, too, see README.
import { patience } from './patience.ts';

export interface Outside {
  open: (address: string) => EventTarget & { close: () => void };
  later: (action: () => void, ms: number) => () => void;
  random: () => number;
  visible: () => boolean;
}

export interface Stream {
  /** Once known; the same address again changes nothing. */
  listen: (address: string) => void;
  /** Nobody looks at a hidden page: it lets go of its stream, and hears all it missed when it has one again. */
  looked: () => void;
  close: () => void;
}

/** `changed` is called with the etag of the flags, at once for a new stream, then for each change. */
export function stream(changed: (etag: string | null) => void, outside: Outside): Stream {
  const { again, rest } = patience(outside.later, outside.random);
  let address: string | null = null;
  let source: ReturnType<Outside['open']> | null = null;

  function close(): void {
    source?.close();
    source = null;
  }
  function open(): void {
    if (source || !address || !outside.visible()) return;
    source = outside.open(address);
    source.addEventListener('message', (event) => {
      rest();
      const etag = event instanceof MessageEvent ? refetch(event.data) : undefined;
      if (etag !== undefined) changed(etag);
    });
    source.addEventListener('error', () => {
      close(); // a browser comes back by itself for ever, and after a refusal never
      again(open);
    });
  }
  return {
    listen: (next) => {
      if (next !== address) close();
      address = next;
      open();
    },
    looked: () => {
      rest();
      if (outside.visible()) open();
      else close();
    },
    close: () => {
      address = null;
      rest();
      close();
    },
  };
}

/** The etag of a `refetchEvaluation` (null: it has none); undefined for whatever else comes. */
export function refetch(data: unknown): string | null | undefined {
  try {
    const { type, etag }: Record<string, unknown> = Object(JSON.parse(String(data)));
    if (type !== 'refetchEvaluation') return undefined;
    return typeof etag === 'string' ? etag : null;
  } catch {
    return undefined;
  }
}

/** Where the bulk answer says that changes are told. */
export function streamAddress(answer: unknown): string | null {
  const { eventStreams }: Record<string, unknown> = Object(answer);
  if (!Array.isArray(eventStreams)) return null;
  const { endpoint, url }: Record<string, unknown> = Object(eventStreams.find((one: unknown) => Object(one).type === 'sse'));
  const { requestUri }: Record<string, unknown> = Object(endpoint);
  const found = url ?? requestUri;
  return typeof found === 'string' ? found : null;
}
