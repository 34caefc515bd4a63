// One load of the store's page: the document, its scripts and their calls, all through the edge, in a window of its own.
import { createRequire } from 'node:module';
import vm from 'node:vm';

const { JSDOM, VirtualConsole } = createRequire(process.env.PAGES_MODULES + '/')('jsdom');

/** Seconds of CLOCK_MONOTONIC, as Python's time.monotonic() has them. */
export const now = () => Number(process.hrtime.bigint()) / 1e9;

/** Scripts are named by their content and kept for a year, so one download and one compilation serve all pages here. */
const kept = new Map();
const open = new Set();

export class Page {
  static async load(address, { user, country, intended_s }) {
    const page = new Page(address, user);
    const sent_s = now();
    const document = await page.ask(new Request(`${address}/`, { headers: { cookie: `client-id=${user}` } }), 'page', intended_s);
    page.release = document.headers.get('x-release');
    page.loaded_s = sent_s;
    if (document.ok) await page.show(await document.text(), country);
    return page;
  }

  constructor(address, user) {
    Object.assign(this, { address, user, responses: [], calls: new Set(), modules: new Map(), running: Promise.resolve() });
  }

  async show(html, country) {
    const dom = new JSDOM(html, { url: `${this.address}/`, runScripts: 'outside-only', virtualConsole: new VirtualConsole() });
    this.dom = dom;
    this.window = dom.window;
    this.context = dom.getInternalVMContext();
    this.Promise = vm.runInContext('Promise', this.context);
    this.window.localStorage.setItem('client-id', JSON.stringify(this.user));
    this.window.localStorage.setItem('country', JSON.stringify(country));
    const { href } = this.window.location;
    const fetchFrom = class extends Request {
      constructor(input, init) {
        super(input instanceof Request ? input : new URL(input, href), init);
      }
    };
    Object.assign(this.window, { Request: fetchFrom, Response, Headers, AbortController, AbortSignal, scrollTo() {} });
    this.window.fetch = (input, init) => this.call(new fetchFrom(input, init));
    open.add(this);
    for (const script of this.window.document.querySelectorAll('script[type=module]')) await this.run(new URL(script.getAttribute('src'), href).href);
  }

  // What the page asks.

  async call(request) {
    const cookie = this.dom.cookieJar.getCookieStringSync(request.url);
    const headers = new Headers(request.headers);
    if (cookie) headers.set('cookie', cookie);
    const asked = this.ask(new Request(request, { headers }), opOf(request), now());
    this.calls.add(asked);
    return asked.finally(() => this.calls.delete(asked));
  }

  /** An answer, which is noted as a user's response; a beacon is nobody's. */
  async ask(request, op, intended_s) {
    const noted = { intended_s, sent_s: now(), user: this.user, op, key: request.headers.get('idempotency-key') };
    try {
      const answer = await fetch(request);
      Object.assign(noted, { status: answer.status, release: answer.headers.get('x-release') });
      if (noted.key && answer.ok) noted.order = String((await answer.clone().json()).id);
      return answer;
    } catch (problem) {
      if (problem.name === 'AbortError') noted.op = null; // the page itself did not want it any more
      Object.assign(noted, { status: 0, error: String(problem.cause ?? problem) });
      throw problem;
    } finally {
      if (noted.op) this.responses.push({ ...noted, done_s: now() });
    }
  }

  // What it runs: ECMAScript modules, as the document names them.

  /** One at a time: two imports at once may share modules that are only half linked. */
  run(address) {
    this.running = this.running.catch(() => {}).then(async () => {
      const module = await this.module(address);
      if (module.status === 'unlinked') await module.link((name, from) => this.module(new URL(name, from.identifier).href));
      if (module.status === 'linked') await module.evaluate();
      return module;
    });
    return this.running;
  }

  module(address) {
    if (!this.modules.has(address)) this.modules.set(address, this.compile(address));
    return this.modules.get(address);
  }

  async compile(address) {
    if (!kept.has(address)) kept.set(address, { text: this.source(address) });
    const source = kept.get(address);
    const text = await source.text.catch((problem) => {
      kept.delete(address);
      throw problem;
    });
    const module = new vm.SourceTextModule(text, {
      identifier: address,
      context: this.context,
      cachedData: source.compiled,
      initializeImportMeta: (meta) => Object.assign(meta, { url: address }),
      importModuleDynamically: (name) => this.run(new URL(name, address).href),
    });
    source.compiled ??= module.createCachedData();
    return module;
  }

  async source(address) {
    const answer = await this.call(new Request(address));
    if (!answer.ok) throw new TypeError(`Failed to load ${address}: ${answer.status}`);
    return answer.text();
  }

  // What a person sees and does.

  /** The first thing that `find` finds, now or later; null after `bound_s`, or when the page says in an alert that something is wrong. */
  until(find, bound_s) {
    const { document, MutationObserver } = this.window;
    return new Promise((resolve) => {
      const look = () => {
        const found = find(document);
        if (found ?? this.alert()) end(found ?? null);
      };
      const end = (found) => {
        observer.disconnect();
        clearTimeout(timer);
        resolve(found);
      };
      const observer = new MutationObserver(look);
      const timer = setTimeout(() => end(null), bound_s * 1000);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      look();
    });
  }

  alert() {
    return this.window.document.querySelector('[role=alert]');
  }

  says() {
    return (this.window?.document.querySelector('main') ?? this.window?.document.body)?.textContent.slice(0, 200) ?? '';
  }

  /** As a tab that is closed: the page is told, and what it sends then still goes out. */
  async close() {
    if (!this.window) return;
    Object.defineProperty(this.window.document, 'visibilityState', { value: 'hidden' });
    this.window.document.dispatchEvent(new this.window.Event('visibilitychange'));
    await Promise.allSettled(this.calls);
    open.delete(this);
    this.window.close();
  }
}

function opOf({ method, url }) {
  const { pathname } = new URL(url);
  if (pathname === '/api/client-errors') return null;
  if (pathname === '/api/products') return 'list';
  if (pathname === '/api/quotes') return 'quote';
  if (pathname === '/api/orders') return method === 'POST' ? 'order' : 'orders';
  return pathname.startsWith('/api/orders/') ? 'order_get' : pathname.startsWith('/assets/') ? 'asset' : 'other';
}

/** A browser tells the page about a promise that nobody caught; here Node hears of it first. */
process.on('unhandledRejection', (reason, promise) => {
  const page = [...open].find((one) => promise instanceof one.Promise);
  page?.window.dispatchEvent(Object.assign(new page.window.Event('unhandledrejection'), { reason }));
});
