import pictures from './pictures.svg';

/** Drawn for the catalogue that the first migration brings, products 1 to 12; whatever else is sold comes in a parcel. */
const DRAWN = 12;
const HUES = [75, 195, 95, 25, 240, 140, 210, 265, 45, 85, 5, 220];

export function Picture({ productId, small = false }: { productId: number; small?: boolean }) {
  const drawing = productId <= DRAWN ? `product-${productId}` : 'parcel';
  const hue = HUES[(productId - 1) % HUES.length];
  return (
    <div className={small ? 'picture small' : 'picture'} style={{ ['--hue' as string]: hue }} aria-hidden="true">
      <svg>
        <use href={`${pictures}#${drawing}`} />
      </svg>
    </div>
  );
}
