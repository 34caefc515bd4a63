// What a flag's definition says, in words. Pure; whatever a definition is made of, a person gets a sentence.
import type { Schemas } from '../api/client.ts';

export type Flag = Schemas['Flag'];
export type Change = Schemas['Change'];

type Loose = Record<string, unknown>;
const loose = (found: unknown): Loose => Object(found);
const text = (found: unknown) => (typeof found === 'string' ? found : '');

export function about(definition: Loose): { owner: string; kind: string; expires: string; description: string } {
  const { owner, kind, expires, description } = loose(definition.metadata);
  return { owner: text(owner), kind: text(kind), expires: text(expires), description: text(description) };
}

interface Part {
  variant: string;
  percentage: number;
}

/** Who gets what, where no rule says more than a percentage; null where one does. */
function parts({ defaultVariant, targeting }: Loose): Part[] | null {
  const rules = Object.entries(loose(targeting));
  if (rules.length === 0) return [{ variant: text(defaultVariant), percentage: 100 }];
  const { fractional } = loose(targeting);
  if (rules.length > 1 || !Array.isArray(fractional)) return null;
  const pairs = fractional.filter((one): one is [string, number] => Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'number');
  const total = pairs.reduce((sum, [, weight]) => sum + weight, 0);
  if (pairs.length !== fractional.length || !(total > 0)) return null;
  return pairs.map(([variant, weight]) => ({ variant, percentage: (100 * weight) / total }));
}

export const isKilled = (definition: Loose) => definition.state === 'DISABLED';

/** As `release flag list` says it. */
export function inWords(definition: unknown): string {
  if (definition === null || typeof definition !== 'object') return 'none';
  const flag = loose(definition);
  return isKilled(flag) ? 'the code’s default (killed)' : enabledInWords(flag);
}

/** What holds when it is not killed. */
export function enabledInWords(flag: Loose): string {
  const found = parts(flag)?.filter(({ percentage }) => percentage > 0);
  if (!found) return `by rule, else ${text(flag.defaultVariant)}`;
  if (found.length === 1) return `${found[0]?.variant} for everybody`;
  return found.map(({ variant, percentage }) => `${variant} for ${rounded(percentage)} %`).join(', ');
}

const rounded = (percentage: number) => Math.round(percentage * 100) / 100;

/** What this page can turn up and down: one of two variants, by a percentage of users and nothing else. */
export function share(definition: Loose): Part | null {
  const names = Object.keys(loose(definition.variants));
  const variant = names.includes('on') ? 'on' : names.find((name) => name !== definition.defaultVariant);
  const found = parts(definition);
  if (names.length !== 2 || !variant || !found) return null;
  return { variant, percentage: found.find((part) => part.variant === variant)?.percentage ?? 0 };
}

export type Level = 'killed' | 'all' | 'some' | 'none' | 'rule';

export function level(definition: Loose): Level {
  if (isKilled(definition)) return 'killed';
  const now = share(definition);
  if (!now) return 'rule';
  if (now.percentage === 0) return 'none';
  return now.percentage === 100 ? 'all' : 'some';
}

export function changeInWords({ action, flag, old, new: next }: Change): string {
  if (action === 'flags_frozen') return 'Froze all flags';
  if (action === 'flags_unfrozen') return 'Unfroze all flags';
  const [was, is] = [inWords(old), inWords(next)];
  const what = { flag_killed: 'Killed', flag_imported: 'Imported' }[action] ?? 'Set';
  return was === is ? `${what} ${flag}: ${is}; other fields changed` : `${what} ${flag}: from ${was} to ${is}`;
}
