import { dateTimeFormat, type TimeRange } from '@grafana/data';
import { Icon, useTheme2 } from '@grafana/ui';
import { useEffect, useState } from 'react';
import type { Mark } from './marks';
import type { Dashboard, Panel } from './model';
import { PanelBox } from './PanelBox';
import type { Variables } from './variables';

/** Grafana's grid: 24 columns, rows of 30 px, 8 px between. */
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const MARGIN = 16;
const HEAD = 64;

interface Props {
  dashboard: Dashboard;
  range: TimeRange;
  variables: Variables;
  marks: Mark[];
}

export function Board({ dashboard, range, variables, marks }: Props) {
  const width = useWidth() - 2 * MARGIN;
  const panels = opened(dashboard.panels);
  const rows = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return (
    <main style={{ padding: MARGIN }}>
      <Head dashboard={dashboard} range={range} variables={variables} />
      <div style={{ position: 'relative', height: rows * (ROW + GAP) - GAP }}>
        {panels.map((panel) => (
          <Placed key={panel.id} panel={panel} board={width}>
            {(width, height) =>
              panel.type === 'row' ? (
                <RowTitle title={variables.inText(panel.title ?? '')} />
              ) : (
                <PanelBox {...{ panel, range, width, height, variables, marks }} />
              )
            }
          </Placed>
        ))}
      </div>
    </main>
  );
}

/** A collapsed row keeps its panels to itself: here they are shown below it, so that nothing goes unseen. */
function opened(panels: Panel[]): Panel[] {
  let down = 0;
  return panels.flatMap((panel) => {
    const moved = { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + down } };
    if (panel.type !== 'row' || !panel.panels?.length) {
      return [moved];
    }
    const first = Math.min(...panel.panels.map(({ gridPos }) => gridPos.y));
    const last = Math.max(...panel.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    const shift = moved.gridPos.y + 1 - first;
    down += last - first;
    return [moved, ...panel.panels.map((one) => ({ ...one, gridPos: { ...one.gridPos, y: one.gridPos.y + shift } }))];
  });
}

interface PlacedProps {
  panel: Panel;
  board: number;
  children: (width: number, height: number) => React.ReactNode;
}

function Placed({ panel, board, children }: PlacedProps) {
  const { x, y, w, h } = panel.gridPos;
  const column = (board - (COLUMNS - 1) * GAP) / COLUMNS;
  const [width, height] = [Math.floor(w * column + (w - 1) * GAP), h * ROW + (h - 1) * GAP];
  const place = { position: 'absolute', left: x * (column + GAP), top: y * (ROW + GAP), width, height } as const;
  return <div style={place}>{children(width, height)}</div>;
}

function RowTitle({ title }: { title: string }) {
  const theme = useTheme2();
  return (
    <div style={{ ...theme.typography.h5, lineHeight: `${ROW}px`, color: theme.colors.text.primary }}>
      <Icon name="angle-down" /> {title}
    </div>
  );
}

/** Title, variables and times. Grafana's own head has controls; this one only tells what is shown. */
function Head({ dashboard, range, variables }: Omit<Props, 'marks'>) {
  const theme = useTheme2();
  const shown = variables.chosen.filter((one) => one.variable.type !== 'datasource' && !Number(one.variable.hide ?? 0));
  const time = (at: TimeRange['from']) => dateTimeFormat(at, { timeZone: 'utc', format: 'YYYY-MM-DD HH:mm:ss' });
  const pill = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 4, padding: '4px 8px' };
  return (
    <header style={{ display: 'flex', gap: 16, alignItems: 'center', height: HEAD - MARGIN, marginBottom: MARGIN / 2 }}>
      <h1 style={{ ...theme.typography.h3, margin: 0 }}>{dashboard.title}</h1>
      {shown.map(({ variable, all, values }) => (
        <span key={variable.name} style={pill}>
          <span style={{ color: theme.colors.text.secondary }}>{variable.label ?? variable.name}: </span>
          {all ? 'All' : values.join(' + ')}
        </span>
      ))}
      <span style={{ marginLeft: 'auto', color: theme.colors.text.secondary }}>
        {time(range.from)} to {time(range.to)} UTC
      </span>
    </header>
  );
}

function useWidth(): number {
  const [width, setWidth] = useState(document.documentElement.clientWidth);
  useEffect(() => {
    const resized = () => setWidth(document.documentElement.clientWidth);
    window.addEventListener('resize', resized);
    return () => window.removeEventListener('resize', resized);
  }, []);
  return width;
}
