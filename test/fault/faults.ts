/** What the proxy does with the writing call of number k. */
export type ProxyFault =
  /** looms is killed before the engine hears of the call, when the engine has done it, or when looms has its answer. */
  | { readonly kind: 'kill'; readonly moment: 'before' | 'unanswered' | 'answered' }
  /** The engine never hears of the call, and an error is answered. */
  | { readonly kind: 'refuse'; readonly status: 409 | 500 }
  /** The connection breaks, before the engine hears of the call or after it has done it. */
  | { readonly kind: 'reset'; readonly moment: 'before' | 'unanswered' }
  /** The engine does it, and half of its answer arrives. */
  | { readonly kind: 'half' }
  /** The answer comes only after looms gave up; `stalled`: the call itself, too. */
  | { readonly kind: 'late'; readonly moment: 'answered' | 'stalled' }
  /** Someone else does something to a container of the project first. */
  | { readonly kind: 'actor'; readonly deed: Deed };

export const deeds = ['remove', 'stop', 'rename', 'update', 'replace'] as const;
export type Deed = (typeof deeds)[number];

/** `stale`: killed at k, and then a run that gets each list as it was before the first one. */
export type Fault = ProxyFault | { readonly kind: 'stale' };

/** All faults, by the names that the command line and the reports use. */
export const faults: Readonly<Record<string, Fault>> = {
  'kill-before': { kind: 'kill', moment: 'before' },
  'kill-unanswered': { kind: 'kill', moment: 'unanswered' },
  'kill-answered': { kind: 'kill', moment: 'answered' },
  'refuse-500': { kind: 'refuse', status: 500 },
  'refuse-409': { kind: 'refuse', status: 409 },
  'reset-before': { kind: 'reset', moment: 'before' },
  'reset-unanswered': { kind: 'reset', moment: 'unanswered' },
  'half-body': { kind: 'half' },
  'late-answer': { kind: 'late', moment: 'answered' },
  'late-call': { kind: 'late', moment: 'stalled' },
  'stale-list': { kind: 'stale' },
  ...Object.fromEntries(deeds.map((deed) => [`outside-${deed}`, { kind: 'actor', deed } as const])),
};

/** Whether the fault itself takes a serving container away: calls that fail then are not the fault of looms. */
export const takesServiceAway = (fault: Fault): boolean =>
  fault.kind === 'actor' && (fault.deed === 'remove' || fault.deed === 'stop' || fault.deed === 'replace');

/** Whether what a container holds besides its volumes can be gone through no fault of looms. */
export const takesFilesAway = (fault: Fault): boolean =>
  fault.kind === 'actor' && (fault.deed === 'remove' || fault.deed === 'replace');
