// The event stream: read by fetch, because EventSource cannot send an Authorization header.

import { address, pause, serverClock, session } from './api.js';

/** The server sends something at least every 15 s. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8_000;

const listeners = new Set();
const stateListeners = new Set();
let last = null;
let current = null;
/** `resumed`: whether the events continue where they broke off, rather than begin now. */
let state = { live: false, since: null, everLive: false, isCrowded: false, resumed: false };

/** Calls `does(envelope)` for each event; returns what ends that. */
export function onEvent(does) {
  listeners.add(does);
  return () => listeners.delete(does);
}

/** Calls `does(state, before)` when the stream begins or breaks; returns what ends that. */
export function onStream(does) {
  stateListeners.add(does);
  return () => stateListeners.delete(does);
}

export const streamState = () => state;

function set(next) {
  const before = state;
  state = { ...state, ...next };
  if (before.live !== state.live || before.isCrowded !== state.isCrowded) for (const does of stateListeners) does(state, before);
}

/** Begins to read, and goes on until `stop`. */
export function start() {
  stop();
  current = new AbortController();
  follow(current.signal);
}

export function stop() {
  current?.abort();
  current = null;
  last = null;
  set({ live: false, since: null, everLive: false, isCrowded: false });
}

async function follow(signal) {
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted && session.key) {
    const began = Date.now();
    try {
      await readOnce(signal);
    } catch {
      // An outage of any kind: it is shown, and the next try resumes after the last event.
    }
    if (signal.aborted) return;
    set({ live: false, since: state.live ? serverClock.now() : state.since });
    wait = Date.now() - began > LONGEST_WAIT_MS ? FIRST_WAIT_MS : Math.min(wait * 2, LONGEST_WAIT_MS);
    const waited = new AbortController();
    await Promise.race([pause(wait * (0.75 + Math.random() / 2)), cameBack(waited.signal)]);
    waited.abort();
  }
}

/** The browser says that the network is back. */
const cameBack = (signal) => new Promise((done) => addEventListener('online', done, { once: true, signal }));

async function readOnce(signal) {
  const inner = new AbortController();
  const abort = () => inner.abort();
  signal.addEventListener('abort', abort);
  let silence = setTimeout(abort, SILENCE_MS);
  try {
    const headers = { Authorization: `Bearer ${session.key}`, Accept: 'text/event-stream' };
    if (last !== null) headers['Last-Event-ID'] = last;
    const answer = await fetch(address('/events'), { headers, signal: inner.signal, cache: 'no-store', credentials: 'omit' });
    if (answer.status === 401) return session.end({ refused: true });
    // A rate that is used up is refused with the same status, and soon over.
    set({ isCrowded: answer.status === 429 && answer.headers.get('RateLimit-Remaining') !== '0' });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    set({ live: true, since: null, everLive: true, resumed: 'Last-Event-ID' in headers });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      clearTimeout(silence);
      silence = setTimeout(abort, SILENCE_MS);
      for (const event of parse(value)) tell(event);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener('abort', abort);
    inner.abort();
  }
}

function tell({ id, data }) {
  let envelope;
  try {
    envelope = JSON.parse(data);
  } catch {
    return;
  }
  for (const does of listeners) does(envelope);
  // Only now: what no listener has seen is sent again after an outage.
  if (id) last = id;
}

/** A parser of Server-Sent Events: give it pieces of text, and it returns the events that are complete. */
export function parser() {
  let rest = '';
  let id = null;
  let data = [];
  return (piece) => {
    const events = [];
    rest += piece;
    const lines = rest.split('\n');
    rest = lines.pop();
    for (const ended of lines) {
      const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
      if (line === '') {
        if (data.length) events.push({ id, data: data.join('\n') });
        [id, data] = [null, []];
      } else if (line.startsWith('id:')) {
        id = line.slice(3).trimStart();
      } else if (line.startsWith('data:')) {
        data.push(line.slice(5).replace(/^ /, ''));
      }
    }
    return events;
  };
}
