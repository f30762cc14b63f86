// The conversations that the page knows: kept unless something newer is known. Those who show them are called after a change.

import { ApiError, call } from './api.js';

/** An ended conversation is forgotten some time after it was read, so that a page that is open all day does not grow. */
const ENDED_KEPT_MS = 3_600_000;

const listeners = new Set();
let notifying = false;
export const inbox = fresh();

function fresh() {
  return { byId: new Map(), etags: new Map(), loaded: false, complete: false, limited: false, error: null, version: 0 };
}

/** Calls `does()` after changes, at most once per frame. */
export function onInbox(does) {
  listeners.add(does);
  return () => listeners.delete(does);
}

function changed() {
  inbox.version += 1;
  if (notifying) return;
  notifying = true;
  // A hidden tab gets no frames.
  const later = document.hidden ? (does) => setTimeout(does, 200) : requestAnimationFrame;
  later(() => {
    notifying = false;
    for (const does of listeners) does();
  });
}

/** Keeps what an answer said of a conversation, unless something newer is known. */
export function keep(conversation, etag) {
  const known = inbox.byId.get(conversation.id);
  if (known && Date.parse(known.last_activity) > Date.parse(conversation.last_activity)) return;
  // Not every answer has the last words.
  const lastMessage = conversation.last_message ?? known?.last_message ?? null;
  inbox.byId.set(conversation.id, { ...conversation, last_message: lastMessage, read_at: Date.now() });
  if (etag) inbox.etags.set(conversation.id, etag);
  changed();
}

/** Keeps the customer's text of an event as the last words of its conversation, until that is read. */
export function keepText({ conversation_id: id, occurred_at: at, data }) {
  const known = inbox.byId.get(id);
  if (!known || !isNewer(at, known.last_message)) return;
  const lastMessage = { direction: 'inbound', sender_type: 'customer', body: data.body, created_at: at };
  inbox.byId.set(id, { ...known, last_message: lastMessage });
  changed();
}

/** An event that comes after an outage may be older than what was read meanwhile. */
const isNewer = (at, message) => !message || Date.parse(at) > Date.parse(message.created_at);

/** Sets something of the inbox beside its conversations. */
export function set(part) {
  Object.assign(inbox, part);
  changed();
}

export const empty = () => set(fresh());

/** Forgets the ended conversations that were read long ago. */
export function forgetEnded(now = Date.now()) {
  for (const { id, status, read_at: readAt } of inbox.byId.values()) {
    if (status !== 'completed' || now - readAt < ENDED_KEPT_MS) continue;
    inbox.byId.delete(id);
    inbox.etags.delete(id);
    changed();
  }
}

/** Reads a conversation anew; answers it, or null if the key sees no such conversation. */
export async function refresh(id) {
  try {
    const { data, etag } = await call('GET', `/conversations/${encodeURIComponent(id)}?last_message=true`);
    keep(data, etag);
    return inbox.byId.get(id);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    inbox.byId.delete(id);
    inbox.etags.delete(id);
    changed();
    return null;
  }
}
