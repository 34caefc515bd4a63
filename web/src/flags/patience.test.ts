import { expect, it } from 'vitest';
import { patience, TRIES_MAX } from './patience.ts';

function waits(random: number) {
  const planned: { action: () => void; ms: number; forgotten: boolean }[] = [];
  const made = patience(
    (action, ms) => {
      const plan = { action, ms, forgotten: false };
      planned.push(plan);
      return () => void (plan.forgotten = true);
    },
    () => random,
  );
  return { ...made, planned };
}

it('waits twice as long each time, up to a minute, and comes to an end', () => {
  const { again, planned } = waits(1);
  const more = Array.from({ length: TRIES_MAX + 3 }, () => again(() => {}));
  expect(planned.map(({ ms }) => ms)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  expect(more.filter(Boolean)).toHaveLength(TRIES_MAX);
});

it('spreads many pages over half of each wait', () => {
  const soonest = waits(0);
  soonest.again(() => {});
  expect(soonest.planned[0]?.ms).toBe(250);
});

it('begins anew after what worked, and has one try planned at a time', () => {
  const { again, rest, planned } = waits(1);
  again(() => {});
  again(() => {});
  expect(planned.map(({ forgotten }) => forgotten)).toEqual([true, false]);
  rest();
  expect(planned.every(({ forgotten }) => forgotten)).toBe(true);
  again(() => {});
  expect(planned.at(-1)?.ms).toBe(500);
});
