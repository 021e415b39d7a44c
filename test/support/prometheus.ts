/** One line of a scrape. */
export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

/** Prometheus' text format 0.0.4, by its letter: throws for whatever a scraper might refuse. */
export function parsed(
  text: string,
): ReadonlyMap<string, { readonly type: string; readonly samples: readonly Sample[] }> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, { type: string; samples: Sample[] }>();
  let current: { name: string; samples: Sample[]; type: string } | undefined;
  const seen = new Set<string>();
  let help: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const helped = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)$/.exec(line);
    const typed = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (helped?.[1] !== undefined) help = helped[1];
    else if (typed?.[1] !== undefined && typed[2] !== undefined) {
      if (help !== typed[1] || families.has(typed[1])) throw new Error(`a family out of place: ${line}`);
      current = { name: typed[1], type: typed[2], samples: [] };
      families.set(current.name, current);
    } else {
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      const [, name = '', inner = '', value = ''] = sample ?? [];
      if (sample === null || current === undefined) throw new Error(`no sample: ${line}`);
      const suffix = name.slice(current.name.length);
      const allowed = current.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!name.startsWith(current.name) || !allowed.includes(suffix)) throw new Error(`not of its family: ${line}`);
      if (seen.has(`${name}{${inner}}`)) throw new Error(`twice: ${line}`);
      seen.add(`${name}{${inner}}`);
      const labels: Record<string, string> = {};
      const rest = inner.replace(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/g, (_, key, text) => {
        if (key in labels) throw new Error(`a label twice: ${line}`);
        labels[key] = text.replace(/\\(.)/g, (_all: string, one: string) => (one === 'n' ? '\n' : one));
        return '';
      });
      if (rest !== '') throw new Error(`labels that cannot be read: ${line}`);
      if (!/^(?:\+Inf|\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.test(value)) throw new Error(`no number: ${line}`);
      current.samples.push({ name, labels, value: Number(value.replace('+Inf', 'Infinity')) });
    }
  }
  return families;
}
