import type { GrafanaTheme2 } from '@grafana/data';
import type { UPlotConfigBuilder } from '@grafana/ui';
import { useLayoutEffect } from 'react';
import type uPlot from 'uplot';
import type { Mark } from '../marks';

/** Draws marks as dashed lines with a foot below the plot, as Grafana does. Goes inside a chart. */
export function Marks({ marks, theme, builder }: { marks: Mark[]; theme: GrafanaTheme2; builder: UPlotConfigBuilder }) {
  useLayoutEffect(() => {
    builder.addHook('draw', (plot: uPlot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + 8);
      ctx.clip();
      for (const mark of marks) {
        const x = Math.round(plot.valToPos(mark.from, 'x', true));
        ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(mark.color);
        ctx.setLineDash([5, 5]);
        ctx.lineWidth = 2;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.beginPath();
        ctx.moveTo(x - 5, bbox.top + bbox.height + 6);
        ctx.lineTo(x + 5, bbox.top + bbox.height + 6);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.fill();
      }
      ctx.restore();
    });
  }, [builder, marks, theme]);
  return null;
}
