import { byteSize, visible } from '../../src/cli/render/text.ts';
import type { PageCallResult } from '../../src/model/page/deeds.ts';
import { duration } from '../../src/model/times.ts';
import { isRecord } from '../../src/model/values/is-record.ts';
import { Lines } from '../part/notes.tsx';

/** What a tool answered: texts as they are, structured content as JSON, of the rest what it is. */
export function ToolResult({ answer: { result, milliseconds } }: { readonly answer: PageCallResult }) {
  const content = Array.isArray(result.content) ? result.content.filter(isRecord) : [];
  const isError = result.isError === true;
  return (
    <section class={isError ? 'answer failed' : 'answer'} aria-labelledby="answer">
      <h4 id="answer">
        {isError ? <span class="bad">✗ the tool says that it failed</span> : 'answer'}{' '}
        <span class="quiet">in {duration(milliseconds)}</span>
      </h4>
      {content.map((item, at) => (
        <Content key={at} item={item} />
      ))}
      {result.structuredContent === undefined ? null : (
        <Lines text={JSON.stringify(result.structuredContent, null, 2)} label="structured content" />
      )}
    </section>
  );
}

function Content({ item }: { readonly item: Readonly<Record<string, unknown>> }) {
  const { type, text, data, mimeType, uri, resource } = item;
  if (type === 'text' && typeof text === 'string') return <Lines text={text} label="text" />;
  const inner = isRecord(resource) ? resource : {};
  if (typeof inner.text === 'string') return <Lines text={inner.text} label={`resource ${String(inner.uri)}`} />;
  const what = [type, uri ?? inner.uri, mimeType ?? inner.mimeType].filter((word) => typeof word === 'string');
  const encoded = data ?? inner.blob;
  const size = typeof encoded === 'string' ? `, ${byteSize(Math.floor((encoded.length * 3) / 4))}` : '';
  return (
    <p class="quiet">
      {visible(what.join(' '))}
      {size}; looms mcp call --out saves it
    </p>
  );
}
