import type { DeclaredServer } from '../../../model/desired.ts';
import { isHttp } from '../../../model/desired.ts';
import { isNonEmpty } from '../../../model/plan.ts';
import { isUp } from '../../model/generations.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import type { ShapeMount } from '../../model/shape.ts';

export type ReplaceOrder = { readonly order: 'start-first' } | { readonly order: 'stop-first'; readonly why: string };

/** A generation of a server, as far as what it writes goes. */
type Writer = {
  /** A stdio container is, between its sessions: beside another one it writes nothing. */
  readonly isIdle: boolean;
  readonly writes: ShapeMount | undefined;
};

const firstWritten = (mounts: readonly ShapeMount[]): ShapeMount | undefined => mounts.find((mount) => !mount.readOnly);

/** Of a container whose record cannot be read nobody knows whether it is idle. */
const asFound = ({ recorded, shape }: ObservedContainer): Writer => ({
  isIdle: recorded !== undefined && !isHttp(recorded.spec),
  writes: firstWritten(shape.mounts),
});

const asDeclared = ({ spec }: DeclaredServer): Writer => ({ isIdle: !isHttp(spec), writes: firstWritten(spec.mounts) });

/** Sources are not compared: of two, one can lie in the other, or lead there by a link. */
const writeTogether = (one: Writer, other: Writer): boolean =>
  !(one.isIdle && other.isIdle) && one.writes !== undefined && other.writes !== undefined;

const upAndWriting = (others: readonly ObservedContainer[], one: Writer): ObservedContainer[] =>
  others.filter((other) => isUp(other) && writeTogether(one, asFound(other)));

/** Those of a server's containers that have to be stopped before a generation of it runs as declared. */
export const writersBeside = (server: DeclaredServer, others: readonly ObservedContainer[]): ObservedContainer[] =>
  upAndWriting(others, asDeclared(server));

/** Whether a container can be started again beside others of its server. */
export const canRunBeside = (container: ObservedContainer, others: readonly ObservedContainer[]): boolean =>
  upAndWriting(others, asFound(container)).length === 0;

/** Two generations that would write the same files cannot live together (docs/architecture.md). */
export function orderOf(
  server: DeclaredServer,
  old: ObservedContainer,
  others: readonly ObservedContainer[],
): ReplaceOrder {
  const carried = server.spec.lifecycle.preserve;
  // Whatever the old one writes after its files were copied would be lost, and it writes until its last session ended.
  if (isNonEmpty(carried)) {
    return { order: 'stop-first', why: `files at ${carried.join(', ')} are carried over when nothing writes to them` };
  }
  const declared = asDeclared(server);
  const { writes } = declared;
  const isShared = writeTogether(declared, asFound(old)) || upAndWriting(others, declared).length > 0;
  if (writes === undefined || !isShared) return { order: 'start-first' };
  return {
    order: 'stop-first',
    why: `${writes.type} ${writes.source} at ${writes.target} cannot be written by two generations`,
  };
}
