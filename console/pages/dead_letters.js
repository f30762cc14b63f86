// What could not be processed: look at it, and replay it.

import { Fragment, h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { call, get } from '../api.js';
import { Dialog, FormDialog, Select, Text } from '../form.js';
import { exactTime, plainWords } from '../format.js';
import { t } from '../i18n.js';
import { useLoad, usePages } from '../loading.js';
import { notify } from '../notices.js';
import { Badge, Empty, English, Failure, Loading, Page, When, errorWords } from '../ui.js';

/** As many as the API replays at once. */
const MOST = 100_000;

const statusWords = (status) => ({ waiting: t('waits'), queued: t('queued for a replay'), replayed: t('replayed') })[status] ?? status;

export function DeadLetters({ access }) {
  const [status, setStatus] = useState('waiting');
  const [reason, setReason] = useState('');
  const [open, setOpen] = useState(null);
  const [all, setAll] = useState(false);
  const list = usePages((cursor) => get('/dead-letters', { status, reason, cursor, limit: 50 }), 'dead_letters', [status, reason]);
  return h(Page, {
    title: t('Dead letters'),
    actions: access.may_write && list.items?.length > 0 && status === 'waiting' &&
      h('button', { type: 'button', onClick: () => setAll(true) }, t('Replay all of these')),
  },
    h('p', { class: 'lead' }, t('Webhooks that could not be processed. Nothing of them is lost: once the cause is mended, a replay processes them like new ones.')),
    h('div', { class: 'filters' },
      h(Select, { label: t('Show'), value: status, onInput: setStatus, options: [['waiting', t('Those that wait')], ['queued', t('Queued')], ['replayed', t('Replayed')], ['', t('All')]] }),
      h(Text, { label: t('Reason'), value: reason, onInput: setReason, placeholder: 'unknown_number' })),
    h(Failure, { error: list.error, retry: list.reload }),
    list.items === null && !list.error && h(Loading),
    list.items?.length === 0 && h(Empty, { title: t('No dead letters') },
      t('Everything that arrived was processed. What cannot be, such as a text to a number that no business has, appears here.')),
    list.items?.length > 0 && h('ul', { class: 'cards' }, list.items.map((letter) => h('li', { key: letter.id, class: 'card' },
      h('div', { class: 'line' },
        h('strong', { lang: 'en' }, plainWords(letter.reason)), h(Badge, null, statusWords(letter.status)),
        letter.business_id && h('span', { class: 'small' }, letter.business_id),
        h('span', { class: 'end' }, h(When, { at: letter.dead_since }))),
      h('p', { class: 'body', lang: 'en' }, letter.detail),
      h('button', { type: 'button', onClick: () => setOpen(letter.id) }, t('Look at {id}', { id: letter.id }))))),
    list.more && h('button', { type: 'button', onClick: list.next }, t('Show more')),
    open !== null && h(Letter, { id: open, access, onClose: () => setOpen(null), onReplayed: list.reload }),
    all && h(FormDialog, {
      title: t('Replay all of these?'), confirm: t('Replay'), onClose: () => setAll(false),
      send: async () => {
        const { data } = await call('POST', '/dead-letters/replay', { body: { ...(reason ? { reason } : { all: true }), max: MOST } });
        notify(t('{n} are queued, and replayed at {rate}.', { n: data.queued, rate: data.rate }));
        list.reload();
      },
    }, h('p', null, reason ? t('All that wait with the reason “{reason}” are processed again, oldest first.', { reason }) : t('All that wait are processed again, oldest first.'))));
}

function Letter({ id, access, onClose, onReplayed }) {
  const letter = useLoad(() => get(`/dead-letters/${id}`), [id]);
  const [said, setSaid] = useState(null);
  const [busy, setBusy] = useState(false);
  const replay = async () => {
    setBusy(true);
    try {
      const { data } = await call('POST', `/dead-letters/${id}/replay`);
      setSaid(({
        put_back: t('It was put back, and is processed like a new one. If it fails again, it appears here again.'),
        before: t('It was replayed before, so nothing was done.'),
        unusable: t('It cannot be replayed: what it holds cannot be used.'),
      })[data.outcome] ?? data.outcome);
      letter.reload();
      onReplayed();
    } catch (error) {
      setSaid(errorWords(error));
    }
    setBusy(false);
  };
  const of = letter.data;
  return h(Dialog, { title: t('Dead letter {id}', { id }), onClose },
    h(Failure, { error: letter.error, retry: letter.reload }),
    !of ? !letter.error && h(Loading) : h(Fragment, null,
      h('dl', { class: 'facts' }, [
        [t('Reason'), h(English, null, plainWords(of.reason))], [t('Details'), h(English, null, of.detail)], [t('State'), statusWords(of.status)],
        [t('Business'), of.business_id ?? t('not known')], [t('First tried'), exactTime(of.first_seen)],
        [t('Tries'), of.delivery_count], [t('Given up'), exactTime(of.dead_since)], [t('Subject'), of.subject],
      ].map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value)))),
      h('h3', null, t('Content')),
      h('pre', { tabIndex: 0 }, content(of.payload)),
      of.replays.length > 0 && h(Fragment, null, h('h3', null, t('Replays')),
        h('ul', null, of.replays.map((each, n) => h('li', { key: n }, `${exactTime(each.asked_at)}: ${each.asked_by}, ${plainWords(each.outcome)}${each.detail ? `, ${each.detail}` : ''}`)))),
      said && h('p', { role: 'status', class: 'note' }, said),
      h('div', { class: 'row' },
        access.may_write && of.status === 'waiting' && h('button', { type: 'button', class: 'main', disabled: busy, onClick: replay }, t('Replay')),
        h('button', { type: 'button', onClick: onClose }, t('Close')))));
}

function content(payload) {
  if (payload.text === null || payload.text === undefined) return t('Not text: {n} characters of Base64', { n: payload.base64?.length ?? 0 });
  try {
    return JSON.stringify(JSON.parse(payload.text), null, 2);
  } catch {
    return payload.text;
  }
}
