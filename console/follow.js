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
/** If more conversations than this changed at once, the first pages are read before those that are left. */
const MANY = 12;
/** The same while the key has few requests left: as many as the first pages cost. */
const SCARCE_MANY = 3;
const FORGET_EACH_MS = 600_000;
const OPEN = ['active', 'ai_handling', 'user_handling'];

let run = 0;
let dirty = new Set();
let flushing = false;
let forgetting;

/** Begins to load, and to follow the events. */
export function startInbox() {
  const mine = (run += 1);
  empty();
  dirty = new Set();
  load(mine);
  clearInterval(forgetting);
  forgetting = setInterval(forgetEnded, FORGET_EACH_MS);
}

export function stopInbox() {
  run += 1;
  clearInterval(forgetting);
  empty();
  dirty = new Set();
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
  while (dirty.size && session.key) {
    await pause(session.isScarce ? SCARCE_WAIT_MS : DIRTY_WAIT_MS);
    await readDirty(run).catch(() => pause(2000));
  }
  flushing = false;
}

async function readDirty(mine) {
  const many = session.isScarce ? SCARCE_MANY : MANY;
  const ids = [...dirty];
  // After an outage many may have changed: the first pages have most of them.
  const read = ids.length > many ? await reading(ids, () => heads(mine)) : new Set();
  const others = ids.filter((id) => !read.has(id));
  others.forEach((id) => dirty.add(id));
  for (let at = 0; at < others.length && mine === run; at += many) {
    if (at && session.isScarce) await pause(SCARCE_WAIT_MS);
    await Promise.all(others.slice(at, at + many).map((id) => reading([id], () => refresh(id))));
  }
}

/** Reads what is dirty: it is so again if that fails, or after an event meanwhile. */
async function reading(ids, read) {
  const mine = run;
  ids.forEach((id) => dirty.delete(id));
  try {
    return await read();
  } catch (error) {
    if (mine === run) ids.forEach((id) => dirty.add(id));
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
