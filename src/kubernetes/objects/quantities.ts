/** Binary units of Kubernetes, largest first. */
const units = [
  ['Gi', 1024 ** 3],
  ['Mi', 1024 ** 2],
  ['Ki', 1024],
] as const;

/**
 * Bytes as the API server writes them: in the largest unit that holds them whole. Any other text is changed when it is
 * stored, and looks like drift (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
 */
export function bytesQuantity(bytes: number): string {
  const unit = units.find(([, size]) => bytes >= size && bytes % size === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`;
}

/** Cores as the API server writes them: whole ones, else thousandths, the least that there is of a core. */
export function coresQuantity(cores: number): string {
  const thousandths = Math.ceil(cores * 1000 - 1e-9);
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}
