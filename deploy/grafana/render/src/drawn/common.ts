import type { DataFrame, FieldConfigSource, GrafanaTheme2, TimeRange } from '@grafana/data';
import type { Mark } from '../marks';
import type { Panel } from '../model';

/** What every kind of panel is given. `options` is the panel's own, as its plug-in in Grafana reads it. */
export interface Drawn {
  panel: Panel;
  options: any;
  frames: DataFrame[];
  config: FieldConfigSource;
  range: TimeRange;
  width: number;
  height: number;
  theme: GrafanaTheme2;
  marks: Mark[];
}

export const TIME_ZONE = 'utc';
