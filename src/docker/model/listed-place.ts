import type { ListedPlace } from '../../model/server-view.ts';

/** Where a server finds the hosts of its list: in one of the subnets of `way-out.ts`. */
export const listedPlace: ListedPlace = {
  address: /\b169\.254\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\b/,
  range: '169.254.0.0/16',
};
