/**
 * Lets a script end in order when a person or a service manager asks it to: the first signal is a
 * request, the second ends the process at once.
 *
 * @returns {{ signal: AbortSignal, exitCode(): number | undefined }} `exitCode`: what a shell expects after the signal
 */
export function onInterrupt() {
  const controller = new AbortController();
  let code;
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ]) {
    process.on(name, () => {
      if (code !== undefined) process.exit(code);
      code = 128 + number;
      controller.abort(new Error(`interrupted by ${name}`));
    });
  }
  return { signal: controller.signal, exitCode: () => code };
}
