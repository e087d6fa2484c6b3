import { TableCellHeight } from '@grafana/schema';
import { TableNG } from '@grafana/ui/unstable';
import type { Drawn } from './common';

export function TablePanel({ frames, options, config, range, width, height }: Drawn) {
  return (
    <TableNG
      data={frames[options.frameIndex ?? 0] ?? frames[0]}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      resizable
      sortBy={options.sortBy}
      cellHeight={options.cellHeight ?? TableCellHeight.Sm}
      timeRange={range}
      fieldConfig={config}
      structureRev={1}
    />
  );
}
