// What a shopper does: a product into the basket, the quote, the checkout, the order.
import { now, Page } from './page.js';

const PATIENCE_S = 12;

/** The responses that one shopper got. A step that leads nowhere is one more: no answer, with what the page said instead. */
export async function journey(address, shopper) {
  let page;
  try {
    page = await Page.load(address, shopper);
    const stuck = page.window ? await walk(page, shopper) : null; // without a document its own response says it all
    if (stuck && !page.responses.some(failed)) page.responses.push(broken(page, shopper, stuck));
    await page.close();
    return page.responses;
  } catch (problem) {
    return [...(page?.responses ?? []), { ...broken(page, shopper, 'page'), error: String(problem) }];
  }
}

const failed = ({ status }) => status === 0 || status >= 500;

/** The step that did not come to its end; null after the whole journey. */
async function walk(page, { dice }) {
  for (const [step, find] of steps(dice)) {
    const found = await page.until(find, PATIENCE_S);
    if (!found) return step;
    found.click();
  }
  const order = await page.until(titled(/^Order /), PATIENCE_S);
  return order ? null : 'checkout';
}

const steps = (dice) => [
  ['browse', (document) => pick([...document.querySelectorAll('button[aria-label^="Add "]')], dice)],
  ['basket', (document) => document.querySelector('a[href="/basket"]')],
  ['quote', (document) => document.querySelector('dl.breakdown[aria-busy=false]') && document.querySelector('a[href="/checkout"]')],
  ['checkout', (document) => [...document.querySelectorAll('button:enabled')].find((button) => button.textContent.startsWith('Order for'))],
];

const pick = (found, dice) => found[Math.floor(dice * found.length)];
const titled = (name) => (document) => [...document.querySelectorAll('h1')].find((title) => name.test(title.textContent));

/** Sent when the page was, by the release that the page came from. It has no latency: it was never an answer. */
function broken(page, { user, intended_s }, step) {
  const [sent_s, done_s] = [page?.loaded_s ?? intended_s, now()];
  const shows = page?.says() || 'an empty page';
  return { intended_s: done_s, sent_s, done_s, user, op: step, status: 0, release: page?.release ?? null, error: `the page shows: ${shows}` };
}
