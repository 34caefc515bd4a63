import { Link, useParams } from 'wouter';
import { useHistoryState } from 'wouter/use-browser-location';
import { Fault } from '../api/problem.ts';
import type { Schemas } from '../api/client.ts';
import { withArticle } from '../basket/country.ts';
import { useProductNames } from '../products/products.ts';
import { Breakdown } from '../quote/Breakdown.tsx';
import { Lines } from '../quote/Lines.tsx';
import { ROUTES } from '../routes.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { moment, shortId } from '../ui/format.ts';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { useOrder, type Arrival } from './orders.ts';

const LEADS = {
  now: 'Thank you. Your order is made.',
  before: 'Thank you. This order was made already, so we did not make another one.',
};

export default function OrderPage() {
  const { id = '' } = useParams();
  const arrival = useHistoryState<Arrival | null>();
  return (
    <Page title={`Order ${shortId(id)}`} lead={arrival?.placed && LEADS[arrival.placed]}>
      <Found id={id} />
    </Page>
  );
}

function Found({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useOrder(id);
  if (isPending) return <Skeleton rows={5} label="Loading the order" />;
  if (data) return <Receipt order={data} />;
  const unknown = error instanceof Fault && (error.status === 404 || error.status === 422);
  if (!unknown) return <FaultNote error={error} retry={refetch} />;
  return (
    <div className="empty">
      <p>This browser has no such order.</p>
      <Link href={ROUTES.orders} className="button">
        Your orders
      </Link>
    </div>
  );
}

function Receipt({ order }: { order: Schemas['Order'] }) {
  const nameOf = useProductNames(order.country);
  return (
    <div className="columns">
      <section aria-label="Goods">
        <Lines lines={order.lines} currency={order.currency} nameOf={nameOf} />
      </section>
      <section className="panel" aria-label="Cost">
        <h2>To {withArticle(order.country)}</h2>
        <p className="fine">
          Ordered <time dateTime={order.created_at}>{moment(order.created_at)}</time>
        </p>
        <Breakdown totals={order} />
        <p className="fine">
          Number <code>{order.id}</code>
        </p>
        <Link href={ROUTES.orders} className="textual">
          All your orders
        </Link>
      </section>
    </div>
  );
}
