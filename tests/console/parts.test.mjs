// Parts of the console that need no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count } from '../../console/segments.js';

const kept = new Map();
const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) };
const page = { documentElement: {}, hidden: true, baseURI: 'http://127.0.0.1/console/' };
Object.assign(globalThis, { sessionStorage: storage, localStorage: storage, document: page });
Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en-US'] }, configurable: true });
const { parser, start, stop } = await import('../../console/stream.js');
const { serverClock, session } = await import('../../console/api.js');
const { startInbox, stopInbox } = await import('../../console/follow.js');
const { left, span } = await import('../../console/format.js');
const { compare } = await import('../../console/order.js');
const { forgetEnded, inbox, keep } = await import('../../console/store.js');
const { isInHand } = await import('../../console/alarm.js');
const { atMost } = await import('../../console/notices.js');
const { written } = await import('../../console/pages/business.js');

// The cases of src/domain/sms_segments.rs and src/domain/typography.rs.
for (const [name, text, segments] of [
  ['nothing', '', 1], ['one that is full', 'a'.repeat(160), 1], ['one too many', 'a'.repeat(161), 2], ['two that are full', 'a'.repeat(306), 2],
  ['a third', 'a'.repeat(307), 3], ['signs that count twice', '€'.repeat(80), 1], ['one of them too many', '€'.repeat(81), 2],
  ['Unicode', 'ж'.repeat(70), 1], ['too much of it', 'ж'.repeat(71), 2], ['emoji', '🚰'.repeat(35), 1], ['one emoji too many', '🚰'.repeat(36), 2],
  ['accents outside GSM-7', 'á'.repeat(71), 2], ['Spanish inside GSM-7', 'ñ¿'.repeat(80), 1], ['typographic signs', '“’–” '.repeat(32), 1],
]) {
  test(`counts the segments of ${name}`, () => assert.equal(count(text).segments, segments));
}

test('says what is left in the last segment', () => {
  assert.deepEqual(count('a'.repeat(150)), { segments: 1, characters: 150, left: 10, isGsm: true });
  assert.deepEqual(count('a'.repeat(161)), { segments: 2, characters: 161, left: 145, isGsm: true });
  assert.equal(count('🚰').isGsm, false);
});

test('reads events that come in pieces', () => {
  const parse = parser();
  assert.deepEqual(parse(': keep-alive\n\nid: 7\neve'), []);
  assert.deepEqual(parse('nt: message.sent\ndata: {"a":1}\r\n\r'), []);
  assert.deepEqual(parse('\nid: 8\ndata: one\ndata: two\n\n'), [{ id: '7', data: '{"a":1}' }, { id: '8', data: 'one\ntwo' }]);
});

test('counts down to 0:00 at the deadline, and not before', () => {
  const at = '2026-11-30T12:00:00Z';
  const words = (before) => left(at, Date.parse(at) - before);
  assert.deepEqual([60_000, 59_001, 1_000, 1, 0, -5_000].map(words), ['1:00', '1:00', '0:01', '0:01', '0:00', '0:00']);
  assert.equal(span(3_661_000), '1:01:01');
});

test('takes the clock of the server if ours is wrong, and ours if it may be right', () => {
  const date = (ms) => new Date(ms).toUTCString();
  serverClock.learn(date(Date.now()), Date.now());
  assert.ok(Math.abs(serverClock.now() - Date.now()) < 50);
  serverClock.learn(date(Date.now() + 3_600_000), Date.now());
  assert.ok(Math.abs(serverClock.now() - Date.now() - 3_600_000) < 1_000);
});

