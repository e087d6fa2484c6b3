/** The dashboard's variables: what they may be, what they are, and text with them filled in. */
import type { Dashboard, Variable } from './model';
import { ask, type Series } from './prometheus';

export const ALL = '$__all';

export interface Chosen {
  variable: Variable;
  values: string[];
  all: boolean;
  known: string[];
}

const escaped = (text: string) => text.replace(/[|\\{}()[\]^$+*?.]/g, '\\\\$&');

export class Variables {
  constructor(readonly chosen: Chosen[]) {}

  /** For PromQL: several values become one regular expression, as Grafana's data source does it. */
  inQuery(text: string): string {
    return this.replaced(text, (found) => {
      if (found.all && found.variable.allValue) {
        return found.variable.allValue;
      }
      if (!found.variable.multi && !found.variable.includeAll) {
        return found.values[0] ?? '';
      }
      const values = found.values.map(escaped);
      return values.length === 1 ? values[0] : `(${values.join('|')})`;
    });
  }

  /** For a title. */
  inText(text: string): string {
    return this.replaced(text, (found) => (found.all ? 'All' : found.values.join(' + ')));
  }

  private replaced(text: string, value: (found: Chosen) => string): string {
    return text.replace(/\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]/g, (whole, ...names: Array<string | undefined>) => {
      const name = names[0] ?? names[1] ?? names[2];
      const found = this.chosen.find((one) => one.variable.name === name);
      return found ? value(found) : whole;
    });
  }
}

/** Resolve them in their order; `wanted` (name to value) goes before what the dashboard says. */
export async function resolve(dashboard: Dashboard, wanted: URLSearchParams): Promise<Variables> {
  const chosen: Chosen[] = [];
  for (const variable of dashboard.templating?.list ?? []) {
    const known = await possible(variable, new Variables(chosen));
    const picked = wanted.getAll(`var-${variable.name}`);
    const preset = picked.length ? picked : [variable.current?.value ?? []].flat();
    const all = preset.includes(ALL) || (!preset.length && Boolean(variable.includeAll));
    const valid = preset.filter((value) => variable.type !== 'query' || known.includes(value));
    chosen.push({ variable, known, all, values: all ? known : valid.length ? valid : known.slice(0, 1) });
  }
  return new Variables(chosen);
}

async function possible(variable: Variable, before: Variables): Promise<string[]> {
  const asked = before.inQuery(typeof variable.query === 'string' ? variable.query : (variable.query?.query ?? ''));
  if (variable.type !== 'query') {
    return asked.split(',').map((part) => part.trim()).filter(Boolean);
  }
  const labels = /^label_values\((?:(.+),)?\s*(\w+)\s*\)$/s.exec(asked.trim());
  const result = /^query_result\((.+)\)$/s.exec(asked.trim());
  let found: string[];
  if (labels) {
    found = await ask<string[]>(`label/${labels[2]}/values`, labels[1] ? { 'match[]': labels[1].trim() } : {});
  } else if (result) {
    const series = await ask<{ result: Series[] }>('query', { query: result[1] });
    found = series.result.map((one) => JSON.stringify(one.metric));
  } else {
    throw new Error(`variable ${variable.name}: cannot resolve ${asked}`);
  }
  const kept = variable.regex ? new RegExp(variable.regex.replace(/^\/|\/$/g, '')) : undefined;
  return [...new Set(found.map((value) => (kept ? (kept.exec(value)?.[1] ?? kept.exec(value)?.[0]) : value)))]
    .filter((value): value is string => Boolean(value))
    .sort();
}
