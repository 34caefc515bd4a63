import { Link } from 'wouter';
import { ROUTES } from '../routes.ts';

export function EmptyBasket() {
  return (
    <div className="empty">
      <p>There is nothing in it yet.</p>
      <Link href={ROUTES.products} className="button">
        Look around
      </Link>
    </div>
  );
}
