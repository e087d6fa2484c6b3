import { VizOrientation, getDisplayValueAlignmentFactors, getFieldDisplayValues, type FieldDisplay } from '@grafana/data';
import { BigValue, BigValueColorMode, BigValueGraphMode, BigValueTextMode, VizRepeater } from '@grafana/ui';
import { TIME_ZONE, type Drawn } from './common';

/** Also the values of a bar gauge. */
export function displayed({ frames, config, options, theme }: Drawn, sparkline: boolean): FieldDisplay[] {
  return getFieldDisplayValues({
    data: frames,
    fieldConfig: config,
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false, ...options.reduceOptions },
    replaceVariables: (text: string) => text,
    sparkline,
    theme,
    timeZone: TIME_ZONE,
  });
}

export function StatPanel(drawn: Drawn) {
  const { options, width, height, theme, frames } = drawn;
  const graph = options.graphMode ?? BigValueGraphMode.Area;
  const values = displayed(drawn, graph !== BigValueGraphMode.None);
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, alignmentFactors, count }) => (
        <BigValue
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          colorMode={options.colorMode ?? BigValueColorMode.Value}
          graphMode={graph}
          justifyMode={options.justifyMode}
          textMode={options.textMode ?? BigValueTextMode.Auto}
          alignmentFactors={alignmentFactors}
          text={options.text}
          width={width}
          height={height}
          theme={theme}
          disableWideLayout={options.wideLayout === false}
        />
      )}
      width={width}
      height={height}
      source={frames}
      autoGrid
      renderCounter={1}
      orientation={options.orientation || VizOrientation.Auto}
    />
  );
}
