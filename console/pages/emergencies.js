// Open emergencies: who has them, and who does not.

import { h } from '../vendor/preact.js';
import { phone } from '../format.js';
import { t } from '../i18n.js';
import { isEmergency, needsPerson } from '../order.js';
import { Empty, Failure, Loading, Page } from '../ui.js';
import { Row, useInbox } from './inbox.js';

export function Emergencies({ access }) {
  const store = useInbox();
  const all = [...store.byId.values()].filter(isEmergency);
  const oldest = (one, other) => (one.created_at < other.created_at ? -1 : 1);
  const untaken = all.filter(needsPerson).sort(oldest);
  const taken = all.filter((c) => c.ownership === 'user').sort(oldest);
  const list = (title, of) => of.length > 0 && h('section', null,
    h('h2', null, title),
    h('ul', { class: 'cards' }, of.map((c) => h('li', { key: c.id }, h(Row, { conversation: c, several: true, access }),
      h('p', { class: 'actions' },
        h('a', { href: `#/conversation/${c.id}` }, t('Open {phone}', { phone: phone(c.customer_phone) })), ' ',
        h('a', { href: `tel:${c.customer_phone}` }, t('Call {phone}', { phone: phone(c.customer_phone) })))))));
  return h(Page, { title: t('Emergencies') },
    h(Failure, { error: store.loaded ? null : store.error }),
    !store.loaded ? h(Loading) : !all.length && h(Empty, { title: t('No open emergency') },
      t('When a customer writes of a danger, such as a gas leak, the conversation appears here, and the owner and the emergency contacts are alerted. Allow sound and notifications under “Key and settings”.')),
    list(t('No person has taken these'), untaken),
    list(t('A person has these'), taken));
}
