// The inbox: open conversations, emergencies first, then those that wait, longest first.

import { Fragment, h } from '../vendor/preact.js';
import { useEffect, useMemo, useState } from '../vendor/hooks.js';
import { allBusinesses, get } from '../api.js';
import { Field, Select } from '../form.js';
import { exactTime, kindWords, left, number, person, phone, span, statusWords, wholeNumber } from '../format.js';
import { t } from '../i18n.js';
import { useChanges, useLoad, useNow, usePages } from '../loading.js';
import { compare, isEmergency, isOpen } from '../order.js';
import { inbox, keep, onInbox } from '../store.js';
import { Badge, Empty, Failure, Loading, Page, When } from '../ui.js';
import { VirtualList } from '../virtual.js';

/** The height of a row in rem, which style.css has as well: a page that is narrow for its type has the parts below each other. */
const rowRem = () => (matchMedia('(max-width: 22rem)').matches ? 12.25 : 5.25);

export function useInbox() {
  useChanges(onInbox);
  return inbox;
}

const SHOWN = {
  open: () => true,
  waiting: (c) => Boolean(c.waiting_since),
  none: (c) => c.ownership === 'none',
  ai: (c) => c.ownership === 'ai',
  user: (c) => c.ownership === 'user',
  mine: (c, access) => c.ownership === 'user' && c.owned_by === access.user,
};

// The filters last as long as the page, so that going back finds the same list.
let kept = { shown: 'open', business: '', number: '' };

export function Inbox({ access }) {
  const store = useInbox();
  const [filter, setFilter] = useState(kept);
  const change = (part) => setFilter((before) => (kept = { ...before, ...part }));
  const digits = filter.number.replace(/\D/g, '');
  const businesses = useLoad(allBusinesses, []);
  const isEnded = filter.shown === 'ended';
  const ended = usePages((cursor) => loadEnded(isEnded, filter.business, cursor), 'conversations', [isEnded, filter.business]);
  useFound(wholeNumber(filter.number));

  const items = useMemo(() => {
    const known = new Map(store.byId);
    if (isEnded) for (const c of ended.items ?? []) if (!known.has(c.id)) known.set(c.id, c);
    const all = [...known.values()];
    const fits = (c) =>
      (!filter.business || c.business_id === filter.business) &&
      (digits ? c.customer_phone.includes(digits) : isEnded ? !isOpen(c) : isOpen(c) && SHOWN[filter.shown](c, access));
    return all.filter(fits).sort(compare);
  }, [store.version, filter, ended.items]);

  const names = businesses.data ?? [];
  const waiting = [...store.byId.values()].filter((c) => isOpen(c) && c.waiting_since).length;
  return h(Page, { title: t('Inbox') },
    h('div', { class: 'filters', role: 'search' },
      h(Field, {
        label: t('Search by number'),
        make: (props) => h('input', {
          ...props, type: 'search', inputMode: 'tel', value: filter.number, 'aria-keyshortcuts': '/', autocomplete: 'off',
          onInput: (event) => change({ number: event.currentTarget.value }),
        }),
      }),
      h(Select, {
        label: t('Show'), value: filter.shown, onInput: (shown) => change({ shown }),
        options: [
          ['open', t('All that are open')], ['waiting', t('Waiting for an answer')], ['none', t('Neither the AI nor a person has')],
          ['ai', t('The AI has')], ['user', t('A person has')], ...(access.user ? [['mine', t('I have')]] : []), ['ended', t('Ended')],
        ],
      }),
      names.length > 1 && h(Select, {
        label: t('Business'), value: filter.business, onInput: (business) => change({ business }),
        options: [['', t('All')], ...names.map((each) => [each.id, each.name])],
      })),
    h(Failure, { error: isEnded ? ended.error : store.loaded ? null : store.error }),
    h('p', { class: 'summary' }, counts(store, items.length, waiting), ' ', h('span', { role: 'status' }, summary(store, digits, items.length))),
    !store.loaded && !items.length ? h(Loading) : items.length
      ? h(VirtualList, {
        items, rem: rowRem, keyOf: (c) => c.id, label: t('Conversations'),
        row: (c) => h(Row, { conversation: c, several: names.length > 1, access }),
      })
      : h(NoRows, { filtered: Boolean(digits || filter.business || filter.shown !== 'open') }),
    isEnded && ended.more && h('button', { type: 'button', onClick: ended.next }, t('Show more')));
}

