/** What this page reads of a dashboard's JSON (schema version 39 and later, one flat list of panels). */
import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  format?: 'time_series' | 'table' | 'heatmap';
  hide?: boolean;
  interval?: string;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  fieldConfig?: FieldConfigSource;
  options?: Record<string, unknown>;
  transformations?: DataTransformerConfig[];
  interval?: string;
  maxDataPoints?: number;
  repeat?: string;
  panels?: Panel[];
  collapsed?: boolean;
}

export interface Variable {
  name: string;
  type: string;
  label?: string;
  query?: string | { query: string };
  current?: { value?: string | string[] };
  options?: Array<{ value: string; selected?: boolean }>;
  includeAll?: boolean;
  multi?: boolean;
  allValue?: string | null;
  hide?: number | string;
  regex?: string;
  sort?: number;
}

export interface Annotation {
  name: string;
  enable: boolean;
  expr?: string;
  target?: { expr?: string };
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean | string;
  iconColor?: string;
  filter?: { exclude: boolean; ids: number[] };
  step?: string;
}

export interface DashboardLink {
  title: string;
  type: string;
  url?: string;
}

export interface Dashboard {
  title: string;
  uid: string;
  panels: Panel[];
  templating?: { list: Variable[] };
  annotations?: { list: Annotation[] };
  links?: DashboardLink[];
}
