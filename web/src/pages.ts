// Pages in chunks of their own: what a first visit can wait for.
import { lazyPage } from './client/recovery.ts';

export const BasketPage = lazyPage(() => import('./basket/BasketPage.tsx'));
export const CheckoutPage = lazyPage(() => import('./checkout/CheckoutPage.tsx'));
export const OrderPage = lazyPage(() => import('./order/OrderPage.tsx'));
export const OrdersPage = lazyPage(() => import('./order/OrdersPage.tsx'));
export const OpsPage = lazyPage(() => import('./ops/OpsPage.tsx'));
