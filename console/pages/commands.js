// What a person may do in a conversation, and what the server says to it, in plain words.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { ApiError, Unreachable, call, pause } from '../api.js';
import { Area, FormDialog, Text } from '../form.js';
import { person, phone } from '../format.js';
import { t } from '../i18n.js';
import { useChanges } from '../loading.js';
import { notify } from '../notices.js';
import { count, MAX_CHARACTERS } from '../segments.js';
import { keep, refresh } from '../store.js';
import { errorWords } from '../ui.js';

// What the person has seen of each conversation: the ETag before its texts were read.
const seen = new Map();
export const sawWith = (id, etag) => seen.set(id, etag);

/** If the process died that had a command, the next one takes it after a minute. */
const UNDER_WAY_MS = 75_000;

/** A command as the person, if it fits what they have seen. Throws an error whose message is for people. */
async function command(conversation, access, path, body, idempotencyKey = crypto.randomUUID()) {
  const whole = access.user ? { user_id: access.user, ...body } : body;
  const options = { body: whole, ifMatch: seen.get(conversation.id), idempotencyKey };
  try {
    const answer = await untilAnswered(() => call('POST', `/conversations/${conversation.id}${path}`, options));
    if (answer.etag) seen.set(conversation.id, answer.etag);
    return answer;
  } catch (error) {
    throw await inWords(error, conversation);
  }
}

/** Sends once more if the answer was lost, and while an earlier try is under way. The same key makes that harmless. */
async function untilAnswered(send) {
  const end = Date.now() + UNDER_WAY_MS;
  let wasLost = false;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (error.isUnderWay && Date.now() < end) await pause(1000 * error.retryAfter);
      else if (error instanceof Unreachable && !wasLost) wasLost = true;
      else throw error;
    }
  }
}

/** Gives an error the words of the page. */
async function inWords(error, conversation) {
  if (!(error instanceof ApiError)) return error;
  const words = await wordsOf(error, conversation);
  return words ? Object.assign(error, { message: words, isOurs: true }) : error;
}

async function wordsOf(error, conversation) {
  if (error.status === 412) {
    const now = await refresh(conversation.id).catch(() => null);
    return now?.ownership === 'user' && now.owned_by
      ? t('The conversation has changed since you looked: {user} has it now. Look at it, then try again.', { user: person(now.owned_by) })
      : t('The conversation has changed since you looked. Look at what is new, then try again.');
  }
  if (error.code === 'OPTED_OUT') return t('The customer wants no texts, so nothing was sent. Call them instead.');
  if (error.isUnderWay) return t('It is not known yet whether this was done. Wait a minute, then try again: it is done once.');
  if (error.status === 409) {
    await refresh(conversation.id).catch(() => null);
    return t('That is not possible now: {why}', { why: error.message });
  }
  if (error.code === 'VALIDATION_FAILED' && error.details.some(({ field }) => field === 'user_id')) {
    return t('The service does not know who you are. Sign in again with your user id, or with a key of your own.');
  }
  return null;
}

const addressOf = (conversation) => `#/conversation/${encodeURIComponent(conversation.id)}`;
const isShown = (conversation) => location.hash === addressOf(conversation);

/** Says something of a conversation: on another page with its number and a link to it. */
function say(conversation, words, { urgent = false, link } = {}) {
  if (isShown(conversation)) notify(words, { urgent, link });
  else notify(`${phone(conversation.customer_phone)}: ${words}`, { urgent, stays: urgent, link: link ?? addressOf(conversation) });
}

export function Commands({ conversation: c, access, onDone }) {
  const [busy, setBusy] = useState(null);
  const [dialog, setDialog] = useState(null);
  const run = async (name, does) => {
    setBusy(name);
    try {
      await does();
    } catch (error) {
      say(c, errorWords(error), { urgent: true });
    }
    setBusy(null);
    onDone();
  };
  const takeOver = () => run('takeover', async () => {
    const { data, etag } = await command(c, access, '/takeover', { reason: t('Taken over in the console') });
    keep(data.conversation, etag);
    sayTakenOver(data, access);
  });
  const release = () => run('release', async () => {
    const { data, etag } = await command(c, access, '/release', {});
    if (data?.id) keep(data, etag);
    say(c, t('The AI has it again.'));
  });
  const isOpen = c.status !== 'completed';
  const isMine = c.ownership === 'user' && (!access.user || !c.owned_by || c.owned_by === access.user);
  const button = (name, key, words, does, kind = '') => h('button', {
    type: 'button', class: kind, disabled: busy !== null, onClick: does, 'aria-keyshortcuts': key,
  }, busy === name ? t('Please wait…') : words);
  return h('section', { class: 'commands', 'aria-label': t('What you can do') },
    h('div', { class: 'row' },
      isOpen && c.ownership !== 'user' && button('takeover', 't', t('Take over'), takeOver, 'main'),
      isOpen && c.ownership === 'user' && button('release', 'a', t('Give back to the AI'), release),
      isOpen && button('complete', 'c', t('End the conversation'), () => setDialog('complete')),
      c.emergency_detected && button('false-alarm', 'f', t('False alarm'), () => setDialog('false-alarm'))),
    busy === 'takeover' && h('p', { role: 'status' }, t('If a text of the AI is on its way, this waits for it, up to 30 seconds.')),
    isOpen && !isMine && c.ownership === 'user' && h('p', { class: 'small' }, t('{user} has this conversation. What you write is sent as well.', { user: person(c.owned_by) ?? t('A person') })),
    isOpen && h(Reply, { conversation: c, access, onDone }),
    !isOpen && h('p', null, t('The conversation has ended. The customer’s next text opens it again.')),
    dialog === 'complete' && h(Complete, { conversation: c, access, onClose: () => setDialog(null), onDone }),
    dialog === 'false-alarm' && h(FormDialog, {
      title: t('False alarm?'), confirm: t('It is a false alarm'), onClose: () => setDialog(null),
      send: async () => {
        await command(c, access, '/false-alarm', {});
        say(c, t('The alerts stop.'));
        onDone();
      },
    }, h('p', null, t('The owner and the emergency contacts get no more alerts, and the conversation goes on as an ordinary one.'))));
}

