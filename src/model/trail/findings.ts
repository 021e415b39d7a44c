/** What was found out about servers and outlives the program, by a key. Never throws: what is lost is found out again. */
export type Findings = {
  readonly recall: (key: string) => Promise<string | undefined>;
  readonly remember: (key: string, found: string) => Promise<void>;
};
