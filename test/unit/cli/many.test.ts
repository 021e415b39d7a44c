import { describe, expect, test } from 'vitest';
import { renderDiagnostics } from '../../../src/cli/render/diagnostics/diagnostics.ts';
import { renderPlan } from '../../../src/cli/render/plan/plan-text.ts';
import { renderTable } from '../../../src/cli/render/table.ts';
import { displayWidth } from '../../../src/cli/render/text.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import type { Diagnostic } from '../../../src/model/diagnostics.ts';
import { asContainerId, asServerName, asStepId } from '../../../src/model/ids.ts';
import type { Plan } from '../../../src/model/plan.ts';
import { everyChange } from './plans.ts';

const plain = palette(false);
const servers = Array.from({ length: 20 }, (_, index) => asServerName(`server-${String(index + 1).padStart(2, '0')}`));
const show = (plan: Plan): string =>
  renderPlan(plan, { palette: plain, width: 100, verbose: false, disabled: new Set() });

describe('many servers in one plan', () => {
  const fields = [{ path: 'docker_backend.resource_limits.memory_mb', from: '512 MiB', to: '1024 MiB' }] as const;
  const plan: Plan = {
    ...everyChange,
    changes: servers.map((server, index) => ({
      server,
      container: asContainerId(`${index}`.repeat(12)),
      action: 'replace',
      order: 'start-first',
      reasons: [{ kind: 'spec-changed', fields: index === 7 ? [{ ...fields[0], to: '2048 MiB' }] : fields }],
    })),
    drift: servers.map((server) => ({ server, container: asContainerId('0123456789abcdef'), fields })),
    warnings: servers.map((server) => ({ code: 'restarts', server, message: 'its calls are not counted' })),
    images: [{ ref: 'example:1', action: 'pull', why: 'it is not on the engine' }],
    steps: [
      {
        id: asStepId('image:example:1'),
        cause: { kind: 'support', why: 'it is not on the engine' },
        after: [],
        op: 'pull-image',
        text: 'pull example:1',
      },
    ],
  };

  test('show what is equal once, with the others counted and named, and what differs by itself', () => {
    const text = show(plan);
    expect(text).toContain(`+/- server-01  replace without downtime: the spec changed
      docker_backend.resource_limits.memory_mb  512 MiB → 1024 MiB
      and 18 more: server-02, server-03, server-04, server-05, server-06, server-07, server-09,
      server-10, server-11, server-12, server-13, server-14, server-15, server-16, server-17,
      server-18, server-19, server-20
+/- server-08  replace without downtime: the spec changed
      docker_backend.resource_limits.memory_mb  512 MiB → 2048 MiB
`);
    expect(text.match(/warning\[restarts]/g)).toHaveLength(1);
    expect(text).toContain('warning[restarts] server-01: its calls are not counted\n  and 19 more: server-02, ');
    expect(text.match(/1024 MiB → 512 MiB/g)).toHaveLength(1);
    for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(100);
  });

  test('say with each server where the field of a warning stands', () => {
    const text = show({
      ...plan,
      warnings: servers.slice(0, 3).map((server, index) => ({
        code: 'other-on-cluster',
        server,
        message: 'security.tmpfs: programs may be run from there',
        at: { file: index === 0 ? '-' : 'specs/all.yaml', line: 7 + index },
      })),
    });
    expect(text).toContain(
      'warning[other-on-cluster] server-01: security.tmpfs: programs may be run from there (<stdin>:7)\n' +
        '  and 2 more: server-02 (specs/all.yaml:8), server-03 (specs/all.yaml:9)\n',
    );
  });

  test('show the images that are pulled or built', () => {
    expect(show(plan)).toMatch(/^\+ {3}image example:1 +pull: it is not on the engine$/m);
  });

  test('are shown one by one while they are few', () => {
    const few = show({ ...plan, changes: plan.changes.slice(0, 3) });
    expect(few.match(/replace without downtime/g)).toHaveLength(3);
  });
});

test('warnings that say the same of many places are shown once; errors each', () => {
  const finding = (severity: Diagnostic['severity'], line: number): Diagnostic => ({
    severity,
    code: 'policy-forbid-latest',
    message: 'example has the tag latest',
    position: { file: `specs/${line}.yaml`, line, column: 1 },
    length: 4,
    path: 'docker_backend.base_image',
    related: [],
  });
  const texts = [1, 2, 3].map((line) => ({ file: `specs/${line}.yaml`, text: 'name: x\nname: y\nname: z\n' }));
  const render = (severity: Diagnostic['severity']): string =>
    renderDiagnostics(
      [1, 2, 3].map((line) => finding(severity, line)),
      texts,
      { palette: plain, width: 100 },
    );
  expect(render('warning')).toBe(`warning[policy-forbid-latest]: example has the tag latest
  at specs/1.yaml:1:1  docker_backend.base_image
  1 │ name: x
    │ ^^^^
  2 │ name: y
  and 2 more: specs/2.yaml:2, specs/3.yaml:3`);
  expect(render('error').match(/error\[/g)).toHaveLength(3);
});

test('a table is cut to a width at its widest columns, and never at a header', () => {
  const table = renderTable(['NAME', 'IMAGE', 'GEN'], [['a'.repeat(30), 'b'.repeat(60), '3']], plain, 60);
  expect(Math.max(...table.split('\n').map(displayWidth))).toBe(60);
  // A name is what a row is found by: it is cut last.
  expect(table).toMatch(/^NAME +IMAGE +GEN\na{30} {2}b+… {2}3$/);
  expect(renderTable(['NAME', 'IMAGE'], [['a', 'b']], plain, 3)).toBe('NAME  IMAGE\na     b');
});
