/**
 * /?dashboard=fleet&from=MS&to=MS[&var-NAME=VALUE][&theme=light]: one dashboard, drawn with Grafana's own components.
 * `window.failed` holds why it cannot be drawn at all.
 */
import { ThemeContext, createTheme, dateTime, locationUtil, type GrafanaConfig } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import { Board } from './Board';
import { registerTransformers } from './fields';
import { marksOf } from './marks';
import type { Dashboard } from './model';
import { resolve } from './variables';

declare global {
  interface Window {
    __grafana_public_path__: string;
    failed?: string;
  }
}

window.__grafana_public_path__ = '/public/';

async function draw(): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const [from, to] = ['from', 'to'].map((name) => dateTime(Number(asked.get(name))));
  const range = { from, to, raw: { from, to } };
  const found = await fetch(`/dashboards/${asked.get('dashboard')}.json`);
  const dashboard: Dashboard = await found.json();
  registerTransformers();
  await initPluginTranslations('selfwatch');
  locationUtil.initialize({
    config: { appSubUrl: '' } as GrafanaConfig,
    getTimeRangeForUrl: () => ({ from: range.from.toISOString(), to: range.to.toISOString() }),
    getVariablesUrlParams: () => ({}),
  });
  const variables = await resolve(dashboard, asked);
  const marks = await marksOf(dashboard, range, variables);
  const theme = createTheme({ colors: { mode: asked.get('theme') === 'light' ? 'light' : 'dark' } });
  Object.assign(document.body.style, { background: theme.colors.background.canvas, margin: 0 });
  const styles = createRoot(document.body.appendChild(document.createElement('div')));
  styles.render(<ThemeContext.Provider value={theme}><GlobalStyles /></ThemeContext.Provider>);
  await fontsLoaded();
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}>
      <BrowserRouter>
        <Board dashboard={dashboard} range={range} variables={variables} marks={marks} />
        <PortalContainer />
      </BrowserRouter>
    </ThemeContext.Provider>
  );
}

/** The plots measure text when they are made, so its fonts must be there before. */
async function fontsLoaded(): Promise<void> {
  while (![...document.fonts].some((font) => font.family.includes('Inter'))) {
    await new Promise(requestAnimationFrame);
  }
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 12px Inter`)));
}

draw().catch((error: Error) => {
  window.failed = error.stack ?? error.message;
});
