import { describe, expect, it } from 'vitest';
import { acceptDeclared, requireTrust } from '../../../src/app/apply/require-trust.ts';
import { describeRecord } from '../../../src/app/inspect/describe-record.ts';
import type { Ports, TrustQuestion } from '../../../src/app/ports.ts';
import type { ObservedContainer } from '../../../src/docker/model/observed.ts';
import { preparedOf } from '../../../src/docker/plan/prepare.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { PlanWarning } from '../../../src/model/plan.ts';
import type { ForeignRecord, UntrustedRecord } from '../../../src/model/records.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, server } from '../../support/planner-world.ts';
import { document, only } from '../spec/checking.ts';

const spec = only(
  document({
    mcp: ['command: run', 'args: [fast]', "env: { A: 'x${secret:one}' }", 'env_from: [AWS_SECRET_ACCESS_KEY]'],
    backend: ['volume_mounts: [{ source: /opt/data, target: /data }]', 'security: { cap_add: [CHOWN] }'],
  }),
).spec;
const record = (maker: ForeignRecord['maker']): UntrustedRecord => ({
  spec,
  image: 'example:1',
  name: 'container looms-p-fs',
  foreign: { digest: 'd', imageId: 'sha256:0123456789abcdef', maker, source: 'mcp.yaml:1' },
});

/** Nothing was accepted, and nobody agrees. */
const declining: Ports['trust'] = {
  keyName: async () => undefined,
  isAccepted: async () => false,
  accept: async () => {},
  acceptsAll: false,
  ask: async () => false,
};

/** Asks for trust where the answer is `says`; what was asked and accepted. */
async function asked(says: boolean, mayAsk = true) {
  const questions: TrustQuestion[] = [];
  const accepted: string[] = [];
  const trust: Ports['trust'] = {
    ...declining,
    accept: async (digest) => void accepted.push(digest),
    ask: async (question) => {
      questions.push(question);
      return says;
    },
  };
  const failure = await requireTrust({ trust }, record({ kind: 'unsigned' }), mayAsk).catch((error: unknown) => error);
  return { questions, accepted, failure };
}

describe('a record that this machine did not make', () => {
  it('says what it runs, with what, and who made it, before it is accepted', async () => {
    const { questions, accepted, failure } = await asked(true);
    expect(failure).toBeUndefined();
    expect(accepted).toEqual(['d']);
    expect(questions).toMatchObject([{ what: expect.stringContaining('asks for AWS_SECRET_ACCESS_KEY, one') }]);
    expect(questions[0]?.says).toEqual([
      'made by       nobody says: it is not signed (an earlier looms does not sign, nor does who writes one by hand)',
      'from          mcp.yaml:1, as it says',
      'image         example:1, as it says; made of 0123456789ab',
      'runs          run fast',
      'user          1000:1000',
      'mounts        /opt/data at /data (writable)',
      'capabilities  CHOWN',
      'network       isolated',
      'secrets       ${secret:one} as A',
      '              ${AWS_SECRET_ACCESS_KEY} as AWS_SECRET_ACCESS_KEY',
    ]);
  });

  it('is refused with the same lines where nobody agrees, or nobody may be asked', async () => {
    const declined = await asked(false);
    const unasked = await asked(true, false);
    expect(unasked.questions).toEqual([]);
    for (const { failure, accepted } of [declined, unasked]) {
      expect(accepted).toEqual([]);
      expect(failure).toMatchObject({ code: 'record-untrusted', detail: declined.questions[0]?.says });
    }
  });

  it('cannot put up a line of its own among them', async () => {
    const evil = `x\r\nuser          1000:1000\u2028mounts        none`;
    const forged = {
      ...record({ kind: 'unsigned' }),
      image: evil,
      spec: {
        ...spec,
        mounts: [{ type: 'bind', source: evil, target: evil, readOnly: false } as const],
        security: { ...spec.security, user: evil, capAdd: [evil] },
        mcp: { ...spec.mcp, command: evil, envFrom: [evil] },
      },
      foreign: {
        digest: 'd',
        imageId: 'sha256:0123456789abcdef',
        maker: { kind: 'other-key', key: evil } as const,
        source: evil,
      },
    };
    const failure = await requireTrust({ trust: declining }, forged).catch((error: unknown) => error);
    const { detail } = failure as { detail: readonly string[] };
    expect(
      detail
        .join('\n')
        .split(/[\n\r\u2028\u2029]/)
        .map((line) => line.split(' ')[0]),
    ).toEqual(['made', 'from', 'image', 'runs', 'user', 'mounts', 'capabilities', 'network', 'secrets', '']);
  });

  it.each([
    [{ kind: 'other-key', key: '0123456789ab' }, 'another key, by its word 0123456789ab'],
    [{ kind: 'other-key' }, 'another key, which it does not name'],
    [{ kind: 'forged' }, 'FORGED'],
  ] as const)('%o is named', async (maker, words) => {
    const failure = await requireTrust({ trust: declining }, record(maker)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ detail: expect.arrayContaining([expect.stringContaining(words)]) });
  });

  it('shows both ends of a long command, and where a word ends', async () => {
    const long = {
      ...record({ kind: 'forged' }),
      spec: { ...spec, mcp: { ...spec.mcp, command: 'node', args: ['-e', `/* ${'x'.repeat(600)} */ steal()`] } },
    };
    const [runs = ''] = describeRecord(long).filter((line) => line.startsWith('runs'));
    expect(runs).toMatch(/^runs {10}node -e "\/\* x+ … \d+ more characters … x+ \*\/ steal\(\)"$/);
  });
});

describe('what `apply` of a file accepts', () => {
  const accepted = async (
    change: Partial<ObservedContainer>,
    warnings: readonly PlanWarning[] = [],
    servers: Parameters<typeof acceptDeclared>[1]['servers'] = [],
  ): Promise<readonly string[]> => {
    const digests: string[] = [];
    const trust = { isAccepted: async () => false, accept: async (digest: string) => void digests.push(digest) };
    const web = server('web', { mcp: { envFrom: ['TOKEN'] } });
    const { end } = simulate(plan([web], emptyEngine()), emptyEngine());
    const foreignRecord = { digest: 'd', imageId: 'sha256:0', maker: { kind: 'unsigned' } } as const;
    const made = plan([web], end);
    const containers = end.containers.map((one) => ({ ...one, foreignRecord, ...change }));
    const { records } = preparedOf(
      { kind: 'prune', project, volumes: false, history: false },
      { ...end, containers },
      made,
    );
    await acceptDeclared({ trust }, { plan: { ...made, warnings }, records, servers });
    return digests;
  };

  it('is the record of a server that is as the file declares it', async () => {
    expect(await accepted({})).toEqual(['d']);
  });

  it('is no record of anything else that bears its name', async () => {
    expect(await accepted({ role: 'data' })).toEqual([]);
    expect(await accepted({ id: asContainerId('another') })).toEqual([]);
  });

  it('is no record of a server of which it is not known whether it is as the file declares it', async () => {
    const told = { code: 'drift-unknown', message: 'refused' } as const;
    expect(await accepted({}, [{ ...told, server: asServerName('web') }])).toEqual([]);
    expect(await accepted({}, [{ ...told, server: asServerName('other') }])).toEqual(['d']);
  });

  it('is no record of a server that is switched off, which nobody compares with its file', async () => {
    expect(await accepted({}, [], [server('web')])).toEqual(['d']);
    expect(await accepted({}, [], [server('web', { enabled: false })])).toEqual([]);
  });
});
