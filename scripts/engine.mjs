import { logFile, startedPid, stopDockerd } from './lib/dockerd.mjs';
import { ensureEngine, findEngine } from './lib/ensure-engine.mjs';

const usage = 'usage: node scripts/engine.mjs start | stop | status';

/** `start`, `stop` or `status` of the Docker Engine that the other scripts and the tests use. */
async function main(command) {
  switch (command) {
    case 'start': {
      const engine = await ensureEngine(console.log);
      console.log(`Docker Engine ${engine.version} answers on ${engine.host}`);
      return 0;
    }
    case 'stop': {
      const result = await stopDockerd();
      console.log(
        result === 'stopped' ? 'dockerd stopped' : 'nothing to stop: no engine that this script started is running',
      );
      return 0;
    }
    case 'status': {
      const engine = await findEngine();
      const pid = startedPid();
      console.log(engine ? `Docker Engine ${engine.version} answers on ${engine.host}` : 'no Docker Engine answers');
      if (pid) console.log(`started by this script: pid ${pid}, log ${logFile()}`);
      return engine ? 0 : 1;
    }
    default:
      console.error(usage);
      return 64;
  }
}

try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
