import { FieldType, LoadingState, type DataFrame, type TimeRange } from '@grafana/data';
import { PanelChrome, useTheme2 } from '@grafana/ui';
import { useEffect, useState, type ComponentType } from 'react';
import { BarGaugePanel } from './drawn/BarGaugePanel';
import type { Drawn } from './drawn/common';
import { StateTimelinePanel } from './drawn/StateTimelinePanel';
import { StatPanel } from './drawn/StatPanel';
import { TablePanel } from './drawn/TablePanel';
import { TextPanel } from './drawn/TextPanel';
import { TimeSeriesPanel } from './drawn/TimeSeriesPanel';
import { configOf, prepared } from './fields';
import { shownIn, type Mark } from './marks';
import type { Panel } from './model';
import { framesOf } from './prometheus';
import type { Variables } from './variables';

const KINDS: Record<string, ComponentType<Drawn>> = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
  'state-timeline': StateTimelinePanel,
  text: TextPanel,
};
/** Kinds that say what to show when there is nothing; the others write "No data". */
const SAY_IT_THEMSELVES = ['stat', 'bargauge', 'text'];

interface Props {
  panel: Panel;
  range: TimeRange;
  width: number;
  height: number;
  variables: Variables;
  marks: Mark[];
}
interface Loaded {
  frames: DataFrame[];
  error?: string;
}

/** One panel with its frame and title. Its element tells the checks its state and how many values it got. */
export function PanelBox({ panel, range, width, height, variables, marks }: Props) {
  const loaded = useFrames(panel, range, width, variables);
  const state = !loaded ? 'loading' : loaded.error ? 'error' : 'done';
  return (
    <section data-panel={panel.id} data-title={panel.title} data-state={state} data-values={count(loaded?.frames ?? [])}>
      <PanelChrome
        title={variables.inText(panel.title ?? '')}
        description={panel.description}
        width={width}
        height={height}
        padding={panel.type === 'table' ? 'none' : 'md'}
        displayMode={panel.transparent ? 'transparent' : 'default'}
        statusMessage={loaded?.error}
        loadingState={loaded ? LoadingState.Done : LoadingState.Loading}
      >
        {(width, height) => (loaded ? <Content {...{ panel, range, width, height, loaded, marks }} /> : null)}
      </PanelChrome>
    </section>
  );
}

type ContentProps = Omit<Props, 'variables'> & { loaded: Loaded };

function Content({ panel, range, width, height, loaded, marks }: ContentProps) {
  const theme = useTheme2();
  const Kind = KINDS[panel.type];
  if (loaded.error || !Kind) {
    return <div>{loaded.error ?? `cannot draw a panel of type ${panel.type}`}</div>;
  }
  const empty = !loaded.frames.some((frame) => frame.length && frame.fields.length);
  if (empty && !SAY_IT_THEMSELVES.includes(panel.type)) {
    return <div style={{ textAlign: 'center', paddingTop: height / 2 - 11 }}>{configOf(panel).defaults.noValue ?? 'No data'}</div>;
  }
  return (
    <Kind
      panel={panel}
      options={panel.options ?? {}}
      frames={loaded.frames}
      config={configOf(panel)}
      range={range}
      width={width}
      height={height}
      theme={theme}
      marks={marks.filter((mark) => shownIn(panel.id, mark))}
    />
  );
}

function useFrames(panel: Panel, range: TimeRange, width: number, variables: Variables): Loaded | undefined {
  const theme = useTheme2();
  const [loaded, setLoaded] = useState<Loaded>();
  useEffect(() => {
    const shown = (panel.targets ?? []).filter((target) => !target.hide);
    Promise.all(shown.map((target) => framesOf(panel, target, range, width, variables)))
      .then((frames) => prepared(panel, frames.flat(), variables, theme))
      .then((frames) => setLoaded({ frames }))
      .catch((error: Error) => setLoaded({ frames: [], error: error.message }));
  }, [panel, range, width, variables, theme]);
  return loaded;
}

/** Finite numbers, and texts that are not empty, in all fields but time. */
function count(frames: DataFrame[]): number {
  const fields = frames.flatMap((frame) => frame.fields.filter((field) => field.type !== FieldType.time));
  const told = (value: unknown) => (typeof value === 'number' ? Number.isFinite(value) : Boolean(value));
  return fields.reduce((sum, field) => sum + field.values.filter(told).length, 0);
}
