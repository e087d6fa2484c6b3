/**
 * Asks Prometheus and gives data frames in the shape of Grafana's Prometheus data source.
 *
 * Grafana does this partly in its server, which is no npm package, so this part is our own: one frame a series with
 * the legend as its name, or one frame a query with a column a label when the query's format is `table`.
 */
import { FieldType, createDataFrame, rangeUtil, type DataFrame, type Labels, type TimeRange } from '@grafana/data';
import type { Panel, Target } from './model';
import type { Variables } from './variables';

export interface Series {
  metric: Labels;
  values?: Array<[number, string]>;
  value?: [number, string];
}

/** Between two scrapes; the data source's own setting in Grafana. */
const SCRAPE_INTERVAL_MS = 1_000;

/** GET /api/v1/`path`. Throws with Prometheus's own words when it refuses. */
export async function ask<T>(path: string, parameters: Record<string, string>): Promise<T> {
  const reply = await fetch(`/prometheus/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await reply.json();
  if (body.status !== 'success') {
    throw new Error(`${body.error}: ${parameters.query ?? path}`);
  }
  return body.data as T;
}

/** The step of a range query, in ms, as Grafana takes it: one point a pixel, but never more often than scraped. */
export function stepOf(panel: Panel, target: Target, range: TimeRange, width: number): number {
  const least = target.interval || panel.interval;
  const lowest = Math.max(least ? rangeUtil.intervalToMs(least.replace('>', '')) : 0, SCRAPE_INTERVAL_MS);
  return rangeUtil.calculateInterval(range, panel.maxDataPoints ?? width, `${lowest}ms`).intervalMs;
}

/** `expr` with the variables and with Grafana's own time macros filled in. */
export function filledIn(expr: string, variables: Variables, range: TimeRange, stepMs: number): string {
  const rangeMs = range.to.valueOf() - range.from.valueOf();
  const rate = Math.max(stepMs + SCRAPE_INTERVAL_MS, 4 * SCRAPE_INTERVAL_MS);
  const macros: Record<string, string> = {
    __rate_interval: `${rate}ms`,
    __interval: `${stepMs}ms`,
    __interval_ms: `${stepMs}`,
    __range: `${Math.round(rangeMs / 1000)}s`,
    __range_s: `${Math.round(rangeMs / 1000)}`,
    __range_ms: `${rangeMs}`,
  };
  return variables.inQuery(expr.replace(/\$\{?(__\w+)\}?/g, (whole, name: string) => macros[name] ?? whole));
}

/** What `target` yields. Throws when Prometheus refuses the query. */
export async function framesOf(
  panel: Panel, target: Target, range: TimeRange, width: number, variables: Variables
): Promise<DataFrame[]> {
  const stepMs = stepOf(panel, target, range, width);
  const expr = filledIn(target.expr, variables, range, stepMs);
  const series = target.instant ? await instant(expr, range) : await over(expr, range, stepMs);
  if (target.format === 'table') {
    const tables = (panel.targets ?? []).filter((other) => other.format === 'table' && !other.hide);
    return series.length ? [table(series, target, tables.length > 1)] : [];
  }
  return series.map((one) => timeSeries(one, target, expr, series.length, stepMs));
}

export async function instant(expr: string, range: TimeRange): Promise<Series[]> {
  const time = String(range.to.valueOf() / 1000);
  return (await ask<{ result: Series[] }>('query', { query: expr, time })).result;
}

export async function over(expr: string, range: TimeRange, stepMs: number): Promise<Series[]> {
  const align = (ms: number) => (Math.floor(ms / stepMs) * stepMs) / 1000;
  const [start, end] = [align(range.from.valueOf()), align(range.to.valueOf())].map(String);
  const found = await ask<{ result: Series[] }>('query_range', { query: expr, start, end, step: String(stepMs / 1000) });
  return found.result;
}

const samples = (one: Series) => one.values ?? (one.value ? [one.value] : []);

function timeSeries(one: Series, target: Target, expr: string, among: number, stepMs: number): DataFrame {
  const name = legend(one.metric, target.legendFormat, expr, among);
  return createDataFrame({
    refId: target.refId,
    name,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: target.instant ? {} : { interval: stepMs },
        values: samples(one).map(([at]) => at * 1000),
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: one.metric,
        config: name ? { displayNameFromDS: name } : {},
        values: samples(one).map(([, value]) => Number(value.replace('Inf', 'Infinity'))),
      },
    ],
  });
}

/** Grafana's naming: the template filled in; with `__auto`, nothing when one label tells the series apart. */
function legend(metric: Labels, template: string | undefined, expr: string, among: number): string {
  if (template && template !== '__auto') {
    return template.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => metric[label] ?? '');
  }
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  if (template === '__auto' && pairs.length && among > 1) {
    return '';
  }
  return name || pairs.length ? `${name}${pairs.length ? `{${pairs.join(', ')}}` : ''}` : expr;
}

/** Columns: Time, every label in the order of the alphabet, and the value (`Value #A` beside other tables). */
function table(series: Series[], target: Target, several: boolean): DataFrame {
  const rows = series.flatMap((one) => samples(one).map(([at, value]) => ({ at, value, metric: one.metric })));
  const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map((row) => row.at * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: { filterable: true },
        values: rows.map((row) => row.metric[label] ?? ''),
      })),
      {
        name: several ? `Value #${target.refId}` : 'Value',
        type: FieldType.number,
        values: rows.map((row) => Number(row.value.replace('Inf', 'Infinity'))),
      },
    ],
  });
}
