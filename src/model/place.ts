/** What an engine of several is like; `weight` and `cost` are numbers that whoever writes the file compares. */
export type EngineTraits = {
  /** What looms.yaml calls it. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How many servers it takes beside the others: of two with 3 and 1, three of four. Default 1; 0: none but those that name it. */
  readonly weight: number;
  /** Default 0. */
  readonly cost: number;
  /** So long it does not answer before servers that may move are made elsewhere, ms. */
  readonly lostAfterMs: number;
};

/** Where a server may run, where a project has several engines (docs/spec.md, `place`). */
export type Place = {
  /** Only on these; absent: on all. */
  readonly engines?: readonly string[];
  /** Only on engines that have all of them. */
  readonly labels: Readonly<Record<string, string>>;
  /** `spread`: on the one that has the fewest servers for its weight. `cost`: on the one that costs least. */
  readonly prefer: 'spread' | 'cost';
  /** What becomes of it when its engine does not answer: it waits for that, or is made on another one. */
  readonly onLost: 'wait' | 'move';
};

/** Of a server that says nothing of it. */
export const anywhere: Place = { labels: {}, prefer: 'spread', onLost: 'wait' };
