import { describe, expect, it } from 'vitest';
import { flag } from '../test/ops.ts';
import { about, changeInWords, inWords, level, share } from './definition.ts';

const { definition } = flag('x');
const fraction = (...shares: unknown[]) => ({ ...definition, targeting: { fractional: shares } });
const byCountry = { ...definition, targeting: { if: [{ in: [{ var: 'country' }, ['DE']] }, 'on', 'off'] } };

it.each([
  [definition, 'off for everybody', 'none', { variant: 'on', percentage: 0 }],
  [{ ...definition, defaultVariant: 'on' }, 'on for everybody', 'all', { variant: 'on', percentage: 100 }],
  [fraction(['on', 10], ['off', 90]), 'on for 10 %, off for 90 %', 'some', { variant: 'on', percentage: 10 }],
  [fraction(['on', 1], ['off', 3]), 'on for 25 %, off for 75 %', 'some', { variant: 'on', percentage: 25 }],
  [fraction(['on', 1], ['off', 2]), 'on for 33.33 %, off for 66.67 %', 'some', { variant: 'on', percentage: 100 / 3 }],
  [fraction(['on', 0], ['off', 100]), 'off for everybody', 'none', { variant: 'on', percentage: 0 }],
  [fraction(['on', 100], ['off', 0]), 'on for everybody', 'all', { variant: 'on', percentage: 100 }],
  [fraction({ var: 'country' }, ['on', 10], ['off', 90]), 'by rule, else off', 'rule', null],
  [fraction(['on', 0], ['off', 0]), 'by rule, else off', 'rule', null],
  [byCountry, 'by rule, else off', 'rule', null],
  [{ ...definition, state: 'DISABLED' }, 'the code’s default (killed)', 'killed', { variant: 'on', percentage: 0 }],
  [{ ...definition, variants: { a: 1, b: 2, c: 3 }, defaultVariant: 'b' }, 'b for everybody', 'rule', null],
  [{ ...definition, variants: { old: 1, new: 2 }, defaultVariant: 'old' }, 'old for everybody', 'none', { variant: 'new', percentage: 0 }],
])('%j is %s', (given, words, stands, turned) => {
  expect([inWords(given), level(given), share(given)]).toEqual([words, stands, turned]);
});

describe('what nobody expects', () => {
  it.each([null, undefined, 7, {}, { targeting: 7 }, { targeting: { fractional: 'x' } }, { metadata: 'x', variants: null }])('%j is told, too', (given) => {
    expect(typeof inWords(given)).toBe('string');
    expect(about(Object(given)).owner).toBe('');
    expect(share(Object(given))).toBeNull();
  });
});

it.each([
  ['flag_killed', definition, { ...definition, state: 'DISABLED' }, 'Killed x: from off for everybody to the code’s default (killed)'],
  ['flag_set', null, definition, 'Set x: from none to off for everybody'],
  ['flag_imported', definition, { ...definition, metadata: {} }, 'Imported x: off for everybody; other fields changed'],
  ['flags_frozen', null, null, 'Froze all flags'],
  ['flags_unfrozen', null, null, 'Unfroze all flags'],
])('%s', (action, old, next, words) => {
  expect(changeInWords({ seq: 1, at: '', actor: '', action, flag: 'x', reason: '', old, new: next, prev: '', hash: '' })).toBe(words);
});
