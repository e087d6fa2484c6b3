/** Annotations: the moments in which an annotation's query is not zero, as Grafana's data source finds them. */
import type { TimeRange } from '@grafana/data';
import type { Annotation, Dashboard } from './model';
import { filledIn, over } from './prometheus';
import type { Variables } from './variables';

export interface Mark {
  from: number;
  to: number;
  color: string;
  title: string;
  text: string;
  /** Ids of the only panels that show it, or of the ones that do not. */
  filter?: Annotation['filter'];
}

/** Points asked for over the whole range; Grafana takes the dashboard's width. */
const POINTS = 1_800;

export async function marksOf(dashboard: Dashboard, range: TimeRange, variables: Variables): Promise<Mark[]> {
  const asked = (dashboard.annotations?.list ?? []).filter((one) => one.enable && exprOf(one));
  return (await Promise.all(asked.map((one) => marks(one, range, variables)))).flat();
}

const exprOf = (annotation: Annotation) => annotation.expr ?? annotation.target?.expr;

async function marks(annotation: Annotation, range: TimeRange, variables: Variables): Promise<Mark[]> {
  const stepMs = Math.max(1_000, Math.ceil((range.to.valueOf() - range.from.valueOf()) / POINTS / 1_000) * 1_000);
  const series = await over(filledIn(exprOf(annotation) ?? '', variables, range, stepMs), range, stepMs);
  const found: Mark[] = [];
  for (const one of series) {
    const worded = (template = '') =>
      template.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => one.metric[label] ?? '');
    let last: Mark | undefined;
    for (const [at, value] of one.values ?? []) {
      const when = at * 1000;
      if (!Number(value)) {
        continue;
      }
      if (last && when - last.to <= stepMs) {
        last.to = when;
        continue;
      }
      last = {
        from: when,
        to: when,
        color: annotation.iconColor ?? 'rgba(0, 211, 255, 1)',
        title: worded(annotation.titleFormat),
        text: worded(annotation.textFormat),
        filter: annotation.filter,
      };
      found.push(last);
    }
  }
  return found;
}

export function shownIn(panel: number, mark: Mark): boolean {
  return !mark.filter || mark.filter.ids.includes(panel) !== mark.filter.exclude;
}
