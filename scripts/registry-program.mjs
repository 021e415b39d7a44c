import { registryProgram } from './lib/registry-program.mjs';

/** Prints the path of a registry server that tests can start; fetches one where there is none. */
try {
  console.log(await registryProgram());
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
