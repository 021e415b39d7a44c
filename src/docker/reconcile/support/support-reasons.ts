import { isNonEmpty, type Reason } from '../../../model/plan.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import { resolveShape, unknownImage } from '../../model/resolve-shape.ts';
import { type ContainerShape, liveFields } from '../../model/shape.ts';
import type { PlannedContainer } from '../../steps.ts';
import { compareShapes } from '../compare/compare-shapes.ts';
import { stateReason } from '../step-builders.ts';

/** Why a relay or a forwarder that is there cannot stay, and why it has to be started. */
export type SupportReasons = { readonly stale: readonly Reason[]; readonly state: readonly Reason[] };

/** A container behind servers, held against what it should be: made of `image`, which may have to be pulled. */
export function supportReasons(
  container: ObservedContainer,
  { name, template }: PlannedContainer,
  image: string,
  { images }: Observed,
): SupportReasons {
  const facts = images[image] ?? null;
  const imageKnown = facts !== null && facts.id === container.shape.imageId;
  const wanted = resolveShape(template, facts ?? unknownImage(container.shape.imageId, image));
  const fields = compareShapes(wanted, container.shape, imageKnown);
  const state = stateReason(container);
  const isBroken = state?.kind === 'unhealthy';
  // An image that is not on the engine is one that must be pulled, unless it is what the container was made from.
  const isOther = facts === null ? container.imageRef !== image : !imageKnown;
  return {
    stale: [
      ...(container.name === name ? [] : [{ kind: 'misnamed', name: container.name } as const]),
      ...(isOther
        ? [{ kind: 'image-changed', fields: [{ path: 'image', from: container.imageRef, to: image }] } as const]
        : []),
      ...(isNonEmpty(fields) ? [{ kind: 'live-drift', fields } as const] : []),
      ...(isBroken ? [state] : []),
    ],
    state: state === undefined || isBroken ? [] : [state],
  };
}

/** What of a container behind servers is not as it is made, whatever its image: by the paths of its fields. */
export function changedFields(
  { shape, imageRef }: ObservedContainer,
  { template }: PlannedContainer,
): readonly string[] {
  const wanted = resolveShape(template, unknownImage(shape.imageId, imageRef));
  // Its program is given to it whole, and so no part of what its image decides.
  const program = ({ entrypoint, command }: ContainerShape): string => JSON.stringify([entrypoint, command]);
  return [
    ...compareShapes(wanted, shape, false).map(({ path }) => path),
    ...(program(wanted) === program(shape) ? [] : [liveFields.command.path]),
  ];
}
