import type { AlertRule } from '../../model/alerts.ts';
import type { Diagnostic } from '../../model/diagnostics.ts';
import type { ServerName } from '../../model/ids.ts';
import { nearest } from '../../model/values/nearest.ts';

/** Rules of a project's alerts that name a server which its specs do not declare: warnings, as it may come later. */
export const alertsOfNoServer = (rules: readonly AlertRule[], declared: readonly ServerName[]): readonly Diagnostic[] =>
  rules.flatMap(({ server, text, position, length }, index): readonly Diagnostic[] => {
    if (server === undefined || declared.includes(server)) return [];
    const meant = nearest(server, declared);
    return [
      {
        severity: 'warning',
        code: 'unknown-server',
        message: `the alert "${text}" is about a server that is not declared`,
        position,
        length,
        path: `alerts[${index}]`,
        hint: meant === undefined ? 'it never fires as long as that is so' : `did you mean ${meant}?`,
        related: [],
      },
    ];
  });
