// The businesses that the key may see.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { get } from '../api.js';
import { Text, FormDialog } from '../form.js';
import { phone } from '../format.js';
import { t } from '../i18n.js';
import { usePages } from '../loading.js';
import { Badge, Empty, Failure, Loading, Page } from '../ui.js';

export const verifiedWords = (verified) => ({
  yes: t('in the Twilio account'),
  no: t('not in the Twilio account'),
  unknown: t('not checked yet'),
})[verified] ?? verified;

/** The ids that a person has chosen for businesses that are not stored yet. */
export const added = new Set();

export function Businesses({ access }) {
  const list = usePages((cursor) => get('/businesses', { cursor, limit: 50 }), 'businesses', []);
  const [adding, setAdding] = useState(false);
  return h(Page, {
    title: t('Businesses'),
    actions: access.may_write && access.business_ids === null &&
      h('button', { type: 'button', class: 'main', onClick: () => setAdding(true) }, t('Add a business')),
  },
    h(Failure, { error: list.error, retry: list.reload }),
    list.items === null && !list.error && h(Loading),
    list.items?.length === 0 && h(Empty, { title: t('No businesses yet') },
      t('Add a business with its number and the phone to which its calls are forwarded; then point the number’s webhooks to this service with “nevermisscall twilio configure”.')),
    list.items?.length > 0 && h('ul', { class: 'cards' }, list.items.map((each) => h('li', { key: each.id, class: 'card' },
      h('div', { class: 'line' }, h('a', { href: `#/business/${encodeURIComponent(each.id)}` }, h('strong', null, each.name)), h('span', { class: 'small' }, each.id)),
      h('ul', { class: 'plain' }, (each.numbers ?? []).map((number) => h('li', { key: number.phone },
        phone(number.phone), ' ', h(Badge, { kind: number.verified === 'no' ? 'bad' : '' }, verifiedWords(number.verified)))))))),
    list.more && h('button', { type: 'button', onClick: list.next }, t('Show more')),
    adding && h(NewBusiness, { onClose: () => setAdding(false) }));
}

function NewBusiness({ onClose }) {
  const [id, setId] = useState('');
  return h(FormDialog, {
    title: t('Add a business'), confirm: t('Go on'), onClose,
    send: async () => {
      added.add(id);
      location.hash = `#/business/${encodeURIComponent(id)}`;
    },
  }, h(Text, { label: t('Id of the business'), hint: t('1 to 64 letters, digits, dots, hyphens or underscores. It cannot be changed later.'), value: id, onInput: setId, required: true }));
}
