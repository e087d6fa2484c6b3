import { renderMarkdown } from '@grafana/data';
import type { Drawn } from './common';

export function TextPanel({ options }: Drawn) {
  const html = options.mode === 'html' ? options.content : renderMarkdown(options.content ?? '');
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}
