import type { ReactNode } from 'react';
import type { Schemas } from '../api/client.ts';
import { Picture } from '../products/Picture.tsx';
import { money } from '../ui/format.ts';

interface Props {
  lines: (Schemas['BasketLine'] & Partial<Schemas['PricedLine']>)[];
  currency: string | undefined;
  nameOf: (productId: number) => string;
  /** What stands under the name, instead of how many. */
  children?: (line: Schemas['BasketLine']) => ReactNode;
}

/** Lines of a basket or an order; a price, all in, appears when it is known. */
export function Lines({ lines, currency, nameOf, children }: Props) {
  return (
    <ul className="lines">
      {lines.map((line) => (
        <li key={line.product_id}>
          <Picture productId={line.product_id} small />
          <div>
            <p className="name">{nameOf(line.product_id)}</p>
            {children?.(line) ?? <p className="fine">{counting(line, currency)}</p>}
          </div>
          <p className="price">{line.gross_cents !== undefined && currency && money(line.gross_cents, currency)}</p>
        </li>
      ))}
    </ul>
  );
}

function counting({ quantity, unit_price_cents }: Props['lines'][number], currency: string | undefined): string {
  return unit_price_cents !== undefined && currency ? `${quantity} × ${money(unit_price_cents, currency)}, net` : `${quantity} ×`;
}
