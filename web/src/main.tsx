import './start.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './api/queries.ts';
import { App } from './app.tsx';
import { broke } from './client/errors.ts';
import { ChunkGone } from './client/recovery.ts';
import './ui/style.css';

const told = (error: unknown) => {
  console.error(error);
  if (!(error instanceof ChunkGone)) broke('render', error);
};
createRoot(document.getElementById('root')!, { onCaughtError: told, onUncaughtError: told }).render(
  <StrictMode>
    <App cache={queryClient()} />
  </StrictMode>,
);
