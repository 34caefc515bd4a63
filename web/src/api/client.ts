// The one way to the API: typed by the contract, bounded in time, and every failure is a Fault.
import createClient, { type Middleware } from 'openapi-fetch';
import { build } from '../client/build.ts';
import { correlated, report } from '../client/errors.ts';
import { clientId } from '../client/identity.ts';
import { newTrace, randomId } from '../client/ids.ts';
import { heed, TOO_OLD, tooOld } from '../client/notices.ts';
import { Fault, readProblem } from './problem.ts';
import type { components, paths } from './schema.d.ts';

export type Schemas = components['schemas'];

const ANSWER_MS = 10_000;
const CORRELATION = 'x-correlation-id';
const EXPECTED = new Set([404, 409, 401, 403, 423, 429]); // an address that someone typed, a product that went away, what on-call may not do

const named: Middleware = {
  onRequest: ({ request }) => {
    request.headers.set('x-client-id', clientId());
    request.headers.set('x-client-build', build());
    request.headers.set(CORRELATION, randomId());
    request.headers.set('traceparent', newTrace());
    return request;
  },
  onResponse: ({ response }) => {
    correlated(response.headers.get(CORRELATION));
    heed(response.headers);
  },
  onError: ({ error, request }) => (request.signal.aborted ? undefined : noAnswer(request, error)),
};

function noAnswer(request: Request, cause: unknown): Fault {
  return new Fault('no-answer', { correlationId: request.headers.get(CORRELATION), cause });
}

function bounded(request: Request): Promise<Response> {
  return fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MS)]) });
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: bounded });
api.use(named);

interface Exchange<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body. Raises Fault; a call that its caller gave up raises AbortError. */
export async function answer<T>(call: Promise<Exchange<T>>): Promise<T> {
  return (await exchange(call)).data;
}

export async function exchange<T>(call: Promise<Exchange<T>>): Promise<{ data: T; response: Response }> {
  try {
    const { data, error, response } = await readable(call);
    if (response.ok && data !== undefined) return { data, response };
    throw refusal(error, response);
  } catch (error) {
    if (error instanceof Fault) tell(error);
    throw error;
  }
}

async function readable<T>(call: Promise<Exchange<T>>): Promise<Exchange<T>> {
  try {
    return await call;
  } catch (error) {
    throw error instanceof SyntaxError ? new Fault('garbled', { cause: error }) : error;
  }
}

function refusal(body: unknown, response: Response): Fault {
  return new Fault(response.ok ? 'garbled' : 'refused', {
    correlationId: response.headers.get(CORRELATION),
    status: response.status,
    problem: readProblem(body),
    retryAfterS: Number(response.headers.get('retry-after')) || null,
  });
}

function tell(fault: Fault): void {
  if (fault.is(TOO_OLD)) tooOld();
  else if (!EXPECTED.has(fault.status ?? 0) && navigator.onLine) {
    report({ kind: 'api', message: fault.message, correlationId: fault.correlationId });
  }
}
