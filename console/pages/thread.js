// The texts of a conversation, with pictures and what became of each.

import { h } from '../vendor/preact.js';
import { useEffect, useRef, useState } from '../vendor/hooks.js';
import { call } from '../api.js';
import { deliveryWords, kindWords, person } from '../format.js';
import { t } from '../i18n.js';
import { Badge, Empty, When, errorWords } from '../ui.js';
import { why } from './undelivered.js';

const FAILED = ['undelivered', 'failed', 'unknown'];
/** Types that a browser shows as a picture and that hold no script. */
const PICTURES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];

export function Thread({ messages, conversation, onWhy }) {
  const end = useRef();
  const count = useRef(null);
  useEffect(() => {
    // At first, and for each new text, the newest is in view; someone who reads older ones is left there.
    const isNear = end.current.getBoundingClientRect().top < innerHeight + 400;
    if (count.current === null || (messages.length > count.current && isNear)) end.current.scrollIntoView({ block: 'nearest' });
    count.current = messages.length;
  }, [messages.length]);
  return h('section', { class: 'thread', 'aria-label': t('Texts') },
    messages.length === 0 && h(Empty, { title: t('No texts yet') }, t('The first text appears here by itself.')),
    h('ol', null, messages.map((message) => h(Message, { key: message.id, message, conversation, onWhy }))),
    h('div', { ref: end }));
}

function Message({ message, conversation, onWhy }) {
  const isOurs = message.direction === 'outbound';
  const hasFailed = FAILED.includes(message.status);
  return h('li', { class: `message ${isOurs ? 'ours' : 'theirs'} ${message.sender_type} ${message.status === 'superseded' ? 'dropped' : ''}` },
    h('p', { class: 'line small' },
      h('strong', null, isOurs && message.user_id ? person(message.user_id) : kindWords(message.kind)),
      message.emergency && h(Badge, { kind: 'bad' }, message.emergency.false_alarm_at ? t('False alarm') : t('Emergency')),
      h('span', { class: 'end' }, h(When, { at: message.created_at }))),
    message.body && h('p', { class: 'body', dir: 'auto' }, message.body),
    message.media.map((media, n) => h(Media, { key: n, media, path: `/conversations/${conversation.id}/messages/${message.id}/media/${n}` })),
    message.emergency && h('p', { class: 'small' }, t('Words that mean danger: {words}', { words: message.emergency.reasons.flatMap((reason) => reason.words).join(', ') })),
    isOurs && h('p', { class: `small state ${hasFailed ? 'failed' : ''}` }, deliveryWords(message.status), hasFailed && [': ', why(message)]),
    isOurs && message.in_reply_to_window && h('button', {
      type: 'button', class: 'plain small', onClick: () => onWhy({ id: message.in_reply_to_window }),
    }, t('Why this text?')));
}

/** An attachment. It is read with the key, so an address alone does not show it. */
function Media({ media, path }) {
  const [state, setState] = useState({});
  const held = useRef(null);
  const over = useRef(false);
  const type = media.content_type.split(';')[0].trim();
  const isPicture = PICTURES.includes(type);
  const load = async () => {
    try {
      const { data } = await call('GET', path, { as: 'blob' });
      if (over.current) return null;
      const url = URL.createObjectURL(new Blob([data], { type: isPicture ? type : 'application/octet-stream' }));
      if (held.current) URL.revokeObjectURL(held.current);
      held.current = url;
      setState({ url });
      return url;
    } catch (error) {
      setState({ error });
      return null;
    }
  };
  useEffect(() => {
    over.current = false;
    if (isPicture) load();
    return () => {
      over.current = true;
      if (held.current) URL.revokeObjectURL(held.current);
    };
  }, [path]);
  if (state.error) {
    return h('p', { class: 'small state failed' }, t('The attachment cannot be read: {why}', { why: errorWords(state.error) }),
      ' ', h('button', { type: 'button', class: 'plain', onClick: load }, t('Try again')));
  }
  if (isPicture) return state.url ? h('img', { src: state.url, alt: t('Picture from the customer') }) : h('p', { class: 'small' }, t('Loading…'));
  const save = async () => {
    const url = state.url ?? (await load());
    if (!url) return;
    const link = Object.assign(document.createElement('a'), { href: url, download: 'attachment' });
    link.click();
  };
  return h('button', { type: 'button', onClick: save }, t('Save the attachment ({type})', { type: media.content_type }));
}
