import type { EngineDescription } from './engine.ts';
import type { ServerName } from './ids.ts';
import type { PolicyRule, QuotaRule } from './policy.ts';

/** Codes of what is told beside an answer and stops nothing: a closed set, said in words in docs/notices.md. */
export const noticeCodes = [
  'alert-without-server',
  'alerts-dropped',
  'alerts-not-kept',
  'alerts-not-looked-at',
  'alerts-unknown',
  'answer-unused',
  'calls-unknown',
  'container-kept',
  'data-kept',
  'data-not-restored',
  'data-stays',
  'drift-hook-failed',
  'drift-unknown',
  'egress-counted-since',
  'egress-not-noted',
  'egress-port-unknown',
  'egress-ports-not-noted',
  'egress-too-many-hosts',
  'egress-unlimited',
  'engine-not-taken',
  'engine-silent',
  'engine-unhealthy',
  'engines-changed',
  'events-not-kept',
  'events-unknown',
  'executions-unknown',
  'files-dropped',
  'files-on-two-engines',
  'generation-not-recorded',
  'go-on-later',
  'health-not-kept',
  'history-not-kept',
  'history-stays',
  'host-reachable',
  'image-is-built',
  'image-stays',
  'images-stay',
  'keep-not-kept',
  'kept-logs-unknown',
  'keys-not-listed',
  'kubeconfig-unreadable',
  'local-image-used',
  'lock-not-released',
  'log-not-kept',
  'namespace-stays',
  'network-stays',
  'no-network',
  'not-audited',
  'not-in-spec',
  'not-ours',
  'not-signed',
  'nothing-to-preserve',
  'on-two-engines',
  'other-on-cluster',
  'page-not-told',
  'place-not-kept',
  'place-not-recorded',
  'place-unused',
  'pods-stay',
  'policies-not-read',
  'question-unanswered',
  'registry-unknown',
  'request-refused',
  'restarts',
  'rolled-back',
  'schema-unusable',
  'scope-without-server',
  'secret-not-masked',
  'secrets-not-compared',
  'secrets-of-another-key',
  'server-woken',
  'sessions-cut',
  'traces-not-sent',
  'trust-not-kept',
  'unknown-filter-name',
  'volume-stays',
  'volumes-stay',
  'way-back-failed',
] as const;

/** With what a policy warns of, by its rules (docs/policy.md). */
export type NoticeCode = (typeof noticeCodes)[number] | `policy-${PolicyRule | QuotaRule}`;

/** Something worth telling that stopped nothing. Texts in it need not be ours. */
export type Notice = {
  readonly code: NoticeCode;
  /** Absent: it is about no single one. */
  readonly server?: ServerName;
  readonly message: string;
  readonly hint?: string;
};

/** A note for each of several engines that did not answer, beside a list of what the others have. */
export const silentNotices = (engine: EngineDescription): readonly Notice[] =>
  engine.kind !== 'several'
    ? []
    : Object.entries(engine.away).map(([name, why]) => ({
        code: 'engine-silent',
        message: `engine ${name} does not answer, and what is on it is not shown: ${why}`,
      }));