test('puts emergencies first, then who waits longest, then the newest activity', () => {
  const of = (id, more) => ({ id, status: 'ai_handling', emergency_detected: false, waiting_since: null, last_activity: '2026-11-30T10:00:00Z', ...more });
  const all = [
    of('old', { last_activity: '2026-11-30T08:00:00Z' }), of('new', {}), of('waits', { waiting_since: '2026-11-30T09:59:00Z' }),
    of('waits longer', { waiting_since: '2026-11-30T09:00:00Z' }), of('emergency', { emergency_detected: true, last_activity: '2026-11-30T07:00:00Z' }),
    of('over', { emergency_detected: true, status: 'completed', last_activity: '2026-11-30T06:00:00Z' }),
  ];
  assert.deepEqual(all.sort(compare).map(({ id }) => id), ['emergency', 'waits longer', 'waits', 'new', 'old', 'over']);
});

test('forgets an ended conversation some time after it was read, and no open one', () => {
  const of = (id, status) => ({ id, status, last_activity: '2026-11-30T10:00:00Z' });
  keep(of('open', 'ai_handling'), '"1"');
  keep(of('ended', 'completed'), '"2"');
  const minutes = (n) => Date.now() + n * 60_000;
  forgetEnded(minutes(59));
  assert.deepEqual([...inbox.byId.keys()], ['open', 'ended']);
  forgetEnded(minutes(61));
  assert.deepEqual([...inbox.byId.keys()], ['open']);
  assert.deepEqual([...inbox.etags.keys()], ['open']);
});

for (const [name, minutes, answer, expected] of [
  ['a new one, whatever is read', 1, () => Response.json({ emergency_detected: true, ownership: 'user' }), false],
  ['an old one that nobody has', 3, () => Response.json({ emergency_detected: true, ownership: 'ai' }), false],
  ['an old one that a person has', 3, () => Response.json({ emergency_detected: true, ownership: 'user' }), true],
  ['an old one that was a false alarm', 3, () => Response.json({ emergency_detected: false, ownership: 'ai' }), true],
  ['an old one of a conversation that is not there', 3, () => Response.json({}, { status: 404 }), true],
  ['an old one that cannot be read', 3, () => Response.json({}, { status: 503 }), false],
  ['an old one, and nothing answers', 3, () => { throw new TypeError('no network'); }, false],
]) {
  test(`says whether an emergency is in hand: ${name}`, async (t) => {
    t.mock.method(globalThis, 'fetch', async () => {
      const said = answer();
      return said.ok ? Response.json({ id: name, status: 'ai_handling', last_activity: '2026-11-30T10:00:00Z', ...(await said.json()) }) : said;
    });
    const at = new Date(serverClock.now() - minutes * 60_000).toISOString();
    assert.equal(await isInHand({ occurred_at: at, conversation_id: name }), expected);
  });
}

/**
 * A service with the conversations `first` on its first pages, whose key has `remaining` of 1000 requests left, fewer with each if
 * it `isSpent`. `read` has the ids that were read each by itself, and `pages` counts the pages of the list. `tell` sends an event
 * of each id, `pass` lets time pass.
 */
function service(t, { first = [], remaining = 1000, isSpent = false } = {}) {
  let events;
  const world = { remaining, isSpent, read: [], pages: 0, fails: () => false };
  const of = (id) => ({ id, status: 'ai_handling', last_activity: '2026-11-30T10:00:00Z' });
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  t.mock.method(globalThis, 'fetch', async (url) => {
    const { pathname } = new URL(url);
    if (pathname === '/events') return new Response(new ReadableStream({ start: (into) => { events = into; } }));
    if (world.isSpent) world.remaining -= 1;
    const id = /^\/conversations\/(.+)$/.exec(pathname)?.[1];
    if (id) world.read.push(id);
    else world.pages += 1;
    const headers = { 'RateLimit-Limit': '1000', 'RateLimit-Remaining': String(world.remaining) };
    if (id && world.fails(id)) return Response.json({}, { status: 503, headers });
    return Response.json(id ? of(id) : { conversations: first.map(of), next_cursor: null }, { headers });
  });
  const settle = async () => { for (let n = 0; n < 50; n += 1) await new Promise(setImmediate); };
  world.pass = async (ms) => {
    for (let passed = 0; passed < ms; passed += 100) {
      t.mock.timers.tick(100);
      await settle();
    }
  };
  world.tell = async (...ids) => {
    const said = ids.map((id) => `data: ${JSON.stringify({ event_type: 'message.sent', conversation_id: id })}\n\n`);
    events.enqueue(new TextEncoder().encode(said.join('')));
    await settle();
  };
  world.begin = async () => {
    session.begin('a key');
    start();
    startInbox();
    await world.pass(200);
    Object.assign(world, { read: [], pages: 0 });
  };
  t.after(async () => {
    session.end();
    stop();
    stopInbox();
    // Whatever still waits ends.
    await world.pass(10_000);
    t.mock.timers.reset();
  });
  return world;
}
const numbered = (count) => Array.from({ length: count }, (_, n) => `old-${n}`);

