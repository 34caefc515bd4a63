import { basketStore, LINES_MAX, pieces, quantityOf, withQuantity } from '../basket/basket.ts';
import { countryStore, withArticle } from '../basket/country.ts';
import { useSignal } from '../client/signal.ts';
import { announce } from '../ui/announce.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { counted, money } from '../ui/format.ts';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { Picture } from './Picture.tsx';
import { useProducts, type Product } from './products.ts';

export function ProductsPage() {
  const country = useSignal(countryStore);
  return (
    <Page title="Things worth keeping" lead={`Sent to ${withArticle(country)}. Prices are what you pay.`}>
      <Catalogue />
    </Page>
  );
}

function Catalogue() {
  const { data, error, isPending, refetch } = useProducts(useSignal(countryStore));
  if (isPending) return <Skeleton rows={8} className="card" label="Loading the goods" />;
  if (!data) return <FaultNote error={error} retry={refetch} />;
  if (data.length === 0) return <p className="empty">The shelves are empty. Come back tomorrow.</p>;
  return (
    <ul className="goods">
      {data.map((product) => (
        <Card key={product.id} product={product} />
      ))}
    </ul>
  );
}

function Card({ product }: { product: Product }) {
  const quantity = quantityOf(useSignal(basketStore), product.id);
  return (
    <li className="card">
      <Picture productId={product.id} />
      {quantity > 0 && <p className="chip">{quantity} in the basket</p>}
      <div className="about">
        <h2>{product.name}</h2>
        <p>{product.description}</p>
      </div>
      <div className="buy">
        <p className="price">
          {money(product.gross_cents, product.currency)}
          <small>{product.tax_cents > 0 ? `incl. ${money(product.tax_cents, product.currency)} VAT` : 'without VAT'}</small>
        </p>
        <button type="button" className="button" aria-label={`Add ${product.name}`} onClick={() => add(product)}>
          Add
        </button>
      </div>
    </li>
  );
}

function add({ id, name }: Product): void {
  const before = basketStore.get();
  const after = withQuantity(before, id, quantityOf(before, id) + 1);
  basketStore.set(after);
  const added = pieces(after) > pieces(before);
  announce(added ? `${name} added, ${counted(pieces(after), 'piece', 'pieces')} in the basket.` : `Not added: a basket holds ${LINES_MAX} products.`);
}
