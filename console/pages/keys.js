// The API keys that there are, as far as this key may see them.

import { h } from '../vendor/preact.js';
import { get } from '../api.js';
import { t } from '../i18n.js';
import { usePages } from '../loading.js';
import { Badge, Empty, Failure, Loading, When } from '../ui.js';

export function scopeWords(key) {
  if (!key.may_write) return t('may only read');
  return key.may_manage_numbers ? t('may read and write, and add numbers and phones') : t('may read and write');
}

export function Keys() {
  const list = usePages((cursor) => get('/keys', { cursor, limit: 50 }), 'keys', []);
  return h('section', null, h('h2', null, t('All keys')),
    h(Failure, { error: list.error, retry: list.reload }),
    list.items === null && !list.error && h(Loading),
    list.items?.length === 0 && h(Empty, { title: t('No keys were created yet') },
      t('The key that you use is in the configuration of the service. Create one for each person, so that what they do is recorded as theirs.')),
    list.items?.length > 0 && h('ul', { class: 'cards' }, list.items.map((key) => h('li', { key: key.id, class: 'card' },
      h('div', { class: 'line' },
        h('strong', null, key.name),
        key.user_id && h('span', { class: 'small' }, key.user_id),
        h(Badge, { kind: key.revoked_at ? 'bad' : '' }, key.revoked_at ? t('revoked') : t('valid')),
        h('span', { class: 'end' }, h(When, { at: key.revoked_at ?? key.created_at }))),
      h('p', { class: 'small' }, [scopeWords(key), key.business_ids ? key.business_ids.join(', ') : t('all businesses'), key.rate].filter(Boolean).join(' · ')),
      h('p', { class: 'small' }, h('code', null, key.id))))),
    list.more && h('button', { type: 'button', onClick: list.next }, t('Show more')),
    h('p', { class: 'small' }, t('Keys are created and revoked on the server, by the operator of the service:')),
    h('pre', { tabIndex: 0 }, 'nevermisscall keys create --name NAME --user USER\nnevermisscall keys revoke ID'));
}
