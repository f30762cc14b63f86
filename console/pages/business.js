// A business, as a form: what the server refuses is shown beside the field.

import { Fragment, h } from '../vendor/preact.js';
import { useLayoutEffect, useRef, useState } from '../vendor/hooks.js';
import { ApiError, call, get } from '../api.js';
import { Area, Check, Select, Text, fieldErrors } from '../form.js';
import { exactTime, number, phone, plainWords, tradeWords } from '../format.js';
import { t } from '../i18n.js';
import { useLoad } from '../loading.js';
import { notify } from '../notices.js';
import { Badge, Failure, Loading, Page, When } from '../ui.js';
import { Hours } from './hours.js';
import { OWN, OwnerPhone } from './owner_phone.js';
import { Templates } from './templates.js';
import { TwilioCheck } from './twilio_check.js';
import { added, verifiedWords } from './businesses.js';

const TRADES = ['plumbing', 'electrical', 'hvac', 'locksmith', 'garage_door'];
/** What the server adds to what was put. */
const READ_ONLY = ['numbers', 'pending_phones', 'owner_off_since', 'opted_out_phones', 'created_at', 'updated_at'];
/** Parts that are edited as JSON, because their content is DispatchBot's or rarely needed. */
const AS_JSON = ['user_settings', 'policy', 'job_estimates', 'calendar'];
const NEW = { name: '', user_id: '', phone_numbers: [''], forward_to: '', timezone: Intl.DateTimeFormat().resolvedOptions().timeZone, trade: 'plumbing' };

export function BusinessPage({ argument: id, access }) {
  const stored = useLoad(() => read(id), [id]);
  const rules = useLoad(() => get(`/businesses/${encodeURIComponent(id)}/emergency-rules`).catch(() => null), [id]);
  const onSaved = (saved) => {
    stored.setData(() => saved);
    stored.reload();
  };
  const title = stored.data?.name || id;
  return h(Page, { title, actions: h('a', { class: 'button', href: '#/businesses' }, t('All businesses')) },
    h(Failure, { error: stored.error, retry: stored.reload }),
    !stored.data ? !stored.error && h(Loading) : h(Fragment, null,
      stored.data.numbers && h(Numbers, { business: stored.data }),
      h(Form, { id, stored: stored.data, access, onOutdated: stored.reload, onSaved }),
      stored.data.numbers && h(TwilioCheck, { id }),
      rules.data && h(Rules, { rules: rules.data })));
}

