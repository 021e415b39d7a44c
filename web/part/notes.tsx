import type { ComponentChildren } from 'preact';
import { visible, visibleLines } from '../../src/cli/render/text.ts';
import type { PageDone } from '../../src/model/page/deeds.ts';
import type { Unknown } from '../../src/model/page/state.ts';
import type { Refusal } from '../talk/request.ts';

/** Why something was not done, with what to do about it. */
export function RefusalNote({ refusal }: { readonly refusal: Refusal }) {
  return (
    <div class="note bad" role="alert">
      <strong>{visible(refusal.message)}</strong> <code>{visible(refusal.code)}</code>
      {refusal.hint === undefined ? null : <p>{visible(refusal.hint)}</p>}
    </div>
  );
}

/** What came of something that the gateway carried out: for each server, and why where it failed. */
export function DoneNote({ done: { outcome, servers, notices } }: { readonly done: PageDone }) {
  return (
    <div class={outcome === 'done' ? 'note good' : 'note bad'} role="status">
      <strong>{visible(outcome)}</strong>
      <ul>
        {servers.map(({ server, outcome: each, failure }) => (
          <li key={server}>
            {visible(server)}: {visible(each)}
            {failure === null ? '' : `, ${visible(failure.message)}`}
          </li>
        ))}
        {notices.map(({ code, server, message }) => (
          <li key={`${code} ${server} ${message}`}>
            {server === undefined ? '' : `${visible(server)}: `}
            {visible(message)} <code>{visible(code)}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is not known, and why. */
export const UnknownNote = ({ what, of }: { readonly what: string; readonly of: Unknown }) => (
  <p class="quiet">
    {what}: unknown, {visible(of.why)}
  </p>
);

/** That there is nothing to show. */
export const Nothing = ({ children }: { readonly children: ComponentChildren }) => <p class="nothing">{children}</p>;

/** Text that has lines of its own, as it was written. */
export const Lines = ({ text, label }: { readonly text: string; readonly label: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled with keys too
  <section class="lines" tabIndex={0} aria-label={label}>
    <pre>{visibleLines(text)}</pre>
  </section>
);

/** What may be wider than there is room. */
export const Wide = ({ label, children }: { readonly label: string; readonly children: ComponentChildren }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled with keys too
  <section class="scroll" tabIndex={0} aria-label={label}>
    {children}
  </section>
);
