// The ops API in memory: versions, the freeze, and a record of changes.
import type { Schemas } from '../api/client.ts';
import { problem } from './problem.ts';

export const TOKEN = `slw_${'a'.repeat(16)}_${'b'.repeat(64)}`;
const AT = '2026-11-25T20:00:00Z';

type Flag = Schemas['Flag'];
type State = Schemas['app__ops__schemas__State'];

export function flag(key: string, definition: Record<string, unknown> = {}, more: Partial<Flag> = {}): Flag {
  const metadata = { owner: 'store', kind: 'release', expires: '2027-05-31', description: 'Volume discount.' };
  const whole = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'off', metadata, ...definition };
  return { key, version: 1, definition: whole, killed: whole.state === 'DISABLED', stale: false, stale_because: null, updated_at: AT, ...more };
}

export class FakeOps {
  flags = [flag('pricing-v2')];
  frozen: State['frozen'] = null;
  changes: State['changes'] = [];

  async answer(request: Request, path: string): Promise<Response> {
    if (request.headers.get('authorization') !== `Bearer ${TOKEN}`) return problem(401, 'not-authorised', 'This token is not known here.');
    if (path === '/api/ops/flags') return json({ version: this.changes.length, frozen: this.frozen, flags: this.flags, changes: this.changes });
    const asked: { reason: string; version?: number; state?: string; percentage?: { variant: string; percentage: number } } = await request.json();
    if (path.endsWith('freeze')) return this.freeze(path.endsWith('/freeze'), asked.reason);
    const key = path.split('/')[4] ?? '';
    const was = this.flags.find((one) => one.key === key);
    if (!was) return problem(404, 'unknown-flag', `There is no flag ${key}.`);
    if (path.endsWith('/kill')) return this.write('flag_killed', asked.reason, was, { ...was.definition, state: 'DISABLED' });
    if (this.frozen) return problem(423, 'flags-frozen', `${this.frozen.actor} froze all flags: ${this.frozen.reason}.`);
    if (asked.version !== was.version) return problem(409, 'changed-meanwhile', `You saw version ${asked.version} of ${key}; it is at ${was.version}.`);
    const { state = was.definition.state, percentage } = asked;
    const targeting = percentage && { fractional: [[percentage.variant, percentage.percentage], ['off', 100 - percentage.percentage]] };
    return this.write('flag_set', asked.reason, was, { ...was.definition, state, ...(targeting && { targeting }) });
  }

  private write(action: string, reason: string, was: Flag, definition: Flag['definition']): Response {
    const now = flag(was.key, definition, { version: was.version + 1 });
    this.flags = this.flags.map((one) => (one === was ? now : one));
    this.note(action, reason, was.key, was.definition, definition);
    return json({ flag: now, flags_version: this.changes.length });
  }

  private freeze(on: boolean, reason: string): Response {
    this.frozen = on ? { reason, actor: 'ann', at: AT } : null;
    this.note(on ? 'flags_frozen' : 'flags_unfrozen', reason);
    return json({ frozen: this.frozen, flags_version: this.changes.length });
  }

  private note(action: string, reason: string, key: string | null = null, old: unknown = null, next: unknown = null): void {
    const seq = this.changes.length + 1;
    this.changes = [{ seq, at: AT, actor: 'ann', action, flag: key, reason, old, new: next, prev: '', hash: '' }, ...this.changes];
  }
}

function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
}
