// Feature flags, by OpenFeature: asked for by OFREP once, then whenever the store says that they changed. Until they are known, and where they
// cannot be had, the code's own defaults hold: all off.
import { OpenFeature } from '@openfeature/web-sdk';
import { countryStore } from '../basket/country.ts';
import { build } from '../client/build.ts';
import { clientId } from '../client/identity.ts';
import { newTrace, randomId } from '../client/ids.ts';
import { patience, timer } from './patience.ts';
import { stream, streamAddress } from './stream.ts';

export const DOMAIN = 'store';
const KNOWN_ETAG = 'flagConfigEtag';
const NEVER_KNEW_FLAGS = 404; // a release from before there were any

const context = () => ({ targetingKey: clientId(), country: countryStore.get() });
const query = new URLSearchParams();
const { again, rest } = patience(timer, Math.random);
const changes = stream(heard, {
  open: (address) => new EventSource(address),
  later: timer,
  random: Math.random,
  visible: () => document.visibilityState === 'visible',
});
let forgets: (() => void)[] = [];

/** Once per page; again is harmless. */
export function startFlags(): void {
  if (forgets.length > 0) return;
  document.addEventListener('visibilitychange', looked);
  forgets = [countryStore.subscribe(ask), () => document.removeEventListener('visibilitychange', looked)];
  void begin();
}

export async function stopFlags(): Promise<void> {
  forgets.forEach((forget) => forget());
  forgets = [];
  rest();
  changes.close();
  query.delete(KNOWN_ETAG);
  await OpenFeature.clearProviders();
}

async function begin(): Promise<void> {
  try {
    const { ofrep } = await import('./provider.ts');
    if (forgets.length === 0) return;
    await OpenFeature.setProviderAndWait(DOMAIN, ofrep({ fetch: answered, query, headers }), context());
  } catch {
    // No flags: defaults hold. A call that failed is made again, see below; a chunk that is gone comes with the next page.
  }
}

/** Setting the context asks anew, tells all components, and lets an answer that was overtaken fall. */
function ask(): void {
  OpenFeature.setContext(DOMAIN, context()).catch(() => {});
}

/** An instance that has not heard of this change yet is asked to wait for it, not to answer with what was before. */
function heard(etag: string | null): void {
  if (etag) query.set(KNOWN_ETAG, etag);
  ask();
}

function looked(): void {
  changes.looked();
  if (document.visibilityState !== 'visible') return;
  rest();
  ask();
}

function headers(): Promise<[string, string][]> {
  return Promise.resolve([
    ['x-client-id', clientId()],
    ['x-client-build', build()],
    ['x-correlation-id', randomId()],
    ['traceparent', newTrace()],
  ]);
}

/** What the provider calls the store with. It gives up where an answer fails, and leaves the old flags standing: we ask again. */
async function answered(...call: Parameters<typeof fetch>): Promise<Response> {
  try {
    const response = await fetch(...call);
    if (response.ok || response.status === 304) rest();
    else if (response.status !== NEVER_KNEW_FLAGS) again(ask);
    if (response.ok) void follow(response.clone());
    return response;
  } catch (error) {
    again(ask);
    throw error;
  }
}

async function follow(response: Response): Promise<void> {
  const address = await response.json().then(streamAddress, () => null);
  if (address && forgets.length > 0 && typeof EventSource !== 'undefined') changes.listen(address);
}
