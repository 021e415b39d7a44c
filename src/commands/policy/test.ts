import * as Flags from '@oclif/core/flags';
import { type PolicyTest, testPolicies } from '../../app/plan/test-policy.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { SpecError } from '../../cli/errors.ts';
import { exitCode } from '../../cli/exit-codes.ts';
import { specFlags } from '../../cli/flags.ts';
import { readPolicyOf } from '../../cli/project/policy-files.ts';
import { choosePaths } from '../../cli/project/specs.ts';
import { countDiagnostics } from '../../cli/render/diagnostics/diagnostics.ts';
import { renderPolicyTest } from '../../cli/render/policy-test.ts';

export default class PolicyTestCommand extends BaseCommand {
  static override summary = 'Try policies on example specs';
  static override description =
    'Holds each spec against the policies and compares what they say with the x-breaches of the spec: { max_memory_mb: error, ' +
    'forbid_latest: warn }, and none where it has none. Talks to no engine. Exits 0 when all is as expected, 1 when not, ' +
    'and 65 when an example is no valid spec.';
  static override examples = [
    { description: 'The policies that apply to these specs', command: 'looms policy test -f examples/' },
    {
      description: 'A policy before it goes to /etc/looms, and no other',
      command: 'looms policy test -f examples/ --policy policy.yaml',
    },
  ];
  static override flags = {
    file: specFlags.file,
    policy: Flags.string({
      multiple: true,
      description: 'try this file instead of the policies that apply; can be given more than once',
      helpValue: 'FILE',
    }),
  };

  async run(): Promise<PolicyTest> {
    const { flags } = await this.parse(PolicyTestCommand);
    const context = await this.open(flags);
    const { ports, project, terminal } = context;
    const tried = flags.policy?.map((path) => readPolicyOf(ports, path));
    const policies = tried === undefined ? context.policies : await Promise.all(tried);
    const paths = await choosePaths(flags.file ?? [], context);
    const tested = await testPolicies(ports, { paths, policies, project: project.name });
    if ('diagnostics' in tested) {
      const { diagnostics, texts } = tested;
      throw new SpecError(`the examples cannot be used: ${countDiagnostics(diagnostics)}`, diagnostics, texts);
    }
    this.answer(() => renderPolicyTest(tested, terminal.palette));
    if (!tested.passed) process.exitCode = exitCode.failed;
    return tested;
  }
}