async function read(id) {
  try {
    return await get(`/businesses/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && added.has(id)) return { ...NEW };
    throw error;
  }
}

function Numbers({ business }) {
  return h('section', null, h('h2', null, t('Numbers')),
    h('ul', { class: 'plain' }, business.numbers.map((each) => h('li', { key: each.phone },
      phone(each.phone), ' ', h(Badge, { kind: each.verified === 'no' ? 'bad' : '' }, verifiedWords(each.verified))))),
    business.twilio?.status && h('p', null, t('Twilio account of its own: {status}', { status: plainWords(business.twilio.status) })),
    business.owner_off_since && h('p', { class: 'note' }, t('The owner is away since {time}, by a text of theirs. Only emergencies reach their phone.', { time: exactTime(business.owner_off_since) })),
    business.opted_out_phones?.length > 0 && h('p', { class: 'note bad' }, t('These phones have texted STOP, so no alert reaches them until they text START: {phones}', { phones: business.opted_out_phones.map(phone).join(', ') })),
    (business.pending_phones ?? []).map((each) => h('p', { key: each.phone, class: 'note' },
      t('{phone} takes effect once it has answered the code by text ({state}).', { phone: phone(each.phone), state: plainWords(each.state) }))));
}

function Rules({ rules }) {
  const all = rules.rules ?? rules.emergency_rules ?? [];
  if (!all.length) return null;
  return h('section', null, h('h2', null, t('Emergency rules')),
    h('table', null,
      h('thead', null, h('tr', null, [t('Rule'), t('Matched'), t('False alarms')].map((words) => h('th', { scope: 'col', key: words }, words)))),
      h('tbody', null, all.map((rule) => h('tr', { key: rule.rule },
        h('th', { scope: 'row', lang: 'en' }, plainWords(rule.rule)), h('td', null, number(rule.verdicts)), h('td', null, number(rule.false_alarms)))))));
}

// What was changed and not saved survives a look at another page, with what it was a change of.
const drafts = new Map();

function Form({ id, stored, access, onOutdated, onSaved }) {
  const [form, setForm] = useState(() => drafts.get(id)?.form ?? toForm(stored));
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [cancels, setCancels] = useState(false);
  const pending = stored.pending_phones ?? [];
  const problems = useRef();
  const base = drafts.get(id)?.base ?? stored;
  const change = (part) => setForm((before) => {
    const after = { ...before, ...part };
    drafts.set(id, { form: after, base });
    return after;
  });
  // The form stays the same one, and with it the focus: only what nobody has changed follows what is stored.
  useLayoutEffect(() => {
    if (!drafts.has(id)) setForm(toForm(stored));
    setCancels(false);
  }, [stored]);
  const discard = () => {
    drafts.delete(id);
    setForm(toForm(stored));
    setError(null);
    onOutdated();
  };
  const details = fieldErrors(error);
  // A list's error names an item, such as phone_numbers[0].
  const isOf = (name, field) => name === field || name.startsWith(`${field}.`) || name.startsWith(`${field}[`);
  const shownAbove = (name, field) => field === 'policy' && OWN.some((own) => isOf(name, `policy.${own}`));
  const errorOf = (field) => {
    const found = Object.entries(details).filter(([name]) => isOf(name, field) && !shownAbove(name, field));
    const words = found.map(([name, reason]) => (name === field ? reason : [placeWithin(name.slice(field.length)), ': ', reason]));
    return words.length ? words.flatMap((each, n) => (n ? ['; ', each] : [each])) : null;
  };
  useLayoutEffect(() => {
    if (error) problems.current?.focus();
  }, [error]);
  const save = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const saved = await put(id, base, form);
      added.delete(id);
      // What was typed meanwhile is a change of what is stored now.
      const draft = drafts.get(id);
      if (draft && draft.form !== form) drafts.set(id, { ...draft, base: saved });
      else drafts.delete(id);
      notify(t('Saved.'));
      onSaved(saved);
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  const text = (name, label, more = {}) => h(Text, { label, value: form[name], onInput: (value) => change({ [name]: value }), error: errorOf(name), ...more });
  const lines = (name, label, hint) => h(Area, { label, hint, rows: 2, spellcheck: false, value: form[name], onInput: (value) => change({ [name]: value }), error: errorOf(name) });
  return h('form', { onSubmit: save, class: 'business', 'aria-label': t('Business') },
    h('fieldset', { disabled: !access.may_write },
      error && h('div', { ref: problems, tabIndex: -1, class: 'problems' },
        h(Failure, { error }),
        h('ul', null, Object.entries(details).map(([field, reason]) => h('li', { key: field }, h('strong', null, field), ': ', reason)))),
      text('name', t('Name'), { required: true }),
      text('user_id', t('Owner’s id in the App Server'), { required: true }),
      lines('phone_numbers', t('Numbers that customers call'), t('One per line, with + and the country’s code.')),
      lines('forward_to', t('Phones to which calls go'), t('One per line; the first is the owner’s.')),
      lines('emergency_contacts', t('Emergency contacts'), t('One per line, in the order in which they are alerted after the owner.')),
      text('timezone', t('Time zone'), { hint: t('Such as America/New_York.'), required: true }),
      h(Select, { label: t('Trade'), value: form.trade, onInput: (trade) => change({ trade }), options: TRADES.map((trade) => [trade, tradeWords(trade)]), error: errorOf('trade') }),
      h(Hours, { value: form.business_hours, mayWrite: access.may_write, onInput: (business_hours) => change({ business_hours }), errorOf }),
      h(Templates, { value: form.templates, name: form.name, onInput: (templates) => change({ templates }), errorOf }),
      h(OwnerPhone, { value: form.own, onInput: (own) => change({ own }), errorOf }),
      h('details', { open: AS_JSON.some((name) => errorOf(name)) }, h('summary', null, t('Further settings, as JSON')),
        AS_JSON.map((name) => h(Area, {
          key: name, label: name, rows: 5, spellcheck: false, value: form[name], onInput: (value) => change({ [name]: value }), error: errorOf(name),
        }))),
      access.may_write && pending.length > 0 && h(Check, {
        label: t('Saving cancels {phones}, which have not answered their code yet', { phones: pending.map((each) => phone(each.phone)).join(', ') }),
        checked: cancels, onInput: setCancels,
      }),
      access.may_write && h('button', { type: 'submit', class: 'main', disabled: busy || (pending.length > 0 && !cancels) }, busy ? t('Please wait…') : t('Save'))),
    drafts.has(id) && h('p', { class: 'note' }, t('These changes are not saved yet.'), ' ',
      written(base) !== written(stored) && [t('The business has changed since you began them.'), ' '], h('button', { type: 'button', onClick: discard }, t('Discard them'))),
    stored.updated_at && h('p', { class: 'small' }, t('Last saved: '), h(When, { at: stored.updated_at })));
}

/** `[0]` is the first line, `.start` a part. */
const placeWithin = (rest) => rest.replace(/^\./, '').replace(/^\[(\d+)\]/, (_, at) => t('line {n}', { n: Number(at) + 1 }));

const asLines = (value) => (Array.isArray(value) ? value : value ? [value] : []).join('\n');
const fromLines = (text) => text.split(/[\n,]/).map((line) => line.replace(/[\s().-]/g, '')).filter(Boolean);

function toForm(stored) {
  const form = { ...stored };
  for (const name of ['phone_numbers', 'forward_to', 'emergency_contacts']) form[name] = asLines(stored[name]);
  const { policy } = stored;
  form.own = Object.fromEntries(OWN.filter((name) => policy?.[name] !== undefined).map((name) => [name, policy[name]]));
  const rest = Object.entries(policy ?? {}).filter(([name]) => !OWN.includes(name));
  const shown = { ...stored, policy: rest.length ? Object.fromEntries(rest) : null };
  for (const name of AS_JSON) form[name] = shown[name] === undefined || shown[name] === null ? '' : JSON.stringify(shown[name], null, 2);
  form.business_hours = stored.business_hours ?? null;
  form.templates = stored.templates ?? {};
  return form;
}

/** The whole document: a PUT replaces it, so what the form does not show is sent as it was. */
function fromForm(form) {
  const document = { ...form };
  for (const name of READ_ONLY) delete document[name];
  document.phone_numbers = fromLines(form.phone_numbers);
  document.emergency_contacts = fromLines(form.emergency_contacts);
  const phones = fromLines(form.forward_to);
  document.forward_to = phones.length > 1 ? phones : (phones[0] ?? '');
  const unreadable = [];
  for (const name of AS_JSON) {
    if (!form[name].trim()) {
      delete document[name];
      continue;
    }
    try {
      document[name] = JSON.parse(form[name]);
    } catch (error) {
      unreadable.push({ field: name, reason: t('This is not JSON: {why}', { why: error.message }), isOurs: true });
    }
  }
  // A setting that is given as JSON, too, is the one that was written last: there.
  const own = Object.fromEntries(Object.entries(form.own).filter(([, value]) => value !== null));
  delete document.own;
  if (document.policy || Object.keys(own).length) document.policy = { ...own, ...document.policy };
  if (unreadable.length) {
    const error = new ApiError(400, { code: 'VALIDATION_FAILED', message: t('Some fields cannot be read.'), details: unreadable });
    throw Object.assign(error, { isOurs: true });
  }
  if (document.business_hours === null) delete document.business_hours;
  if (document.twilio) document.twilio = writtenAccount(document.twilio);
  return document;
}

/** What people write of an account: its tokens are never shown, and without one the stored one is kept. */
const writtenAccount = (twilio) => ({ account_sid: twilio.account_sid });

/** What can be written of a business, to be compared. */
export const written = (business) => JSON.stringify(Object.entries(business)
  .filter(([name]) => !READ_ONLY.includes(name))
  .map(([name, value]) => [name, name === 'twilio' && value ? writtenAccount(value) : value]));

async function put(id, base, form) {
  const document = fromForm(form);
  // A phone that has answered its code changes the business, too.
  if (written(await read(id)) !== written(base)) {
    throw new Error(t('This business has changed since you began. Discard your changes, then make them again.'));
  }
  return (await call('PUT', `/businesses/${encodeURIComponent(id)}`, { body: document })).data;
}
