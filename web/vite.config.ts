import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { nameBuild } from './bundler/build-id.ts';
import { precompress } from './bundler/precompress.ts';

// `npm run dev` and `npm run preview` talk to a running store: SLIPWAY_STORE=http://127.0.0.1:PORT, as `make up` prints it.
const store = process.env.SLIPWAY_STORE ?? 'http://127.0.0.1:8080';
const proxy = { '/api': store, '/ofrep': store };

export default defineConfig({
  plugins: [react(), nameBuild(), precompress()],
  server: { proxy },
  preview: { proxy },
  build: {
    assetsInlineLimit: 0, // files, not data: addresses, so that a strict content security policy can hold
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: {
    projects: [
      { extends: true, test: { name: 'app', include: ['src/**/*.test.{ts,tsx}'], environment: 'jsdom', setupFiles: ['src/test/setup.ts'] } },
      { extends: true, test: { name: 'bundle', include: ['bundler/*.test.ts'], environment: 'node' } },
    ],
  },
});
