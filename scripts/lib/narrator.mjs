import { styleText } from 'node:util';

/**
 * Tells a person step by step what happens, each line with the seconds since the start.
 *
 * @param {NodeJS.WriteStream} out
 * @returns {{ title(text: string): void, step(text: string): void, note(text: string): void, elapsed(): string }}
 */
export function narrator(out = process.stdout) {
  const start = performance.now();
  const colour = out.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const paint = (style, text) => (colour ? styleText(style, text) : text);
  const print = (text) => out.write(`${text}\n`);
  const elapsed = () => seconds(performance.now() - start);
  return {
    elapsed,
    title: (text) => print(paint('bold', text)),
    step: (text) => print(`\n${paint('bold', text)}`),
    note(text) {
      const [first, ...more] = text.split('\n');
      print(`${paint('dim', elapsed().padStart(9))}  ${first}`);
      for (const line of more) print(`${' '.repeat(11)}${line}`);
    },
  };
}

/**
 * @param {number} milliseconds
 * @returns {string} such as `12.3 s`
 */
export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
