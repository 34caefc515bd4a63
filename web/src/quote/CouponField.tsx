import { useState } from 'react';
import { basketStore, COUPON_MAX, withCoupon } from '../basket/basket.ts';
import { useSignal } from '../client/signal.ts';

/** `given_cents` is what the quote grants for the present code; undefined while that is not known. */
export function CouponField({ given_cents }: { given_cents: number | undefined }) {
  const { coupon } = useSignal(basketStore);
  const [typed, setTyped] = useState(coupon ?? '');
  const apply = (code: string) => {
    setTyped(code);
    basketStore.set(withCoupon(basketStore.get(), code));
  };
  return (
    <form
      className="coupon"
      onSubmit={(event) => {
        event.preventDefault();
        apply(typed);
      }}
    >
      <label htmlFor="coupon">Coupon code</label>
      <div>
        <input id="coupon" value={typed} maxLength={COUPON_MAX} autoComplete="off" spellCheck={false} onChange={(event) => setTyped(event.target.value)} aria-describedby="coupon-says" />
        <button type="submit" className="button quiet">
          Apply
        </button>
      </div>
      <p id="coupon-says" className="fine" role="status">
        {coupon && given_cents === 0 && `${coupon} gives no discount on this basket.`}
      </p>
      {coupon && (
        <button type="button" className="textual" onClick={() => apply('')}>
          Remove the code
        </button>
      )}
    </form>
  );
}
