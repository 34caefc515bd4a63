import { Link } from 'wouter';
import type { Schemas } from '../api/client.ts';
import { COUNTRIES } from '../basket/country.ts';
import { orderPath, ROUTES } from '../routes.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { counted, moment, money, shortId } from '../ui/format.ts';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { useOrders } from './orders.ts';

export default function OrdersPage() {
  return (
    <Page title="Your orders" lead="Made in this browser, newest first.">
      <List />
    </Page>
  );
}

function List() {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useOrders();
  if (isPending) return <Skeleton rows={4} label="Loading your orders" />;
  const orders = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {data && orders.length === 0 && <NoOrders />}
      <ul className="orders">
        {orders.map((order) => (
          <Entry key={order.id} order={order} />
        ))}
      </ul>
      {error && <FaultNote error={error} retry={data ? fetchNextPage : refetch} />}
      {hasNextPage && !error && (
        <p className="actions">
          <button type="button" className="button quiet" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {isFetchingNextPage ? 'Loading…' : 'Show older orders'}
          </button>
        </p>
      )}
    </>
  );
}

function NoOrders() {
  return (
    <div className="empty">
      <p>You have not ordered yet.</p>
      <Link href={ROUTES.products} className="button">
        Look around
      </Link>
    </div>
  );
}

function Entry({ order }: { order: Schemas['Order'] }) {
  const count = order.lines.reduce((sum, line) => sum + line.quantity, 0);
  return (
    <li>
      <Link href={orderPath(order.id)}>
        <strong>Order {shortId(order.id)}</strong>
        <span className="fine">
          <time dateTime={order.created_at}>{moment(order.created_at)}</time>
          {` · ${counted(count, 'piece', 'pieces')} · ${COUNTRIES[order.country]}`}
        </span>
        <span className="price">{money(order.gross_cents, order.currency)}</span>
      </Link>
    </li>
  );
}