function sayTakenOver({ ownership_changed: changed, in_flight: inFlight, other_conversations: others, conversation: c }, access) {
  if (!changed) {
    const owner = c.owned_by ?? t('A person');
    say(c, owner === access.user ? t('You had it already.') : t('{user} already has it.', { user: person(owner) }));
  } else if (inFlight) {
    say(c, t('You have it. One text of the AI was already on its way and may still arrive.'), { urgent: true });
  } else {
    say(c, t('You have it. The AI writes nothing more here.'));
  }
  if (others.length) {
    say(c, t('The same customer also writes to another number of the business, where the AI still answers.'), {
      urgent: true, link: `#/conversation/${others[0]}`,
    });
  }
}

// What is written in each conversation, and whether it is being sent, survives a look at another page.
const replies = new Map();
const watchers = new Set();
const onReplies = (does) => {
  watchers.add(does);
  return () => watchers.delete(does);
};
/** `tried` has the text whose answer was lost, and its key: sent again, the customer gets it once. */
const NOTHING = { text: '', busy: false, error: null, tried: null };

function update(id, part) {
  replies.set(id, { ...(replies.get(id) ?? NOTHING), ...part });
  for (const does of watchers) does();
}

/** Whether an error says for certain that nothing was done. */
const isFinal = (error) => error instanceof ApiError && error.status < 500 && error.status !== 429 && !error.isUnderWay;

async function sendReply(conversation, access, text) {
  const before = replies.get(conversation.id)?.tried;
  const tried = before?.text === text ? before : { text, key: crypto.randomUUID() };
  update(conversation.id, { busy: true, error: null, tried });
  try {
    await command(conversation, access, '/messages', { body: text }, tried.key);
    update(conversation.id, { busy: false, text: '', tried: null });
  } catch (error) {
    update(conversation.id, { busy: false, error, tried: isFinal(error) ? null : tried });
    if (!isShown(conversation)) say(conversation, t('Your text was not sent: {why}', { why: errorWords(error) }), { urgent: true });
  }
}

function Reply({ conversation: c, access, onDone }) {
  useChanges(onReplies);
  const { text, busy, error } = replies.get(c.id) ?? NOTHING;
  const { segments, characters, left, isGsm } = count(text);
  const tooLong = characters > MAX_CHARACTERS;
  const send = async (event) => {
    event?.preventDefault();
    if (!text.trim() || tooLong || busy) return;
    await sendReply(c, access, text);
    onDone();
  };
  const words = [
    segments === 1 ? t('1 segment') : t('{n} segments', { n: segments }),
    t('{n} characters left in it', { n: left }),
    !isGsm && t('with signs such as emoji a segment is shorter'),
  ].filter(Boolean).join(', ');
  return h('form', { class: 'reply', onSubmit: send },
    h(Area, {
      label: t('Write to the customer'), value: text, onInput: (typed) => update(c.id, { text: typed }), rows: 3, readOnly: busy,
      error: tooLong ? t('At most {n} characters.', { n: MAX_CHARACTERS }) : error && errorWords(error),
      hint: c.ownership === 'user' ? null : t('Sending takes the conversation over.'),
      inputRef: (area) => area?.setAttribute('aria-keyshortcuts', 'r'),
      onKeyDown: (event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && send(event),
    }),
    h('div', { class: 'row' },
      h('button', { type: 'submit', class: 'main', disabled: busy || !text.trim() || tooLong }, busy ? t('Please wait…') : t('Send')),
      h('span', { class: 'small segments' }, text ? words : '')));
}

function Complete({ conversation: c, access, onClose, onDone }) {
  const [outcome, setOutcome] = useState('');
  const [summary, setSummary] = useState('');
  return h(FormDialog, {
    title: t('End the conversation'), confirm: t('End it'), onClose,
    send: async () => {
      const { data, etag } = await command(c, access, '/complete', { outcome, ...(summary ? { summary } : {}) });
      if (data?.id) keep(data, etag);
      onDone();
    },
  }, (errors) => [
    h(Text, { label: t('Outcome'), hint: t('A word such as “booked” or “declined”.'), value: outcome, onInput: setOutcome, required: true, error: errors.outcome }),
    h(Area, { label: t('Summary (optional)'), value: summary, onInput: setSummary, error: errors.summary }),
  ]);
}
