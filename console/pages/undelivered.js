// Texts that customers did not get, and why.

import { h } from '../vendor/preact.js';
import { get } from '../api.js';
import { deliveryWords, kindWords, phone } from '../format.js';
import { t } from '../i18n.js';
import { usePages } from '../loading.js';
import { Badge, Empty, English, Failure, Loading, Page, When } from '../ui.js';

export function Undelivered() {
  const list = usePages((cursor) => get('/messages/undelivered', { cursor, limit: 50 }), 'messages', []);
  return h(Page, {
    title: t('Not delivered'),
    actions: h('button', { type: 'button', onClick: list.reload }, t('Read again')),
  },
    h('p', { class: 'lead' }, t('Texts that customers did not get, or may not have got, newest first.')),
    h(Failure, { error: list.error, retry: list.reload }),
    list.items === null && !list.error && h(Loading),
    list.items?.length === 0 && h(Empty, { title: t('Every text has arrived') },
      t('A text that a carrier refuses, or that cannot be sent, appears here with the reason. There is nothing to do.')),
    list.items?.length > 0 && h('ul', { class: 'cards' }, list.items.map((message) => h('li', { key: message.id, class: 'card' },
      h('div', { class: 'line' },
        h('strong', null, phone(message.customer_phone)),
        h(Badge, { kind: 'bad' }, deliveryWords(message.status)),
        h(Badge, null, kindWords(message.kind)),
        h('span', { class: 'end' }, h(When, { at: message.created_at }))),
      h('p', { class: 'body' }, message.body),
      h('p', { class: 'why' }, h('strong', null, t('Why: ')), why(message)),
      h('a', { href: `#/conversation/${message.conversation_id}` }, t('Open the conversation with {phone}', { phone: phone(message.customer_phone) }))))),
    list.more && h('button', { type: 'button', onClick: list.next }, t('Show more')));
}

/** Why a text did not arrive, in words, with Twilio's error code. */
export function why(message) {
  const words = message.error_message ? h(English, null, message.error_message)
    : (message.status === 'unknown' ? t('The connection broke while it was sent, and Twilio does not know it.') : t('Twilio did not say why.'));
  return message.error_code ? [words, ` (${t('Twilio error {code}', { code: message.error_code })})`] : words;
}
