// Fills the store: reads the conversations in pages, and keeps them current by the events.

import { get, pause, session } from './api.js';
import { needsPerson } from './order.js';
import { empty, forgetEnded, inbox, keep, keepText, refresh, set } from './store.js';
import { onEvent, onStream, streamState } from './stream.js';

const PAGE = 200;
/** More open conversations than this are not loaded; the search for a number finds the others. */
const MOST = 20_000;
const DIRTY_WAIT_MS = 120;
/** The same while the key has few requests left: many events are one look at the first pages then. */
const SCARCE_WAIT_MS = 5000;
/** If more conversations than this changed at once, the first pages are read instead of each. */
const MANY = 12;
/** The same while the key has few requests left: as many as the first pages cost. */
const SCARCE_MANY = 3;
const FORGET_EACH_MS = 600_000;
const OPEN = ['active', 'ai_handling', 'user_handling'];

let run = 0;
/** The conversations of which an event has come since they were read. No id is here and in `left`. */
let dirty = new Set();
/** Those of them that the first pages did not have, in the order in which they are read. */
let left = new Set();
let flushing = false;
let forgetting;

/** Begins to load, and to follow the events. */
export function startInbox() {
  const mine = (run += 1);
  empty();
  [dirty, left] = [new Set(), new Set()];
  load(mine);
  clearInterval(forgetting);
  forgetting = setInterval(forgetEnded, FORGET_EACH_MS);
}

export function stopInbox() {
  run += 1;
  clearInterval(forgetting);
  empty();
  [dirty, left] = [new Set(), new Set()];
}

async function load(mine) {
  try {
    const heads = await Promise.all([waiting(), emergencies(), ...OPEN.map((status) => page({ status }))]);
    if (mine !== run) return;
    for (const head of heads) for (const conversation of head.conversations) keep(conversation);
    set({ loaded: true, error: null });
    // What happened between the first of these answers and the beginning of the stream.
    if (streamState().live) renew(mine);
    await rest(mine, heads);
  } catch (error) {
    if (mine !== run) return;
    set({ error });
    await pause(3000);
    if (mine === run && session.key) load(mine);
  }
}

/** Everything after the first pages, one request at a time. */
async function rest(mine, heads) {
  const queries = [{ sort: 'waiting' }, { sort: 'emergencies' }, ...OPEN.map((status) => ({ status }))];
  for (const [at, head] of heads.entries()) {
    let cursor = head.next_cursor;
    while (cursor && inbox.byId.size < MOST) {
      if (session.isScarce) await pause(SCARCE_WAIT_MS);
      const next = await page({ ...queries[at], cursor });
      if (mine !== run) return;
      for (const conversation of next.conversations) keep(conversation);
      cursor = next.next_cursor;
    }
    if (cursor) inbox.limited = true;
  }
  set({ complete: !inbox.limited });
}

const page = (query) => get('/conversations', { limit: PAGE, last_message: true, ...query });
const waiting = () => page({ sort: 'waiting' });
const emergencies = () => page({ sort: 'emergencies' });

onEvent((event) => {
  if (!event.conversation_id || !session.key) return;
  if (event.event_type === 'message.received') keepText(event);
  dirty.add(event.conversation_id);
  left.delete(event.conversation_id);
  flush();
});

// The stream resumes after the last event. What happened before its first event, or while it was broken for longer than events
// are kept, is read anew.
onStream((state, before) => {
  if (state.live && !before.live && inbox.loaded) renew(run);
});

/** Reads the first pages anew, until they are there. */
async function renew(mine) {
  const before = new Set([...inbox.byId.values()].filter(needsPerson).map(({ id }) => id));
  while (mine === run && session.key) {
    try {
      await heads(mine);
      if (mine === run && !streamState().resumed) sayFound(before);
      return;
    } catch {
      await pause(2000);
    }
  }
}

const foundListeners = new Set();

/** Calls `does(conversation)` for each emergency that came while no event could say so; returns what ends that. */
export function onFound(does) {
  foundListeners.add(does);
  return () => foundListeners.delete(does);
}

function sayFound(before) {
  const found = [...inbox.byId.values()].filter((conversation) => needsPerson(conversation) && !before.has(conversation.id));
  for (const conversation of found) for (const does of foundListeners) does(conversation);
}

async function flush() {
  if (flushing) return;
  flushing = true;
  while ((dirty.size || left.size) && session.key) {
    await pause(session.isScarce ? SCARCE_WAIT_MS : DIRTY_WAIT_MS);
    await readDirty().catch(() => pause(2000));
  }
  flushing = false;
}

/** Reads what is new, and some of what is left: after an outage that may be much, and neither waits for all of the other. */
async function readDirty() {
  const many = session.isScarce ? SCARCE_MANY : MANY;
  const ids = [...dirty];
  // One at least, so that all are read though new events may never cease.
  const others = [...left].slice(0, Math.max(1, many - ids.length));
  await Promise.all([ids.length > many ? readFirst(ids) : each(ids, dirty), each(others, left)]);
}

async function readFirst(ids) {
  const mine = run;
  const read = await reading(ids, () => heads(mine), dirty);
  if (mine === run) ids.filter((id) => !read.has(id) && !dirty.has(id)).forEach((id) => left.add(id));
}

const each = (ids, again) => Promise.all(ids.map((id) => reading([id], () => refresh(id), again)));

/** Reads what is dirty or left. If that fails, it is put back to be read `again`, if no event has made it dirty meanwhile. */
async function reading(ids, read, again) {
  ids.forEach((id) => dirty.delete(id) || left.delete(id));
  try {
    return await read();
  } catch (error) {
    ids.filter((id) => !dirty.has(id)).forEach((id) => again.add(id));
    throw error;
  }
}

/** Reads the first pages, and answers the ids of what they have. */
async function heads(mine) {
  const all = await Promise.all([waiting(), emergencies(), page({})]);
  const read = all.flatMap((head) => head.conversations);
  if (mine === run) read.forEach((conversation) => keep(conversation));
  return new Set(read.map(({ id }) => id));
}
