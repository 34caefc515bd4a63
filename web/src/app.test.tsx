import { screen, waitFor, within } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { basketStore, EMPTY, withQuantity } from './basket/basket.ts';
import { open, violations } from './test/open.tsx';
import { FakeStore, problem } from './test/store.ts';

const heading = (name: string | RegExp) => screen.findByRole('heading', { level: 1, name });
const button = (name: string | RegExp) => screen.findByRole('button', { name });
const twoLamps = () => basketStore.set(withQuantity(EMPTY, 1, 2));
const unavailable = () => problem(503, 'database-away', 'The database does not answer.');

beforeEach(() => basketStore.set(EMPTY));

describe('the goods', () => {
  it('are announced as loading, then shown with what a person pays', async () => {
    open('/');
    expect(screen.getByText('Loading the goods')).toBeDefined();
    expect(await screen.findByText('€105.91')).toBeDefined();
    expect(screen.queryByText('Loading the goods')).toBeNull();
    expect(await violations()).toEqual([]);
  });

  it('can be sold out', async () => {
    const store = new FakeStore();
    store.shelf = [];
    open('/', store);
    expect(await screen.findByText(/shelves are empty/)).toBeDefined();
  });

  it('that cannot be had say so, name the correlation id, and can be tried again', async () => {
    const store = new FakeStore();
    store.failNext('/api/products', unavailable(), unavailable(), unavailable());
    const { user } = open('/', store);
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('The shop cannot reach its books just now.');
    expect(alert.textContent).toContain('badcafe0badcafe0');
    expect(await violations()).toEqual([]);
    await user.click(within(alert).getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('Oak desk lamp')).toBeDefined();
  });

  it('survive two failures without a word', async () => {
    const store = new FakeStore();
    store.failNext('/api/products', unavailable(), 'no-answer');
    open('/', store);
    expect(await screen.findByText('Oak desk lamp')).toBeDefined();
  });
});

describe('the basket', () => {
  it('is filled, priced and changed', async () => {
    const { user } = open('/');
    const add = await button(/Add Oak desk lamp/);
    await user.click(add);
    await user.click(add);
    await user.click(screen.getByRole('link', { name: /^Basket/ }));
    await heading('Your basket');
    const cost = within(screen.getByRole('region', { name: 'Cost' }));
    expect(await cost.findByText('€211.82')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'One less: Oak desk lamp' }));
    expect(await cost.findByText('€105.91')).toBeDefined();
    expect(await violations()).toEqual([]);
    await user.click(screen.getByRole('button', { name: 'Remove Oak desk lamp' }));
    expect(await screen.findByText('There is nothing in it yet.')).toBeDefined();
    expect(await violations()).toEqual([]);
  });

  it('says what a coupon gives, and that another gives nothing', async () => {
    twoLamps();
    const { user } = open('/basket');
    await user.type(await screen.findByLabelText('Coupon code'), 'WELCOME10');
    await user.click(screen.getByRole('button', { name: 'Apply' }));
    expect(await screen.findByText('−€17.80')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Remove the code' }));
    await user.type(await screen.findByLabelText('Coupon code'), 'NOTHING');
    await user.click(screen.getByRole('button', { name: 'Apply' }));
    expect(await screen.findByText('NOTHING gives no discount on this basket.')).toBeDefined();
  });
});

