import { FieldType, type DataFrame } from '@grafana/data';
import { LegendDisplayMode, type VizLegendOptions } from '@grafana/schema';
import { TimeSeries } from '@grafana/ui';
import { TIME_ZONE, type Drawn } from './common';
import { Marks } from './Marks';

const LEGEND: VizLegendOptions = { displayMode: LegendDisplayMode.List, placement: 'bottom', calcs: [], showLegend: true };

export function TimeSeriesPanel({ frames, range, width, height, options, theme, marks }: Drawn) {
  return (
    <TimeSeries
      frames={frames.map(finite)}
      structureRev={1}
      timeRange={range}
      timeZone={TIME_ZONE}
      width={width}
      height={height}
      legend={{ ...LEGEND, ...options.legend }}
      options={options}
    >
      {(builder) => <Marks marks={marks} theme={theme} builder={builder} />}
    </TimeSeries>
  );
}

/** A plot has no place for NaN and infinities: a gap, as in Grafana. */
function finite(frame: DataFrame): DataFrame {
  const fields = frame.fields.map((field) =>
    field.type === FieldType.number
      ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
      : field
  );
  return { ...frame, fields };
}
