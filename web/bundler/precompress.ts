// Compressed once, at build time, and always to the same bytes.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const WORTH_IT_BYTES = 1024;
const GZIP_SYSTEM_BYTE = 9; // says on which system it was made
const GZIP_SYSTEM_UNKNOWN = 255;

export function precompress(): Plugin {
  let folder = '';
  return {
    name: 'precompress',
    apply: 'build',
    configResolved: (config) => {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle: () => globSync('**/*.{html,js,css,svg}', { cwd: folder }).forEach((path) => compress(join(folder, path))),
  };
}

function compress(path: string): void {
  const content = readFileSync(path);
  if (content.length < WORTH_IT_BYTES) return;
  writeFileSync(`${path}.gz`, gzip(content));
  writeFileSync(`${path}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }));
}

export function gzip(content: Uint8Array): Buffer {
  const packed = gzipSync(content, { level: 9 });
  packed[GZIP_SYSTEM_BYTE] = GZIP_SYSTEM_UNKNOWN;
  return packed;
}
