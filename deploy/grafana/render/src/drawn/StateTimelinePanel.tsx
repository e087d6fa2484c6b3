import { FieldType, formattedValueToString, getFieldDisplayName, type DataFrame, type Field, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation, type VizLegendOptions } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend, type VizLegendItem } from '@grafana/ui';
import { useMemo } from 'react';
import type uPlot from 'uplot';
import { TIME_ZONE, type Drawn } from './common';

/**
 * Grafana keeps its state timeline in the server's front end, not in a package. So the bars are drawn by us, on
 * @grafana/ui's plot with its axes and its legend, in the colours and words that @grafana/data gives each value.
 */
interface Row {
  name: string;
  times: number[];
  field: Field;
}

export function StateTimelinePanel(drawn: Drawn) {
  const { width, height, frames, options, range, theme } = drawn;
  const rows = useMemo(() => rowsOf(frames), [frames]);
  const builder = useMemo(() => plot(rows, range, theme, options.rowHeight ?? 0.9), [rows, range, theme, options]);
  const ends = [range.from.valueOf(), range.to.valueOf()];
  return (
    <VizLayout width={width} height={height} legend={legendOf(rows, options.legend ?? {})}>
      {(width, height) => <UPlotChart config={builder} data={[ends, [0, 0]]} width={width} height={height} />}
    </VizLayout>
  );
}

function rowsOf(frames: DataFrame[]): Row[] {
  return frames.flatMap((frame) => {
    const times = frame.fields.find((field) => field.type === FieldType.time)?.values ?? [];
    return frame.fields
      .filter((field) => field.type !== FieldType.time)
      .map((field) => ({ name: getFieldDisplayName(field, frame, frames), times, field }));
  });
}

function plot(rows: Row[], range: TimeRange, theme: GrafanaTheme2, share: number): UPlotConfigBuilder {
  const builder = new UPlotConfigBuilder(TIME_ZONE);
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  builder.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Down,
    range: () => [0, rows.length],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, theme, timeZone: TIME_ZONE });
  builder.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    theme,
    grid: { show: false },
    ticks: { show: false },
    splits: rows.map((_, index) => index + 0.5),
    values: rows.map((row) => row.name),
  });
  builder.addSeries({ scaleKey: 'y', theme, show: false, pathBuilder: () => null });
  builder.setPrepData(() => [[range.from.valueOf(), range.to.valueOf()], [0, 0]]);
  builder.addHook('drawAxes', (u: uPlot) => rows.forEach((row, at) => bars(u, row, at, share)));
  return builder;
}

function bars(u: uPlot, { times, field }: Row, at: number, share: number): void {
  const top = u.valToPos(at + (1 - share) / 2, 'y', true);
  const bottom = u.valToPos(at + (1 + share) / 2, 'y', true);
  const opacity = (field.config.custom?.fillOpacity ?? 70) / 100;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  u.ctx.clip();
  u.ctx.globalAlpha = opacity;
  times.forEach((from, index) => {
    const value = field.values[index];
    if (value == null || value === field.values[index - 1]) {
      return;
    }
    const next = field.values.findIndex((other, after) => after > index && other !== value);
    const left = u.valToPos(from, 'x', true);
    const right = next === -1 ? u.bbox.left + u.bbox.width : u.valToPos(times[next], 'x', true);
    u.ctx.fillStyle = field.display?.(value).color ?? 'gray';
    u.ctx.fillRect(left, top, right - left, bottom - top);
  });
  u.ctx.restore();
}

/** The states that occur, in the order of their values. */
function legendOf(rows: Row[], legend: Partial<VizLegendOptions>) {
  if (legend.showLegend === false) {
    return null;
  }
  const found = new Map<number, VizLegendItem>();
  for (const { field } of rows) {
    for (const value of new Set<number>(field.values.filter((one) => one != null))) {
      const display = field.display!(value);
      found.set(value, { label: formattedValueToString(display), color: display.color, yAxis: 1 });
    }
  }
  const items = [...found].sort(([one], [other]) => one - other).map(([, item]) => item);
  const placement = legend.placement ?? 'bottom';
  return (
    <VizLayout.Legend placement={placement}>
      <VizLegend placement={placement} items={items} displayMode={legend.displayMode!} />
    </VizLayout.Legend>
  );
}
