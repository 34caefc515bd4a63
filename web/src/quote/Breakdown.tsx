import type { Schemas } from '../api/client.ts';
import { money, vatName } from '../ui/format.ts';
import { volumeDiscount } from './volume.ts';

type Totals = Omit<Schemas['Quote'], 'lines'>;

/** From the price of the goods to what is paid. */
export function Breakdown({ totals, stale = false }: { totals: Totals; stale?: boolean }) {
  const { net_cents, discount_cents, tax_cents, gross_cents, coupon, country, currency } = totals;
  const volume_cents = volumeDiscount(totals);
  const coupon_cents = discount_cents - volume_cents;
  return (
    <dl className="breakdown" aria-busy={stale}>
      {discount_cents > 0 && (
        <>
          <Row name="Goods">{money(net_cents + discount_cents, currency)}</Row>
          {coupon_cents > 0 && (
            <Row name={`Discount${coupon ? ` ${coupon.toUpperCase()}` : ''}`} kind="saved">
              −{money(coupon_cents, currency)}
            </Row>
          )}
          {volume_cents > 0 && (
            <Row name="Volume discount" kind="saved">
              −{money(volume_cents, currency)}
            </Row>
          )}
        </>
      )}
      <Row name="Net">{money(net_cents, currency)}</Row>
      <Row name={vatName(country)}>{money(tax_cents, currency)}</Row>
      <Row name="Total" kind="total">
        {money(gross_cents, currency)}
      </Row>
    </dl>
  );
}

function Row({ name, kind, children }: { name: string; kind?: 'saved' | 'total'; children: React.ReactNode }) {
  return (
    <div className={kind}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
