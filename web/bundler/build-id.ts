// The build's name: a hash of what goes into it. The release's digest is known only after the build, so it cannot be in here.
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const SOURCES = ['index.html', 'package-lock.json', 'vite.config.ts', 'bundler/*.ts', 'src/**/*.{ts,tsx,css,svg}'];
const NOT_SHIPPED = /\.test\.tsx?$|(^|\/)src\/test\//;

/** `<version of the API's contract>.<12 hex of the sources>`: a server can order the first and look up the second. */
export function buildId(root: string): string {
  const contract: { info: { version: string } } = JSON.parse(readFileSync(join(root, 'openapi.json'), 'utf8'));
  const hash = createHash('sha256');
  for (const path of sources(root)) {
    const content = readFileSync(join(root, path));
    hash.update(`${path} ${content.length}\n`).update(content);
  }
  return `${contract.info.version}.${hash.digest('hex').slice(0, 12)}`;
}

function sources(root: string): string[] {
  const paths = globSync(SOURCES, { cwd: root }).map((path) => path.replaceAll('\\', '/'));
  return paths.filter((path) => !NOT_SHIPPED.test(path)).toSorted();
}

/** Written into the document, not into a script: a script's name changes only when the script does. */
export function nameBuild(): Plugin {
  let root = '';
  return {
    name: 'name-build',
    configResolved: (config) => {
      root = config.root;
    },
    transformIndexHtml: () => [{ tag: 'meta', attrs: { name: 'build', content: buildId(root) }, injectTo: 'head-prepend' }],
  };
}