const counts = (store, shown, waiting) =>
  store.loaded && t('Shown: {shown}. Waiting for an answer, in all: {waiting}.', { shown: number(shown), waiting: number(waiting) });

/** What is read aloud: not the counts, which change all day. */
function summary(store, digits, shown) {
  if (!store.loaded) return '';
  if (digits) return shown === 1 ? t('1 found.') : t('{n} found.', { n: number(shown) });
  if (store.limited) return t('There are more: search for a number to find the others.');
  return store.complete ? '' : t('More are being read…');
}

const NoRows = ({ filtered }) =>
  filtered
    ? h(Empty, { title: t('Nothing fits') }, t('Choose “All that are open”, or search for another number.'))
    : h(Empty, { title: t('No open conversations') },
      t('When a call is missed, the caller gets a text, and the conversation appears here by itself. To try it, call the business’s number and let it ring.'));

async function loadEnded(isEnded, business, cursor) {
  if (!isEnded) return { conversations: [], next_cursor: null };
  return get('/conversations', { status: 'completed', business_id: business, cursor, limit: 200, last_message: true });
}

/** A whole number is also looked for on the server, where ended conversations are. */
function useFound(whole) {
  useEffect(() => {
    if (!whole) return undefined;
    const timer = setTimeout(async () => {
      try {
        const found = await get('/conversations', { customer_phone: whole, limit: 50, last_message: true });
        found.conversations.forEach((conversation) => keep(conversation));
      } catch {
        // A number that is not complete yet is refused.
      }
    }, 300);
    return () => clearTimeout(timer);
  }, [whole]);
}

export function Row({ conversation: c, several, access }) {
  const last = c.last_message;
  return h('a', { class: `row-link ${c.waiting_since ? 'unread' : ''} ${isEmergency(c) ? 'alarm' : ''}`, href: `#/conversation/${c.id}` },
    h('span', { class: 'line' },
      h('strong', null, phone(c.customer_phone)),
      isEmergency(c) && h(Badge, { kind: 'bad' }, t('Emergency')),
      h('span', { class: 'end' }, h(When, { at: c.last_activity }))),
    h('span', { class: 'words' }, last ? h(Fragment, null,
      last.direction === 'outbound' && h('span', { class: 'who' }, `${last.sender_type === 'user' ? t('Person') : kindWords(last.kind)}: `),
      last.body || t('(attachment)')) : '\u00a0'),
    h('span', { class: 'line small' },
      h(Owner, { conversation: c, access }),
      several && h('span', { class: 'business' }, c.business_id),
      h(Waits, { conversation: c }), h(Countdown, { conversation: c })));
}

export function Owner({ conversation: c, access }) {
  if (c.status === 'completed') return h(Badge, null, t('Ended'));
  if (c.ownership !== 'user') return h(Badge, { kind: c.ownership === 'ai' ? 'ai' : '' }, c.ownership === 'ai' ? t('AI') : statusWords(c.status));
  return h(Badge, { kind: 'person' }, c.owned_by && c.owned_by === access?.user ? t('You') : (person(c.owned_by) ?? t('Person')));
}

/** How long the customer has waited. */
export function Waits({ conversation: c }) {
  const now = useNow(Boolean(c.waiting_since));
  if (!c.waiting_since || c.status === 'completed') return null;
  return h('span', { class: 'waits', title: t('since {time}', { time: exactTime(c.waiting_since) }) }, t('Waits {span}', { span: span(now - Date.parse(c.waiting_since)) }));
}

/** DispatchBot has this long after the deadline; then something does not work. */
const OVERDUE_MS = 60_000;

/** When the AI answers at the latest, to the second. */
export function Countdown({ conversation: c }) {
  const now = useNow(Boolean(c.answer_due_at));
  if (!c.answer_due_at || c.status === 'completed') return null;
  const late = now - Date.parse(c.answer_due_at);
  const words = late < 0 ? t('AI answers in {span}', { span: left(c.answer_due_at, now) })
    : late < OVERDUE_MS ? t('The AI is answering') : t('AI late by {span}', { span: span(late) });
  return h('span', { class: `countdown ${late < OVERDUE_MS ? '' : 'late'}`, role: 'timer', 'data-due': c.answer_due_at }, words);
}
