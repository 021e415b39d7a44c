import type { Alert, AlertEnd } from '../../model/alerts.ts';
import type { Failure } from '../../model/events.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Blocker, Change, Plan, PlanWarning } from '../../model/plan.ts';
import type { ApplyReport, ServerOutcome } from '../../orchestrator/port.ts';
import type { Trigger } from './wake.ts';

/** What a loop depends on and can go on without for a while. */
export type Dependency = 'engine' | 'repository' | 'lock' | 'receiver';

/** Why a server that is not as declared is left as it is for now. */
export type LeftAlone =
  | { readonly why: 'stopped-by-person'; readonly user: string; readonly time: string }
  | { readonly why: 'blocked'; readonly blocker: Blocker }
  | { readonly why: 'waiting'; readonly repairs: number; readonly forMs: number; readonly after: string }
  /** It cannot be given its secrets, or is not: `record-untrusted` where nobody has accepted the record that asks for them. */
  | { readonly why: 'without-secrets'; readonly failure: Failure }
  | { readonly why: 'rotation-turn' };

/** Which commits the specs are of. */
export type Commits = {
  readonly commits: readonly string[];
  /** Who made the one commit, and whether it is signed; of a repository that is followed. */
  readonly commitBy?: string;
};

/** What a loop tells, each once as long as it stays so. */
export type Told =
  | ({ readonly type: 'watching'; readonly servers: number; readonly plan: Plan } & Commits)
  | ({ readonly type: 'source-changed'; readonly servers: number } & Commits)
  | { readonly type: 'source-unusable'; readonly failure: Failure; readonly keeps: number | null }
  | { readonly type: 'refused'; readonly failure: Failure }
  | { readonly type: 'drift'; readonly plan: Plan }
  | ({ readonly type: 'warning' } & PlanWarning)
  | { readonly type: 'changing'; readonly triggers: readonly Trigger[]; readonly changes: readonly Change[] }
  | {
      readonly type: 'changed';
      readonly outcome: ApplyReport['outcome'];
      readonly servers: readonly ServerOutcome[];
      readonly failures: readonly Failure[];
      readonly milliseconds: number;
    }
  | { readonly type: 'in-sync'; readonly servers: number }
  | { readonly type: 'left-alone'; readonly server: ServerName; readonly left: LeftAlone }
  | {
      readonly type: 'failing';
      readonly server: ServerName;
      readonly failures: number;
      readonly failure: Failure | null;
      readonly isDown: boolean;
    }
  | ({
      readonly type: 'alert';
      readonly state: 'firing' | 'resolved';
      /** Why it resolved where it was not by its number. */
      readonly why?: AlertEnd;
    } & Pick<Alert, 'rule' | 'server' | 'value'>)
  | { readonly type: 'slow'; readonly server: ServerName; readonly milliseconds: number }
  | { readonly type: 'healthy'; readonly server: ServerName; readonly tools: number | null }
  | { readonly type: 'away'; readonly what: Dependency; readonly failure: Failure }
  | { readonly type: 'back'; readonly what: Dependency | 'source' };
