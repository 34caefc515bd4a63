import { QueryClientProvider, type QueryClient } from '@tanstack/react-query';
import { Suspense } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { BasketPage, CheckoutPage, OpsPage, OrderPage, OrdersPage } from './pages.ts';
import { ProductsPage } from './products/ProductsPage.tsx';
import { ROUTES } from './routes.ts';
import { Boundary } from './ui/Boundary.tsx';
import { Frame } from './ui/Frame.tsx';
import { Page } from './ui/Page.tsx';
import { Skeleton } from './ui/Skeleton.tsx';

export function App({ cache }: { cache: QueryClient }) {
  const [path] = useLocation();
  return (
    <QueryClientProvider client={cache}>
      <Boundary>
        <Frame>
          <Boundary key={path}>
            <Suspense fallback={<Skeleton rows={5} label="Loading the page" />}>
              <Switch>
                <Route path={ROUTES.products} component={ProductsPage} />
                <Route path={ROUTES.basket} component={BasketPage} />
                <Route path={ROUTES.checkout} component={CheckoutPage} />
                <Route path={ROUTES.orders} component={OrdersPage} />
                <Route path={ROUTES.order} component={OrderPage} />
                <Route path={ROUTES.ops} component={OpsPage} />
                <Route component={Nowhere} />
              </Switch>
            </Suspense>
          </Boundary>
        </Frame>
      </Boundary>
    </QueryClientProvider>
  );
}

function Nowhere() {
  return (
    <Page title="There is no such page" lead="The address may be mistyped, or the page is gone.">
      <Link href={ROUTES.products} className="button">
        Back to the shop
      </Link>
    </Page>
  );
}
