import type { MouseEvent, ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { basketStore, pieces } from '../basket/basket.ts';
import { CountryChooser } from '../basket/CountryChooser.tsx';
import { useSignal } from '../client/signal.ts';
import { ROUTES } from '../routes.ts';
import { announcement } from './announce.ts';
import { counted } from './format.ts';
import mark from './mark.svg';
import { NoticeBanner } from './NoticeBanner.tsx';

/** Without a step in the history, which the way back would stumble over. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

/** What stands around every page. */
export function Frame({ children }: { children: ReactNode }) {
  return (
    <>
      <a className="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <Header />
      <NoticeBanner />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <footer>
        <p>A demonstration shop: no money moves, nothing is delivered. Your orders belong to this browser alone.</p>
      </footer>
      <div className="unseen" role="status">
        {useSignal(announcement)}
      </div>
    </>
  );
}

function Header() {
  const count = pieces(useSignal(basketStore));
  return (
    <header>
      <div className="bar-top">
        <Link href={ROUTES.products} className="brand">
          <img src={mark} alt="" width="32" height="32" />
          <span>Slipway Store</span>
        </Link>
        <nav aria-label="Shop">
          <Tab to={ROUTES.products}>Shop</Tab>
          <Tab to={ROUTES.orders}>Orders</Tab>
          <Tab to={ROUTES.basket}>
            Basket
            {count > 0 && (
              <span className="badge">
                <span className="unseen">, {counted(count, 'piece', 'pieces')}</span>
                <span aria-hidden="true">{count}</span>
              </span>
            )}
          </Tab>
        </nav>
        <CountryChooser />
      </div>
    </header>
  );
}

function Tab({ to, children }: { to: string; children: ReactNode }) {
  const [path] = useLocation();
  return (
    <Link href={to} aria-current={path === to ? 'page' : undefined}>
      {children}
    </Link>
  );
}
