// A conversation: its texts, what may be done, and why it went as it did.

import { Fragment, h } from '../vendor/preact.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/hooks.js';
import { all, get, serverClock } from '../api.js';
import { exactMoment, exactTime, person, phone, plainWords, urgencyWords, windowWords } from '../format.js';
import { language, t } from '../i18n.js';
import { notify } from '../notices.js';
import { inbox, refresh } from '../store.js';
import { onEvent, onStream } from '../stream.js';
import { Badge, Empty, Failure, Loading, Page } from '../ui.js';
import { Commands, sawWith } from './commands.js';
import { Countdown, Owner, Waits, useInbox } from './inbox.js';
import { Thread } from './thread.js';

/** After an event the record may be a moment behind it. */
const SETTLED_MS = 150;

export function ConversationPage({ argument: id, access }) {
  useInbox();
  // The inbox forgets an ended one, though it is shown here.
  const last = useRef(null);
  const conversation = (last.current = inbox.byId.get(id) ?? last.current);
  const record = useRecord(id, access);
  const [window_, setWindow] = useState(null);
  if (record.missing) {
    return h(Page, { title: t('No such conversation') },
      h(Empty, { title: t('There is nothing here') }, h('a', { href: '#/inbox' }, t('Back to the inbox'))));
  }
  const title = conversation ? phone(conversation.customer_phone) : t('Conversation');
  return h(Page, { title, actions: h('a', { class: 'button', href: '#/inbox' }, t('Back to the inbox')) },
    h(Failure, { error: record.error, retry: record.reload }),
    !conversation || !record.messages ? !record.error && h(Loading) : h('div', { class: 'split' },
      h('div', { class: 'talk' },
        h(Facts, { conversation, access }),
        h(Thread, { messages: record.messages, conversation, onWhy: setWindow }),
        access.may_write && h(Commands, { conversation, access, onDone: record.reload })),
      h('aside', { 'aria-label': t('Why') },
        h(Story, { explanation: record.explanation, chosen: window_ }),
        h(Audit, { audit: record.audit }))));
}

/** Everything of the conversation, read anew after each of its events. */
function useRecord(id, access) {
  const [state, setState] = useState({ messages: null, explanation: null, audit: null, error: null, missing: false });
  const again = useRef(() => {});
  useEffect(() => {
    let over = false;
    let timer = null;
    let turn = 0;
    const read = async () => {
      const mine = (turn += 1);
      const path = `/conversations/${encodeURIComponent(id)}`;
      try {
        if ((await refresh(id)) === null) return over || setState((before) => ({ ...before, missing: true }));
        // What is done is compared with this state: every text of it is among those that are read after it.
        const etag = inbox.etags.get(id);
        const [messages, explanation, audit] = await Promise.allSettled([
          all(`${path}/messages`, 'messages'), get(`${path}/explain`), all(`${path}/audit`, 'audit'),
        ]);
        if (messages.status === 'rejected') throw messages.reason;
        if (over || mine !== turn) return undefined;
        sawWith(id, etag);
        setState((before) => ({
          messages: messages.value, explanation: explanation.value ?? before.explanation, audit: audit.value ?? before.audit,
          error: explanation.reason ?? audit.reason ?? null, missing: false,
        }));
      } catch (error) {
        if (!over && mine === turn) setState((before) => ({ ...before, error }));
      }
      return undefined;
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(read, SETTLED_MS);
    };
    again.current = read;
    read();
    const noEvents = onEvent((event) => {
      if (event.conversation_id !== id) return;
      sayWhoTookIt(event, access);
      soon();
    });
    const noStream = onStream((stream) => stream.live && soon());
    return () => {
      over = true;
      clearTimeout(timer);
      noEvents();
      noStream();
    };
  }, [id]);
  return { ...state, reload: () => again.current() };
}

function sayWhoTookIt(event, access) {
  const isRecent = serverClock.now() - Date.parse(event.occurred_at) < 60_000;
  if (event.event_type !== 'conversation.user_taken' || event.data.by === access.user || !isRecent) return;
  notify(t('{user} has taken this conversation over.', { user: person(event.data.by) }));
}

function Facts({ conversation: c, access }) {
  const facts = [
    [t('Business'), h('a', { href: `#/business/${encodeURIComponent(c.business_id)}` }, c.business_id)],
    [t('Number'), phone(c.business_phone)],
    c.job_type && [t('Job'), plainWords(c.job_type)],
    c.urgency_level && [t('Urgency'), urgencyWords(c.urgency_level)],
    c.outcome && [t('Outcome'), plainWords(c.outcome)],
    c.summary && [t('Summary'), c.summary],
  ].filter(Boolean);
  return h('section', { class: 'facts', 'aria-label': t('State') },
    h('p', { class: 'line' },
      h(Owner, { conversation: c, access }),
      c.emergency_detected && h(Badge, { kind: 'bad' }, t('Emergency')),
      c.opted_out && h(Badge, { kind: 'bad' }, t('Wants no texts')),
      h(Waits, { conversation: c }), h(Countdown, { conversation: c }),
      h('a', { href: `tel:${c.customer_phone}` }, t('Call {phone}', { phone: phone(c.customer_phone) }))),
    h('dl', null, facts.map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value)))));
}

/** The story of each window; the server tells it in English. */
function Story({ explanation, chosen }) {
  const place = useRef();
  useLayoutEffect(() => {
    if (!chosen) return;
    const section = document.getElementById(`window-${chosen.id}`);
    section?.scrollIntoView({ block: 'nearest' });
    section?.focus({ preventScroll: true });
  }, [chosen]);
  if (!explanation) return null;
  return h('section', { ref: place },
    h('h2', null, t('Why it went as it did')),
    explanation.windows.length === 0 && h('p', null, t('The customer has not written yet, so the AI has nothing to answer.')),
    explanation.windows.map((each, at) => h('section', {
      key: each.window_id, id: `window-${each.window_id}`, tabIndex: -1,
      class: `story ${chosen?.id === each.window_id ? 'chosen' : ''}`,
    },
      h('h3', null, t('Answer {n}', { n: at + 1 }), ' ', h(Badge, null, windowWords(each.state))),
      h(Lines, { lines: each.story }))),
    explanation.waiting.length > 0 && h('section', { class: 'story' },
      h('h3', null, t('While the customer waited')),
      h(Lines, { lines: explanation.waiting })));
}

const Lines = ({ lines }) => h('ol', { lang: 'en' }, lines.map((line, n) => h('li', { key: n }, h(StoryLine, { line }))));

function StoryLine({ line }) {
  const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC: ([^]*)$/.exec(line);
  if (!parts) return line;
  const at = `${parts[1]}T${parts[2]}Z`;
  return h(Fragment, null, h(Moment, { at }), ' ', parts[3]);
}

const Moment = ({ at }) => h('time', { dateTime: at, title: exactTime(at), lang: language }, exactMoment(at, serverClock.now()));

function Audit({ audit }) {
  if (!audit) return null;
  return h('details', { class: 'audit' },
    h('summary', null, t('Who did what ({n})', { n: audit.length })),
    h('ol', { lang: 'en' }, audit.map((entry) => h('li', { key: entry.id },
      h(Moment, { at: entry.at }), ' ',
      h('strong', null, entry.actor_id ? `${entry.actor} ${entry.actor_id}` : entry.actor), ' ',
      plainWords(entry.action), ' ',
      h('span', { class: 'small' }, (entry.data.events ?? []).join(', '))))));
}