describe('the checkout', () => {
  it('makes an order, shows it, and empties the basket', async () => {
    twoLamps();
    const { store, user } = open('/checkout');
    const order = await button('Order for €211.82');
    expect(await violations()).toEqual([]);
    await user.click(order);
    const title = await heading('Order 00000000');
    expect(screen.getByText('Thank you. Your order is made.')).toBeDefined();
    expect(document.activeElement).toBe(title);
    expect(basketStore.get()).toEqual(EMPTY);
    expect(store.orders.size).toBe(1);
    expect(await violations()).toEqual([]);
  });

  it('orders once when the answer is lost and the client sends again by itself', async () => {
    twoLamps();
    const store = new FakeStore();
    store.failNext('/api/orders', 'lost-answer');
    const { user } = open('/checkout', store);
    await user.click(await button(/^Order for/));
    expect(await screen.findByText(/made already/)).toBeDefined();
    expect(store.orders.size).toBe(1);
  });

  it('orders once when all answers are lost and the person clicks again', async () => {
    twoLamps();
    const store = new FakeStore();
    store.failNext('/api/orders', 'lost-answer', 'lost-answer', 'lost-answer');
    const { user } = open('/checkout', store);
    await user.click(await button(/^Order for/));
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toContain('it will not be made twice');
    expect(basketStore.get().lines).toHaveLength(1);
    await user.click(await button(/^Order for/));
    await heading('Order 00000000');
    expect(store.orders.size).toBe(1);
  });

  it('makes two orders of two wishes for the same', async () => {
    const store = new FakeStore();
    for (let wish = 0; wish < 2; wish++) {
      twoLamps();
      const { user } = open('/checkout', store);
      await user.click((await screen.findAllByRole('button', { name: /^Order for/ })).at(-1)!);
      await waitFor(() => expect(store.orders.size).toBe(wish + 1));
      await waitFor(() => expect(basketStore.get()).toEqual(EMPTY));
    }
  });

  it('has nothing to order where the basket is empty', async () => {
    open('/checkout');
    expect(await screen.findByText('There is nothing in it yet.')).toBeDefined();
  });
});

describe('orders', () => {
  it('come in pages', async () => {
    const store = new FakeStore();
    const lines = [{ product_id: 1, quantity: 1 }];
    for (let at = 0; at < 12; at++) {
      const init = { method: 'POST', headers: { 'idempotency-key': `k${at}` }, body: JSON.stringify({ country: 'DE', lines }) };
      await store.fetch('/api/orders', init); // one after the other: they have an order
    }
    const { user } = open('/orders', store);
    await waitFor(() => expect(screen.getAllByRole('link', { name: /^Order/ })).toHaveLength(11)); // ten and the tab
    await user.click(await button('Show older orders'));
    await waitFor(() => expect(screen.getAllByRole('link', { name: /^Order/ })).toHaveLength(13));
    expect(screen.queryByRole('button', { name: 'Show older orders' })).toBeNull();
    expect(await violations()).toEqual([]);
  });

  it('can be none yet', async () => {
    open('/orders');
    expect(await screen.findByText('You have not ordered yet.')).toBeDefined();
  });

  it('of others do not exist', async () => {
    open('/orders/00000000-0000-4000-8000-00000000ffff');
    expect(await screen.findByText('This browser has no such order.')).toBeDefined();
  });
});

describe('around the pages', () => {
  it('an unknown address has a page, and the way back has the focus', async () => {
    const { user } = open('/nowhere');
    await heading('There is no such page');
    await user.click(screen.getByRole('link', { name: 'Back to the shop' }));
    expect(document.activeElement).toBe(await heading('Things worth keeping'));
    expect(document.title).toBe('Things worth keeping · Slipway Store');
  });

  it('a page that throws leaves the shop standing', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    twoLamps();
    const store = new FakeStore();
    store.failNext('/api/quotes', new Response('{"currency": "EUR"}', { status: 200 })); // of an API that forgot its contract
    const { user } = open('/checkout', store);
    await heading('This page broke');
    expect(basketStore.get().lines).toHaveLength(1);
    await user.click(screen.getByRole('link', { name: 'Shop' }));
    await heading('Things worth keeping');
  });

  it('a build that will be too old says so quietly, one that is too old loudly', async () => {
    const store = new FakeStore();
    store.headers = { deprecation: '@1795000000', sunset: 'Sun, 20 Dec 2026 12:00:00 GMT' };
    const { user } = open('/', store);
    expect(await screen.findByText(/works until 20 December 2026/)).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Later' }));
    expect(screen.queryByText(/works until/)).toBeNull();
    store.failNext('/api/orders', problem(426, 'client-too-old', 'Reload.'));
    await user.click(screen.getByRole('link', { name: 'Orders' }));
    expect((await screen.findAllByRole('alert')).map((alert) => alert.textContent).join()).toContain('too old for it');
    expect(await button('Reload')).toBeDefined();
  });
});
