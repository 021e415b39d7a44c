import { allImages, ensureBaseImages } from './lib/base-images.mjs';
import { ensureEngine } from './lib/ensure-engine.mjs';

/** Makes sure that the named base images (else all that examples and tests need) are on the engine. */
async function main(tags) {
  const { host } = await ensureEngine(console.log);
  const results = await ensureBaseImages(host, tags.length > 0 ? tags : allImages, console.log);
  for (const { tag, how } of results) console.log(`${tag}: ${how === 'there' ? 'already there' : how}`);
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
