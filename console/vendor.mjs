// Copies Preact from node_modules into vendor/, as modules that a browser loads without a build: the bare name "preact" becomes
// a path, and the reference to a source map goes. `--check` compares instead, and fails if vendor/ is not current.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const from = new URL('./node_modules/preact/', import.meta.url);
const to = new URL('./vendor/', import.meta.url);
const read = (path) => readFileSync(new URL(path, from), 'utf8');
const version = JSON.parse(read('package.json')).version;
const module = (path) =>
  `// Preact ${version}, MIT licence (LICENSE.preact), made by vendor.mjs\n` +
  read(path)
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n')
    .replace(/from\s*"preact"/g, 'from"./preact.js"');
const files = {
  'preact.js': module('dist/preact.mjs'),
  'hooks.js': module('hooks/dist/hooks.mjs'),
  'LICENSE.preact': read('LICENSE'),
};

mkdirSync(to, { recursive: true });
let stale = false;
for (const [name, text] of Object.entries(files)) {
  const path = new URL(name, to);
  if (process.argv.includes('--check')) {
    if (readFileSync(path, 'utf8') !== text) {
      console.error(`console/vendor/${name} is not what package-lock.json names: run "npm ci && npm run vendor" in console/`);
      stale = true;
    }
  } else {
    writeFileSync(path, text);
  }
}
process.exit(stale ? 1 : 0);
