import { asContainerId } from '../../../model/ids.ts';
import { relayDial } from '../../../relay/dial.ts';
import type { Engine } from '../../port.ts';

/** `SessionHost.dial` through the relay that stands on a server's network. */
export const networkDial = ({ exec, containerRunning }: Pick<Engine, 'exec' | 'containerRunning'>): Engine['dial'] =>
  relayDial({
    exec,
    containerRunning,
    placeOf: (_container, { way, host }) => ({ relay: asContainerId(way), host }),
    hints: {
      unable:
        'the image of the relay (LOOMS_RELAY_IMAGE) needs perl, as those of Debian and Ubuntu have it; looms apply makes a relay again that was changed',
      foreign: 'something else runs there: remove the relay of the project, looms apply makes it again',
    },
  });
