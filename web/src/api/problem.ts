// A call that brought no usable answer, and what to tell a person about it.
import { TOO_OLD } from '../client/notices.ts';
import type { components } from './schema.d.ts';

type Schemas = components['schemas'];
/** The problems that the contract names. A later API may send others: they are told by their own `detail`. */
type KnownProblem = Extract<Schemas[keyof Schemas], { type: `/problems/${string}` }>;
export type Problem = Pick<KnownProblem, 'title' | 'detail'> & { type: string };

export type FaultKind = 'refused' | 'no-answer' | 'garbled';

export class Fault extends Error {
  override name = 'Fault';

  readonly kind: FaultKind;
  readonly correlationId: string | null;
  readonly status: number | null;
  readonly problem: Problem | null;
  readonly retryAfterS: number | null;

  constructor(kind: FaultKind, known: Partial<Pick<Fault, 'correlationId' | 'status' | 'problem' | 'retryAfterS' | 'cause'>> = {}) {
    super([kind, known.status, known.problem?.type].filter(Boolean).join(' '), { cause: known.cause });
    this.kind = kind;
    this.correlationId = known.correlationId ?? null;
    this.status = known.status ?? null;
    this.problem = known.problem ?? null;
    this.retryAfterS = known.retryAfterS ?? null;
  }

  /** The same call may well succeed in a moment. */
  get temporary(): boolean {
    return this.kind !== 'refused' || this.status === 429 || (this.status ?? 0) >= 500;
  }

  is(type: KnownProblem['type'] | typeof TOO_OLD): boolean {
    return this.problem?.type === type;
  }
}

export function readProblem(body: unknown): Problem | null {
  const { type, title, detail }: Record<string, unknown> = Object(body);
  if (typeof type !== 'string' || typeof title !== 'string') return null;
  return { type, title, detail: typeof detail === 'string' ? detail : title };
}

const SENTENCES: Readonly<Record<string, string>> = {
  '/problems/database-away': 'The shop cannot reach its books just now.',
  '/problems/overloaded': 'The shop is very busy just now.',
  '/problems/wrong-schema': 'The shop is being worked on just now.',
  '/problems/internal-error': 'Something broke on our side.',
  '/problems/key-reused': 'This order was sent before, with other goods. Please look at your orders.',
  '/problems/invalid-request': 'The shop does not understand this request.',
  [TOO_OLD]: 'This page is from an earlier version of the shop. Please reload it.',
} satisfies Partial<Record<KnownProblem['type'] | typeof TOO_OLD, string>>;

export function sentence(error: unknown): string {
  if (!(error instanceof Fault)) return 'Something broke on this page.';
  const { kind, problem } = error;
  if (kind === 'no-answer') return navigator.onLine ? 'The shop does not answer.' : 'You seem to be offline.';
  if (kind === 'garbled') return 'The shop gave an answer that this page cannot read.';
  return problem ? (SENTENCES[problem.type] ?? problem.detail) : 'The shop could not do this.';
}
