import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildId } from './build-id.ts';
import { gzip } from './precompress.ts';

const ROOT = join(import.meta.dirname, '..');
const FIRST_LOAD_MAX_BYTES = 90_000;
const folder = mkdtempSync(join(tmpdir(), 'store-build-'));
let one: Map<string, Buffer>;
let two: Map<string, Buffer>;

async function built(name: string): Promise<Map<string, Buffer>> {
  const outDir = join(folder, name);
  await build({ root: ROOT, mode: 'production', logLevel: 'silent', build: { outDir, emptyOutDir: true } });
  const paths = globSync('**/*.*', { cwd: outDir }).toSorted();
  return new Map(paths.map((path) => [path, readFileSync(join(outDir, path))]));
}

beforeAll(async () => {
  process.env.NODE_ENV = 'production'; // Vitest's own would bring React's development build
  one = await built('one');
  two = await built('two');
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

const document = () => String(one.get('index.html'));

it('is the same, bit for bit, when made again', () => {
  expect([...two.keys()]).toEqual([...one.keys()]);
  for (const [path, content] of one) expect(content.equals(two.get(path)!), path).toBe(true);
});

it('loads less than 90 kB of script at first, compressed', () => {
  const first = [...document().matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path]) => one.get(path!)!);
  expect(first.length).toBeGreaterThan(0);
  expect(first.reduce((sum, script) => sum + gzip(script).length, 0)).toBeLessThan(FIRST_LOAD_MAX_BYTES);
});

it('has checkout and orders in chunks of their own', () => {
  const names = [...one.keys()].join(' ');
  for (const page of ['BasketPage', 'CheckoutPage', 'OrderPage', 'OrdersPage']) expect(names).toMatch(new RegExp(`assets/${page}-[\\w-]{8}\\.js `));
});

it('brings flags with the basket, and on-call’s page only to those who open it', () => {
  const [index, ops] = ['index', 'OpsPage'].map((name) => [...one].find(([path]) => path.startsWith(`assets/${name}-`) && path.endsWith('.js'))!);
  expect(String(index![1])).not.toMatch(/ofrep|OpenFeature/i);
  expect(String(ops![1])).toContain('/api/ops/flags');
  const others = [...one].filter(([path]) => path.endsWith('.js') && path !== ops![0]);
  expect(others.filter(([, script]) => script.includes('/api/ops/')).map(([path]) => path)).toEqual([]);
});

it('names each file but the document by its content', () => {
  const unnamed = [...one.keys()].filter((path) => !/^assets\/[\w-]+-[\w-]{8}\.(js|css|svg)(\.br|\.gz)?$/.test(path));
  expect(unnamed.filter((path) => !path.startsWith('index.html'))).toEqual([]);
});

it('has nothing inline that a strict content security policy refuses', () => {
  expect(document()).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|data:/);
});

it('carries a true copy of each larger file, compressed twice', () => {
  const large = [...one].filter(([path, content]) => !/\.(br|gz)$/.test(path) && content.length >= 1024);
  expect(large.length).toBeGreaterThan(3);
  for (const [path, content] of large) {
    expect(gunzipSync(one.get(`${path}.gz`)!).equals(content), path).toBe(true);
    expect(brotliDecompressSync(one.get(`${path}.br`)!).equals(content), path).toBe(true);
  }
});

it('says in the document which build it is', () => {
  expect(buildId(ROOT)).toMatch(/^1\.[0-9a-f]{12}$/);
  expect(document()).toContain(`<meta name="build" content="${buildId(ROOT)}">`);
});
