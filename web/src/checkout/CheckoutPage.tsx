import { useEffect } from 'react';
import { Link } from 'wouter';
import { Fault } from '../api/problem.ts';
import { EmptyBasket } from '../basket/EmptyBasket.tsx';
import { withArticle } from '../basket/country.ts';
import { Flags } from '../flags/Flags.tsx';
import { OrderPage } from '../pages.ts';
import { useProductNames } from '../products/products.ts';
import { Breakdown } from '../quote/Breakdown.tsx';
import { Lines } from '../quote/Lines.tsx';
import { useQuote } from '../quote/quote.ts';
import { ROUTES } from '../routes.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { money } from '../ui/format.ts';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { usePlace } from './place.ts';

export default function CheckoutPage() {
  useEffect(() => OrderPage.preload(), []); // no surprise after the order is made
  return (
    <Page title="Checkout" lead="Look it over once more, then order.">
      <Flags>
        <Review />
      </Flags>
    </Page>
  );
}

function Review() {
  const { data: quote, error, refetch, body, isPlaceholderData } = useQuote();
  const nameOf = useProductNames(body.country);
  const order = usePlace();
  if (body.lines.length === 0 && !order.isSuccess) return <EmptyBasket />;
  if (!quote) return error ? <FaultNote error={error} retry={refetch} /> : <Skeleton rows={5} label="Pricing the basket" />;
  return (
    <div className="columns">
      <section aria-label="Goods">
        <Lines lines={quote.lines} currency={quote.currency} nameOf={nameOf} />
      </section>
      <section className="panel" aria-label="Cost">
        <h2>To {withArticle(quote.country)}</h2>
        <Breakdown totals={quote} stale={isPlaceholderData} />
        {order.error && (
          <FaultNote error={order.error}>{mayBeMade(order.error) && 'Order again: it will not be made twice.'}</FaultNote>
        )}
        <button type="button" className="button wide" disabled={order.isPending || isPlaceholderData} onClick={() => order.mutate(body)}>
          {order.isPending ? 'Ordering…' : `Order for ${money(quote.gross_cents, quote.currency)}`}
        </button>
        <Link href={ROUTES.basket} className="textual">
          Back to the basket
        </Link>
      </section>
    </div>
  );
}

const mayBeMade = (error: Error) => error instanceof Fault && error.temporary;
