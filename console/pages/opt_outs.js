// Customers who want no texts.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { allBusinesses, call, get } from '../api.js';
import { Area, Field, FormDialog, Select, Text } from '../form.js';
import { phone, plainWords, wholeNumber } from '../format.js';
import { t } from '../i18n.js';
import { useLoad, usePages } from '../loading.js';
import { Badge, Empty, Failure, Loading, Page, When } from '../ui.js';

const SOURCES = () => [
  ['phone', t('By phone')], ['mail', t('By e-mail')], ['letter', t('By letter')], ['in_person', t('In person')],
  ['web', t('On a web page')], ['other', t('Otherwise')],
];

const sourceWords = (source) => ({
  word: t('By a word such as STOP'), sentence: t('By a sentence in a text'), twilio: t('Twilio says so'), carrier: t('A carrier refused a text'),
  ...Object.fromEntries(SOURCES()),
})[source] ?? plainWords(source);

export function OptOuts({ access }) {
  const [search, setSearch] = useState('');
  const [adding, setAdding] = useState(false);
  const [ending, setEnding] = useState(null);
  const wanted = wholeNumber(search);
  const list = usePages((cursor) => get('/opt-outs', { customer_phone: wanted, cursor, limit: 50 }), 'opt_outs', [wanted]);
  return h(Page, {
    title: t('Opt-outs'),
    actions: access.may_write && h('button', { type: 'button', class: 'main', onClick: () => setAdding(true) }, t('Record an opt-out')),
  },
    h('p', { class: 'lead' }, t('These customers get no texts. Customers who text STOP are added automatically.')),
    h('div', { class: 'filters', role: 'search' }, h(Field, {
      label: t('Search by number'), hint: search && !wanted ? t('With + and the country’s code.') : null,
      make: (props) => h('input', { ...props, type: 'search', inputMode: 'tel', value: search, 'aria-keyshortcuts': '/', onInput: (event) => setSearch(event.currentTarget.value) }),
    })),
    h(Failure, { error: list.error, retry: list.reload }),
    list.items === null && !list.error && h(Loading),
    list.items?.length === 0 && h(Empty, { title: wanted ? t('This number has not opted out') : t('Nobody has opted out') },
      t('If a customer says by phone or mail that they want no texts, record it here.')),
    list.items?.length > 0 && h('ul', { class: 'cards' }, list.items.map((each) => h('li', { key: each.id, class: 'card' },
      h('div', { class: 'line' },
        h('strong', null, each.customer_phone ? phone(each.customer_phone) : t('Erased customer')),
        h(Badge, null, sourceWords(each.source)), h('span', { class: 'small' }, each.business_id),
        h('span', { class: 'end' }, h(When, { at: each.opted_out_at }))),
      each.note && h('p', { class: 'body' }, each.note),
      access.may_write && each.customer_phone && h('button', { type: 'button', onClick: () => setEnding(each) },
        t('{phone} wants texts again', { phone: phone(each.customer_phone) }))))),
    list.more && h('button', { type: 'button', onClick: list.next }, t('Show more')),
    adding && h(Add, { access, onClose: () => setAdding(false), onDone: list.reload }),
    ending && h(End, { access, optOut: ending, onClose: () => setEnding(null), onDone: list.reload }));
}

function Add({ access, onClose, onDone }) {
  const businesses = useLoad(allBusinesses, []);
  const all = businesses.data ?? [];
  const [form, setForm] = useState({ business_id: '', customer_phone: '', source: 'phone', note: '' });
  const change = (part) => setForm((before) => ({ ...before, ...part }));
  const business = form.business_id || (all.length === 1 ? all[0].id : '');
  return h(FormDialog, {
    title: t('Record an opt-out'), confirm: t('Record it'), onClose,
    send: async () => {
      const body = { ...form, business_id: business, customer_phone: form.customer_phone.replace(/[^\d+]/g, '') };
      if (!body.note) delete body.note;
      if (access.user) body.user_id = access.user;
      await call('POST', '/opt-outs', { body });
      onDone();
    },
  }, (errors) => [
    h(Select, { label: t('Business'), value: business, onInput: (business_id) => change({ business_id }), options: [...(all.length > 1 ? [['', t('Choose one')]] : []), ...all.map((each) => [each.id, each.name])], required: true, error: errors.business_id }),
    h(Text, { label: t('The customer’s number'), hint: t('With + and the country’s code.'), type: 'tel', value: form.customer_phone, onInput: (customer_phone) => change({ customer_phone }), required: true, error: errors.customer_phone }),
    h(Select, { label: t('How they said so'), value: form.source, onInput: (source) => change({ source }), options: SOURCES(), error: errors.source }),
    h(Area, { label: t('Note (optional)'), value: form.note, onInput: (note) => change({ note }), error: errors.note }),
  ]);
}

function End({ access, optOut, onClose, onDone }) {
  const [proof, setProof] = useState('');
  return h(FormDialog, {
    title: t('{phone} wants texts again', { phone: phone(optOut.customer_phone) }), confirm: t('End the opt-out'), onClose,
    send: async () => {
      const query = new URLSearchParams({ proof, ...(access.user ? { user_id: access.user } : {}) });
      await call('DELETE', `/opt-outs/${optOut.id}?${query}`);
      onDone();
    },
  }, (errors) => [
    h('p', null, t('Only the customer’s own consent ends an opt-out. It stays in the audit record.')),
    h(Area, { label: t('How they gave consent again'), value: proof, onInput: setProof, error: errors.proof }),
  ]);
}
