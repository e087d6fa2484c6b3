import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig, type Connect, type Plugin, type ProxyOptions } from 'vite';

const here = import.meta.dirname;
const DASHBOARDS = process.env.DASHBOARDS ?? join(here, '..', 'dashboards');
const PACKAGES = join(here, 'node_modules');
const ICONS = join(PACKAGES, '@grafana', 'ui', 'dist', 'public', 'img', 'icons');
const ICON_PATH = '/public/build/img/icons/';
/** Grafana's server has these under names of its own. */
const FONTS: Record<string, string> = {
  'Inter-Regular.woff2': '@fontsource/inter/files/inter-latin-400-normal.woff2',
  'Inter-Medium.woff2': '@fontsource/inter/files/inter-latin-500-normal.woff2',
  'Inter-Italic.woff2': '@fontsource/inter/files/inter-latin-400-italic.woff2',
  'Inter-MediumItalic.woff2': '@fontsource/inter/files/inter-latin-500-italic.woff2',
};

/** Serves what stays outside the bundle: the committed dashboards, and what @grafana/ui fetches by path. */
const files: Connect.NextHandleFunction = (request, response, next) => {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  if (path.startsWith('/dashboards/')) {
    const file = join(DASHBOARDS, basename(path));
    response.statusCode = existsSync(file) ? 200 : 404;
    response.setHeader('Content-Type', 'application/json');
    response.end(existsSync(file) ? readFileSync(file) : '{}');
  } else if (path.startsWith('/public/fonts/')) {
    const font = FONTS[basename(path)] ?? '@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2';
    response.setHeader('Content-Type', 'font/woff2');
    createReadStream(join(PACKAGES, font)).pipe(response);
  } else if (path.startsWith(ICON_PATH) && !path.includes('..')) {
    response.setHeader('Content-Type', 'image/svg+xml');
    createReadStream(join(ICONS, path.slice(ICON_PATH.length)))
      .on('error', () => response.writeHead(404).end())
      .pipe(response);
  } else {
    next();
  }
};

const served: Plugin = {
  name: 'dashboards-and-icons',
  configureServer: (server) => void server.middlewares.use(files),
  configurePreviewServer: (server) => void server.middlewares.use(files),
};

const proxy: Record<string, ProxyOptions> = {
  '/prometheus': {
    target: process.env.PROMETHEUS_URL ?? 'http://127.0.0.1:9090',
    rewrite: (path) => path.replace(/^\/prometheus/, ''),
  },
};

export default defineConfig({
  plugins: [react(), served],
  define: { 'process.env.NODE_ENV': JSON.stringify('production') },
  server: { proxy },
  preview: { proxy },
  build: { chunkSizeWarningLimit: 20_000 },
});
