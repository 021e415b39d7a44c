import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { detailOf, statusOf } from '../../src/app/inspect/server-status.ts';
import { renderPlanAs } from '../../src/cli/render/plan/plan-formats.ts';
import { renderServer, renderServers } from '../../src/cli/render/servers/servers.ts';
import { palette } from '../../src/cli/terminal/palette.ts';
import { makePlan } from '../../src/docker/reconcile/plan.ts';
import { listingOf } from '../../src/docker/views/server-views.ts';
import { seenJson } from '../../src/model/values/unseen.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { server } from '../support/planner-world.ts';

/** A count line of ours at the beginning of a line, what steers a terminal, and what reorders or hides text. */
const evil = '\n0 to create, FORGED\r\u001b[2J\u009b2J\u202eabc\u2066\u200b\u061c\u2028';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

describe.skipIf(withoutEngine())('a container whose labels hold control characters', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('hostile');
  });
  afterAll(() => bench?.close());

  test('comes back from the engine with them, and no form of what is shown holds one of them raw', async () => {
    const forged = Object.fromEntries(
      ['source', 'managed-by', 'image', 'spec-hash', 'spec'].map((name) => [`looms.${name}`, `x${evil}`]),
    );
    const ownLabels = { ...bench.labels, 'looms.role': 'server', 'looms.server': 'fs', 'looms.generation': '1' };
    const id = await bench.create('fs', {}, { ownLabels: { ...ownLabels, ...forged, [`other${evil}`]: evil } });
    const observed = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
    const container = observed.containers.find((one) => one.id === id);
    const [view] = listingOf(observed).servers;
    if (container === undefined || view === undefined) throw new Error('the container was not observed');
    expect(container.source).toContain(evil);
    const status = statusOf(view, observed.now);

    const plan = makePlan({
      project: bench.project,
      desired: [server('fs', { labels: { [`other${evil}`]: `value${evil}` } })],
      observed,
      undesired: 'remove',
      executions: new Map(),
      replace: new Set(),
      keepFailed: false,
      keep: 3,
      forwarderImage: 'none:1',
      relayImage: 'relay:1',
      managedBy: `looms${evil}`,
      recordSpec: () => '{}',
    });
    const plain = palette(false);
    const options = { palette: plain, width: 100, verbose: true, disabled: new Set<string>() };
    const forms = (['text', 'markdown', 'junit', 'sarif', 'github'] as const).map((form) =>
      renderPlanAs(form, plan, { ...options, sources: new Map(), diagnostics: [] }),
    );
    const shown = [
      ...forms,
      renderServers([status], { wide: true }, plain),
      renderServer(detailOf(view, observed.now, { command: [], refused: [] }), [], plain),
      seenJson(JSON.stringify([status, plan], null, 2)),
    ];
    for (const text of shown) {
      expect(text).not.toMatch(raw);
      expect(text.split('\n').filter((line) => line.startsWith('0 to create, FORGED'))).toEqual([]);
    }
    expect(shown.join('\n')).toContain('FORGED');
  });
});
