/** An event of a stream, as it came. */
export type Told = { readonly event: string; readonly id: string | undefined; readonly data: Record<string, unknown> };

/** A stream of server-sent events with a bearer token, read as a page reads it: what was told so far, and whether it ended. */
export async function followEvents(url: string, token: string, headers: Readonly<Record<string, string>> = {}) {
  const leaving = new AbortController();
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: leaving.signal,
  });
  const told: Told[] = [];
  let isOver = false;
  const read = async (): Promise<void> => {
    let text = '';
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const events = (text + part).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(event)?.[1];
        const data = field('data');
        if (data !== undefined) told.push({ event: field('event') ?? '', id: field('id'), data: JSON.parse(data) });
      }
    }
  };
  const reading = read()
    // One that is left ends in an error.
    .catch(() => {})
    .finally(() => {
      isOver = true;
    });
  const leave = async (): Promise<void> => {
    leaving.abort();
    await reading;
  };
  const of = (event: string) => told.filter((one) => one.event === event);
  return { status: response.status, told, of, isOver: () => isOver, leave };
}
