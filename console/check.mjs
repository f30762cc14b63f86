// Checks what no compiler does: each text has its Spanish with the same `{names}`, and the scripts are small when compressed.
import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { es } from './es.js';

const MOST_BYTES = 150_000;
const folder = new URL('./', import.meta.url);
const scripts = ['', 'pages/', 'vendor/'].flatMap((within) =>
  readdirSync(new URL(within, folder)).filter((name) => name.endsWith('.js')).map((name) => within + name));
const wrong = [];
const used = new Set();
let bytes = 0;
for (const path of scripts) {
  const text = readFileSync(new URL(path, folder), 'utf8');
  bytes += gzipSync(text).length;
  if (path === 'es.js' || path.startsWith('vendor/')) continue;
  for (const [, words] of text.matchAll(/\bt\(\s*'((?:[^'\\]|\\.)*)'/g)) used.add(words);
  // After a condition, as in t(one ? 'a' : 'b'), the words would not be found.
  if (/\bt\(\s*[^'\s)]/.test(text.replace(/function t\(/, ''))) wrong.push(`${path}: t() without a text of its own`);
  if (/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/.test(text)) wrong.push(`${path}: makes markup or code from text`);
}
// The preview of a text that a business has not changed is what the service sends.
const texts = readFileSync(new URL('../src/domain/conversation/rules/texts.rs', folder), 'utf8');
const templates = readFileSync(new URL('pages/templates.js', folder), 'utf8');
const [, defaults] = /const DEFAULTS = \{([^]*?)\n\};/.exec(templates);
const rust = texts.replace(/\\\n\s*/g, '');
for (const [, , text] of defaults.matchAll(/: (["'])(.*)\1,/g)) {
  for (const part of text.split(/\{\w+\}/).map((each) => each.trim()).filter((each) => each.length > 2)) {
    if (!rust.includes(part)) wrong.push(`pages/templates.js: texts.rs has no “${part}”`);
  }
}
const names = (text) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort().join(' ');
for (const words of used) {
  if (!(words in es)) wrong.push(`es.js lacks: ${words}`);
  else if (names(words) !== names(es[words])) wrong.push(`es.js has other names in: ${words}`);
}
for (const words of Object.keys(es)) if (!used.has(words)) wrong.push(`es.js has what nothing uses: ${words}`);
if (bytes > MOST_BYTES) wrong.push(`the scripts have ${bytes} bytes compressed, more than ${MOST_BYTES}`);
for (const each of wrong) console.error(`console/check.mjs: ${each}`);
console.log(`console: ${scripts.length} scripts, ${bytes} bytes compressed, ${used.size} texts in two languages`);
process.exit(wrong.length ? 1 : 0);
