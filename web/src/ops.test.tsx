import { screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it } from 'vitest';
import { token } from './ops/flags.ts';
import { open, violations } from './test/open.tsx';
import { flag, TOKEN } from './test/ops.ts';
import { FakeStore, problem } from './test/store.ts';

const card = async (key = 'pricing-v2') => within(await screen.findByRole('article', { name: key }));

async function entered(store = new FakeStore()) {
  const { user } = open('/ops', store);
  await user.click(await screen.findByLabelText('Token of the ops API'));
  await user.paste(TOKEN);
  await user.click(screen.getByRole('button', { name: 'Show the flags' }));
  await card();
  return { store, user };
}

beforeEach(() => token.set(null));

describe('the page of on-call', () => {
  it('asks for a token, keeps it in memory alone, and forgets it', async () => {
    const { user } = await entered();
    expect(JSON.stringify([localStorage, sessionStorage]) + document.cookie + location.href).not.toContain('slw_');
    expect(screen.queryByLabelText('Token of the ops API')).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Forget the token' }));
    expect((await screen.findByLabelText<HTMLInputElement>('Token of the ops API')).value).toBe('');
    expect(token.get()).toBeNull();
  });

  it('says why a token is refused, and reports nothing of it', async () => {
    const { store, user } = await entered();
    store.failNext('/api/ops/flags', problem(401, 'not-authorised', 'This token has expired.'));
    await user.click(screen.getByRole('button', { name: 'Freeze…' }));
    await user.type(screen.getByLabelText(/^Reason/), 'x{Enter}');
    expect((await screen.findByRole('alert')).textContent).toContain('This token has expired.');
    expect(screen.getByLabelText('Token of the ops API')).toBeDefined();
    expect(store.reports).toEqual([]);
    expect(await violations()).toEqual([]);
  });

  it('shows what there is, and what is stale', async () => {
    const store = new FakeStore();
    store.ops.flags.push(flag('old-thing', { defaultVariant: 'on' }, { stale: true, stale_because: 'It expired on 2026-01-01.' }));
    store.ops.flags.push(flag('by-rule', { targeting: { if: [true, 'on', 'off'] } }));
    await entered(store);
    expect((await card()).getByText('Off')).toBeDefined();
    const old = await card('old-thing');
    for (const words of ['On for everybody', 'Stale', 'It expired on 2026-01-01.', 'release']) expect(old.getByText(words)).toBeDefined();
    const ruled = await card('by-rule');
    expect(ruled.getByText(/more than a percentage/)).toBeDefined();
    expect(ruled.getByRole('button', { name: 'Kill by-rule' })).toBeDefined();
    expect(await violations()).toEqual([]);
  });
});

