/** From raw frames to fields that can be drawn: transformations, then defaults and overrides, by @grafana/data. */
import {
  FieldColorModeId,
  FieldConfigOptionsRegistry,
  ThresholdsMode,
  applyFieldOverrides,
  cacheFieldDisplayNames,
  displayNameOverrideProcessor,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  thresholdsOverrideProcessor,
  transformDataFrame,
  type DataFrame,
  type FieldConfigPropertyItem,
  type FieldConfigSource,
  type GrafanaTheme2,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';
import type { Panel } from './model';
import type { Variables } from './variables';

/** Grafana's server registers these; the packages leave it to the caller. */
export function registerTransformers(): void {
  const each = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
  standardTransformersRegistry.setInit(() =>
    [...each.values()].map((one) => ({
      id: one.id,
      name: one.name,
      description: one.description,
      transformation: () => Promise.resolve(one),
      editor: () => null,
      imageDark: '',
      imageLight: '',
    }))
  );
}

/** Defaults of the time series panel, which Grafana keeps in the panel's plug-in. */
const LINES = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  spanNulls: false,
  showPoints: 'auto',
  pointSize: 5,
  stacking: { mode: 'none', group: 'A' },
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
  thresholdsStyle: { mode: 'off' },
};
const CUSTOM: Record<string, object> = {
  timeseries: LINES,
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false },
  'state-timeline': { lineWidth: 0, fillOpacity: 70 },
};

export function configOf(panel: Panel): FieldConfigSource {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const mode = panel.type === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
  return {
    defaults: {
      color: { mode },
      thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] },
      ...withoutNullBase(defaults),
      custom: { ...CUSTOM[panel.type], ...defaults.custom },
    },
    overrides: panel.fieldConfig?.overrides ?? [],
  };
}

/** JSON has no minus infinity: a threshold's base is null there. */
function withoutNullBase(defaults: FieldConfigSource['defaults']): FieldConfigSource['defaults'] {
  if (!defaults.thresholds) {
    return defaults;
  }
  const steps = defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  return { ...defaults, thresholds: { ...defaults.thresholds, steps } };
}

const PROCESSORS: Record<string, FieldConfigPropertyItem['process']> = {
  displayName: displayNameOverrideProcessor,
  min: numberOverrideProcessor,
  max: numberOverrideProcessor,
  decimals: numberOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
};
const STANDARD = [
  'unit', 'min', 'max', 'decimals', 'displayName', 'color', 'noValue', 'links', 'mappings', 'thresholds', 'filterable',
];

/** Every property that `config` sets must be registered, or @grafana/data leaves it out in silence. */
function registryFor(config: FieldConfigSource): FieldConfigOptionsRegistry {
  const named = config.overrides.flatMap((rule) => rule.properties.map((property) => property.id));
  const custom = Object.keys(config.defaults.custom ?? {}).map((name) => `custom.${name}`);
  const items = [...new Set([...STANDARD, ...custom, ...named])].map((id) => ({
    id,
    path: id.replace(/^custom\./, ''),
    name: id,
    isCustom: id.startsWith('custom.'),
    process: PROCESSORS[id] ?? identityOverrideProcessor,
    shouldApply: () => true,
    override: () => null,
    editor: () => null,
  }));
  const registry = new FieldConfigOptionsRegistry();
  items.forEach((item) => registry.register(item as unknown as FieldConfigPropertyItem));
  return registry;
}

/** What the panel draws. */
export async function prepared(
  panel: Panel, frames: DataFrame[], variables: Variables, theme: GrafanaTheme2
): Promise<DataFrame[]> {
  const interpolate = (text: string) => variables.inText(text);
  const steps = (panel.transformations ?? []).filter((step) => !step.disabled);
  const unknown = steps.find((step) => !standardTransformersRegistry.getIfExists(step.id));
  if (unknown) {
    throw new Error(`unknown transformation ${unknown.id}`);
  }
  const transformed = await firstValueFrom(transformDataFrame(steps, frames, { interpolate }));
  const config = configOf(panel);
  const fields = applyFieldOverrides({
    data: transformed,
    fieldConfig: config,
    fieldConfigRegistry: registryFor(config),
    replaceVariables: interpolate,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(fields);
  return fields;
}
