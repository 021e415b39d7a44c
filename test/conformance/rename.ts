import { registerHooks } from 'node:module';
import { joinedName } from '../../src/model/values/joined-names.ts';

// Loaded before the suite: it then asks for its tools and prompts by the names that they have among all servers,
// where one `everything` serves them.

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith('/@modelcontextprotocol/conformance/dist/index.js')) return loaded;
    const names = /\b(test_[a-z0-9_]+|json_schema_2020_12_tool)\b/g;
    return { ...loaded, source: String(loaded.source).replace(names, (name) => joinedName('everything', name)) };
  },
});