describe('a kill', () => {
  it('takes one press, a reason and a confirmation, and the focus comes back', async () => {
    const { store, user } = await entered();
    await user.click((await card()).getByRole('button', { name: 'Kill pricing-v2' }));
    const reason = screen.getByLabelText(/^Reason/);
    expect(document.activeElement).toBe(reason);
    expect(await violations()).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Kill pricing-v2 now' }));
    await user.type(reason, '   {Enter}'); // neither without a reason nor with an empty one
    expect(store.ops.changes).toEqual([]);
    await user.type(reason, 'totals are wrong{Enter}');
    expect(await (await card()).findByText('Killed')).toBeDefined();
    expect(document.activeElement).toBe(screen.getByRole('heading', { name: 'pricing-v2' }));
    expect(store.ops.changes[0]).toMatchObject({ action: 'flag_killed', reason: 'totals are wrong' });
    expect(screen.getByText('Killed pricing-v2: from off for everybody to the code’s default (killed)')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Enable again…' }));
    await user.type(screen.getByLabelText(/^Reason/), 'the fix is out{Enter}');
    expect(await (await card()).findByText('Off')).toBeDefined();
  });

  it('is given up with Escape', async () => {
    const { store, user } = await entered();
    await user.click((await card()).getByRole('button', { name: 'Kill pricing-v2' }));
    await user.type(screen.getByLabelText(/^Reason/), 'oh{Escape}');
    expect(screen.queryByLabelText(/^Reason/)).toBeNull();
    expect(store.ops.changes).toEqual([]);
  });

  it('is possible while flags are frozen; nothing else is', async () => {
    const { store, user } = await entered();
    await user.click(screen.getByRole('button', { name: 'Freeze…' }));
    await user.type(screen.getByLabelText(/^Reason/), 'incident 7{Enter}');
    await screen.findByRole('heading', { name: 'Flags are frozen' });
    const flags = await card();
    for (const name of ['On for everybody…', 'Set…']) expect(flags.getByRole<HTMLButtonElement>('button', { name }).disabled).toBe(true);
    await user.click(flags.getByRole('button', { name: 'Kill pricing-v2' }));
    await user.type(screen.getByLabelText(/^Reason/), 'worse{Enter}');
    expect(await flags.findByText('Killed')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Unfreeze…' }));
    await user.type(screen.getByLabelText(/^Reason/), 'found{Enter}');
    await screen.findByRole('heading', { name: 'Flags can be changed' });
    expect(store.ops.changes.map(({ action }) => action)).toEqual(['flags_unfrozen', 'flag_killed', 'flags_frozen']);
  });
});

describe('a change', () => {
  it('sets a percentage, for everybody, for nobody', async () => {
    const { user } = await entered();
    const flags = await card();
    const field = flags.getByLabelText('Percentage of users with “on”');
    await user.clear(field);
    await user.type(field, '10{Enter}');
    expect(screen.getByText('pricing-v2: on for 10 % of users.')).toBeDefined();
    await user.type(screen.getByLabelText(/^Reason/), 'a tenth{Enter}');
    expect(await flags.findByText('On for 10 %')).toBeDefined();
    for (const [name, words] of [['On for everybody…', 'on for everybody'], ['Off…', 'off for everybody']] as const) {
      await user.click(flags.getByRole('button', { name }));
      await user.type(screen.getByLabelText(/^Reason/), 'x{Enter}');
      expect(await flags.findByText(words)).toBeDefined();
    }
  });

  it.each(['101', '-1', '1.5', ''])('of %s %% is none', async (typed) => {
    const { user } = await entered();
    const field = (await card()).getByLabelText('Percentage of users with “on”');
    await user.clear(field);
    await user.type(field, `${typed}{Enter}`);
    expect(screen.queryByLabelText(/^Reason/)).toBeNull();
  });

  it.each([
    ['froze meanwhile', (store: FakeStore) => void (store.ops.frozen = { reason: 'rollback', actor: 'engine', at: '2026-11-25T20:00:00Z' }), 'engine froze all flags: rollback.'],
    ['wrote meanwhile', (store: FakeStore) => void (store.ops.flags = [flag('pricing-v2', {}, { version: 9 })]), 'You saw version 1 of pricing-v2; it is at 9.'],
    ['sent too many tokens', (store: FakeStore) => store.failNext('/api/ops/flags/pricing-v2', problem(429, 'too-many-tries', 'Too many tries.')), 'Too many tries.'],
    ['gave too few rights', (store: FakeStore) => store.failNext('/api/ops/flags/pricing-v2', problem(403, 'scope-missing', 'This takes the scope flags:write.')), 'This takes the scope flags:write.'],
  ])('is refused where another %s, and says so', async (_, meanwhile, words) => {
    const { store, user } = await entered();
    await user.click((await card()).getByRole('button', { name: 'On for everybody…' }));
    meanwhile(store);
    await user.type(screen.getByLabelText(/^Reason/), 'x{Enter}');
    expect((await screen.findByRole('alert')).textContent).toContain(words);
    expect(store.ops.changes).toEqual([]);
    await waitFor(() => expect(store.reports).toEqual([]));
    expect(await violations()).toEqual([]);
  });
});
