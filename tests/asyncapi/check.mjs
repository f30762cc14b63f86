// Parses an AsyncAPI document with the official parser, and prints what it finds: `node check.mjs FILE`. Exits with 1 if
// that is an error or a warning. Hints about style do not count.
import { readFile } from 'node:fs/promises';
import { Parser, DiagnosticSeverity } from '@asyncapi/parser';

const file = process.argv[2];
const text = await readFile(file, 'utf8');
const { document, diagnostics } = await new Parser().parse(text);
const wrong = diagnostics.filter(({ severity }) => severity <= DiagnosticSeverity.Warning);
for (const { severity, code, path, message, range } of wrong) {
  const kind = DiagnosticSeverity[severity].toLowerCase();
  console.error(`${file}:${range.start.line + 1}: ${kind}: ${code}: ${message} (${path.join('.')})`);
}
if (!document || wrong.length > 0) process.exit(1);
const count = (collection) => collection.all().length;
console.log(`${file}: AsyncAPI ${document.version()}, ${count(document.channels())} channels, ` +
  `${count(document.operations())} operations, ${count(document.messages())} messages`);
