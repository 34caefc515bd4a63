import { OpenFeatureProvider, useBooleanFlagDetails } from '@openfeature/react-sdk';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, type ReactNode } from 'react';
import { reprice } from '../quote/reprice.ts';
import { DOMAIN, startFlags } from './client.ts';

/** Around pages that flags may change. They are there at once, and look again when the flags are known or change. */
export function Flags({ children }: { children: ReactNode }) {
  useEffect(startFlags, []);
  return (
    <OpenFeatureProvider domain={DOMAIN}>
      <Repricing />
      {children}
    </OpenFeatureProvider>
  );
}

/** Whether the new pricing rule holds for this person; undefined while nobody knows. Explains prices, never makes them: they are the API's. */
export function usePricingV2(): boolean | undefined {
  const { value, variant, reason } = useBooleanFlagDetails('pricing-v2', false);
  const known = variant !== undefined || reason === 'DISABLED';
  return known ? value : undefined;
}

/** A price that the other rule made is not left in sight. */
function Repricing() {
  const cache = useQueryClient();
  const now = usePricingV2();
  const before = useRef(now);
  useEffect(() => {
    const changed = before.current !== undefined && before.current !== now;
    before.current = now;
    return reprice(cache, { changed, discounts: now !== false });
  }, [cache, now]);
  return null;
}