test('reads what is new before all of a backlog, though the key has few requests left', async (t) => {
  const world = service(t, { remaining: 50 });
  await world.begin();
  await world.tell(...numbered(200));
  await world.pass(10_000);
  await world.tell('new');
  world.read = [];
  await world.pass(10_000);
  assert.ok(world.read.includes('new'), world.read.join(' '));
  // Each is read in the end, and once.
  await world.pass(400_000);
  assert.equal(inbox.byId.size, 201);
  assert.equal(new Set(world.read).size, world.read.length);
});

test('reads all of a backlog, though new events never cease', async (t) => {
  const world = service(t, { remaining: 50, first: numbered(8).map((id) => `busy-${id}`) });
  await world.begin();
  await world.tell(...numbered(20));
  for (let n = 0; n < 25; n += 1) {
    await world.tell(...numbered(8).map((id) => `busy-${id}`));
    await world.pass(5_000);
  }
  assert.equal(world.read.filter((id) => id.startsWith('old')).length, 20);
  assert.equal(new Set(world.read).size, 20, world.read.join(' '));
});

test('reads a backlog slowly as soon as the key has few requests left', async (t) => {
  const world = service(t, { remaining: 300, isSpent: true });
  await world.begin();
  await world.tell(...numbered(300));
  await world.pass(5_000);
  Object.assign(world, { read: [], pages: 0 });
  await world.pass(20_000);
  assert.ok(world.remaining < 200 && world.read.length > 0 && world.read.length + world.pages <= 16, `${world.read.length} ${world.pages}`);
  world.isSpent = false;
  await world.pass(400_000);
  assert.equal(inbox.byId.size, 300);
});

test('reads again what could not be read, and it keeps no other from being read', async (t) => {
  const world = service(t);
  await world.begin();
  world.fails = (id) => id === 'old-0';
  await world.tell(...numbered(100));
  await world.pass(10_000);
  await world.tell('new');
  await world.pass(10_000);
  assert.deepEqual([inbox.byId.size, inbox.byId.has('old-0'), inbox.byId.has('new')], [100, false, true]);
  world.fails = () => false;
  await world.pass(5_000);
  assert.ok(inbox.byId.has('old-0'));
});

test('drops no notice that stays for one that does not, and shows few all the same', () => {
  const shown = (words) => atMost(words.split(' ').map((text) => ({ text, stays: text === text.toUpperCase() }))).map(({ text }) => text).join(' ');
  assert.equal(shown('a b c d'), 'a b c d');
  assert.equal(shown('a b c d e'), 'b c d e');
  assert.equal(shown('A b C d E'), 'A C d E');
  assert.equal(shown('A B C D e'), 'A B C D e');
  assert.equal(shown('A B C D e f'), 'A B C D f');
  assert.equal(shown('A B C D e F'), 'B C D e F');
});

test('takes what the service finds out about a Twilio account for no change of the business', () => {
  const of = (twilio) => written({ name: 'Joe', twilio, updated_at: '2026-11-30T10:00:00Z' });
  const account = { account_sid: 'AC1', status: 'pending', has_auth_token_next: false };
  assert.equal(of(account), of({ ...account, status: 'proven', has_auth_token_next: true }));
  assert.notEqual(of(account), of({ ...account, account_sid: 'AC2' }));
  assert.notEqual(of(account), of(undefined));
});
