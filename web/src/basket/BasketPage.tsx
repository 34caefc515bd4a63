import { Link } from 'wouter';
import type { Schemas } from '../api/client.ts';
import { useSignal } from '../client/signal.ts';
import { Flags, usePricingV2 } from '../flags/Flags.tsx';
import { useProductNames } from '../products/products.ts';
import { Breakdown } from '../quote/Breakdown.tsx';
import { CouponField } from '../quote/CouponField.tsx';
import { Lines } from '../quote/Lines.tsx';
import { useQuote } from '../quote/quote.ts';
import { nextDiscount, volumeDiscount } from '../quote/volume.ts';
import { ROUTES } from '../routes.ts';
import { announce } from '../ui/announce.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { counted } from '../ui/format.ts';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { basketStore, pieces, QUANTITY_MAX, withQuantity } from './basket.ts';
import { countryStore } from './country.ts';
import { EmptyBasket } from './EmptyBasket.tsx';

export default function BasketPage() {
  const count = pieces(useSignal(basketStore));
  return (
    <Page title="Your basket" lead={count > 0 && counted(count, 'piece', 'pieces')}>
      <Flags>{count > 0 ? <Filled /> : <EmptyBasket />}</Flags>
    </Page>
  );
}

function Filled() {
  const nameOf = useProductNames(useSignal(countryStore));
  const { data, body } = useQuote();
  const pricedLine = (line: Schemas['BasketLine']) => Object.assign({}, data?.lines.find((other) => other.product_id === line.product_id), line);
  return (
    <div className="columns">
      <section aria-label="Goods">
        <Lines lines={body.lines.map(pricedLine)} currency={data?.currency} nameOf={nameOf}>
          {(line) => (
            <>
              <Quantity line={line} name={nameOf(line.product_id)} />
              <VolumeHint quantity={line.quantity} />
            </>
          )}
        </Lines>
      </section>
      <Cost />
    </div>
  );
}

function Cost() {
  const { data, error, isPlaceholderData, refetch } = useQuote();
  const { coupon } = useSignal(basketStore);
  return (
    <section className="panel" aria-label="Cost">
      <h2>What it costs</h2>
      {error && <FaultNote error={error} retry={refetch} />}
      {!error && (data ? <Breakdown totals={data} stale={isPlaceholderData} /> : <Skeleton rows={3} label="Pricing the basket" />)}
      <CouponField key={coupon} given_cents={isPlaceholderData || !data ? undefined : data.discount_cents - volumeDiscount(data)} />
      <Link href={ROUTES.checkout} className="button wide">
        Go to checkout
      </Link>
    </section>
  );
}

function Quantity({ line: { product_id, quantity }, name }: { line: Schemas['BasketLine']; name: string }) {
  const set = (next: number) => {
    basketStore.set(withQuantity(basketStore.get(), product_id, next));
    announce(next > 0 ? `${name}: ${next}` : `${name} removed.`);
  };
  return (
    <div className="quantity" role="group" aria-label={`How many: ${name}`}>
      <button type="button" aria-label={`One less: ${name}`} disabled={quantity <= 1} onClick={() => set(quantity - 1)}>
        −
      </button>
      <output>{quantity}</output>
      <button type="button" aria-label={`One more: ${name}`} disabled={quantity >= QUANTITY_MAX} onClick={() => set(quantity + 1)}>
        +
      </button>
      <button type="button" className="textual" aria-label={`Remove ${name}`} onClick={() => set(0)}>
        Remove
      </button>
    </div>
  );
}

function VolumeHint({ quantity }: { quantity: number }) {
  const next = usePricingV2() ? nextDiscount(quantity) : null;
  return next && <p className="hint">{`${next.more} more and you save ${next.percent} %`}</p>;
}
