import type { EventSink } from '../../model/events.ts';
import type { ProjectName, StepId } from '../../model/ids.ts';
import { idsOf, inSpan, type Span, startedIn, type TraceContext, type Tracing } from '../../model/trail/tracing.ts';
import type { ApplyReport } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

/** What a run tells of itself while it is traced. */
export type TracedRun = {
  readonly sink: EventSink;
  /** 32 hexadecimal digits; undefined where nothing is traced. */
  readonly traceId: string | undefined;
  /** Called once when the plan was made anew under the lock. */
  readonly planned: () => void;
};

function stepSpans(tracing: Tracing, parent: TraceContext | undefined, sink: EventSink): EventSink {
  const open = new Map<StepId, Span>();
  return (event) => {
    const { id, op, server } = event.step;
    if (event.type === 'step-started') {
      const attributes = server === undefined ? {} : { 'looms.server': server };
      open.set(id, tracing.start({ name: `looms.step ${op}`, kind: 'internal', parent, attributes }));
    }
    if (event.type === 'step-ended') {
      const span = open.get(id);
      if (event.result.result === 'failed' || event.result.result === 'unknown') span?.fail(event.result.failure.code);
      span?.end();
    }
    sink(event);
  };
}

/**
 * Carries a plan out in a span `looms.reconcile`, which holds `looms.plan` (the wait for the lock, and the plan made anew
 * under it) and one span a step. Passes on what `run` returns or throws.
 */
export async function traceRun(
  ports: Pick<Ports, 'tracing' | 'environment'>,
  { project, sink }: { readonly project: ProjectName; readonly sink: EventSink },
  run: (told: TracedRun) => Promise<ApplyReport>,
): Promise<ApplyReport> {
  const tracing = await ports.tracing();
  const attributes = { 'looms.project': project };
  const start = {
    name: 'looms.reconcile',
    kind: 'internal',
    parent: startedIn(ports.environment),
    attributes,
  } as const;
  return inSpan(tracing, start, async (span) => {
    const parent = span.context;
    const planning = tracing.start({ name: 'looms.plan', kind: 'internal', parent });
    let isPlanned = false;
    const planned = (): void => {
      if (!isPlanned) planning.end();
      isPlanned = true;
    };
    try {
      const report = await run({
        planned,
        traceId: parent && idsOf(parent).trace,
        sink: stepSpans(tracing, parent, sink),
      });
      if (report.outcome !== 'done') span.fail(report.outcome);
      return report;
    } finally {
      planned();
    }
  });
}
