import type { MarkShape, MarkWords } from '../state/words.ts';

/** Shapes in a box of 12 × 12; what is filled and what is drawn tells them apart without colour. */
const paths: Readonly<Record<MarkShape, { readonly fill?: string; readonly line?: string }>> = {
  disc: { fill: 'M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9Z' },
  half: { line: 'M6 1.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4Z', fill: 'M6 1.5a4.5 4.5 0 0 0 0 9Z' },
  triangle: { fill: 'M6 1 11.4 10.5H.6Z' },
  cross: { line: 'M2.3 2.3 9.7 9.7M9.7 2.3 2.3 9.7' },
  turn: { line: 'M10 6a4 4 0 1 1-1.4-3M8.8.6v2.6H6.2' },
  dots: {
    fill: 'M.8 6a1.4 1.4 0 1 0 2.8 0a1.4 1.4 0 1 0-2.8 0M4.6 6a1.4 1.4 0 1 0 2.8 0a1.4 1.4 0 1 0-2.8 0M8.4 6a1.4 1.4 0 1 0 2.8 0a1.4 1.4 0 1 0-2.8 0',
  },
  square: { line: 'M2.2 2.2h7.6v7.6H2.2Z' },
  diamond: { fill: 'M6 .6 11.4 6 6 11.4.6 6Z' },
  ring: { line: 'M6 1.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4Z' },
};

/** A state: its shape, in its colour, and its word. */
export function Mark({ mark: { word, tone, shape } }: { readonly mark: MarkWords }) {
  const { fill, line } = paths[shape];
  return (
    <span class={`mark ${tone}`}>
      <svg class="shape" viewBox="0 0 12 12" aria-hidden="true">
        {line === undefined ? null : <path class="line" d={line} />}
        {fill === undefined ? null : <path class="fill" d={fill} />}
      </svg>
      {word}
    </span>
  );
}
