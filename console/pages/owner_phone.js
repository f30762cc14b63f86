// The settings of the owner's phone and of the hours: those parts of `policy` that people change most.

import { h } from '../vendor/preact.js';
import { Area, Check, Select, Text } from '../form.js';
import { t } from '../i18n.js';
import { Preview, previewAfterHours } from './templates.js';

/** What is edited here. The rest of `policy` is edited as JSON. */
export const OWN = ['owner_sms', 'owner_language', 'screening', 'voice_ladder', 'remind_after', 'return_to_ai_after', 'owner_quiet_hours', 'after_hours'];

/** What is left empty is left out: the service's own setting applies. */
function without(empty) {
  const kept = Object.entries(empty).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return kept.length ? Object.fromEntries(kept) : null;
}

export function OwnerPhone({ value, onInput, errorOf }) {
  const set = (name, given) => onInput({ ...value, [name]: given === '' ? null : given });
  const error = (name) => errorOf(`policy.${name}`);
  const quiet = value.owner_quiet_hours ?? {};
  const after = value.after_hours ?? {};
  const setQuiet = (part) => set('owner_quiet_hours', without({ ...quiet, ...part }));
  const setAfter = (part) => set('after_hours', without({ ...after, ...part }));
  const time = (part, label) => h(Text, { label, type: 'time', required: Boolean(value.owner_quiet_hours), value: quiet[part] ?? '', onInput: (given) => setQuiet({ [part]: given }), error: errorOf(`policy.owner_quiet_hours.${part}`) });
  const afterHours = (language, own, field) => h('div', { class: 'template' }, field, own && h(Preview, { text: previewAfterHours(own, language), language }));
  const check = (name, label, hint) => h(Check, { label, hint, checked: value[name] === true, onInput: (on) => set(name, on), error: error(name) });
  return h('fieldset', null,
    h('legend', null, t('The owner’s phone')),
    h(Select, {
      label: t('Texts that the owner’s phone gets'), value: value.owner_sms ?? '', onInput: (given) => set('owner_sms', given), error: error('owner_sms'),
      options: [['', t('as usual: alerts of emergencies, and reminders')], ['off', t('nothing but alerts of emergencies')], ['emergencies', t('alerts of emergencies, and reminders')], ['all', t('every customer’s text, to be answered by texting back')]],
    }),
    h(Select, {
      label: t('Language of a screened call'), value: value.owner_language ?? '', onInput: (given) => set('owner_language', given), error: error('owner_language'),
      options: [['', t('as usual: English')], ['en', 'English'], ['es', 'Español']],
    }),
    check('screening', t('A forwarded call counts as answered only if the phone presses 1'), t('So a voicemail does not answer a customer’s call.')),
    check('voice_ladder', t('In an emergency, call the owner and the contacts until one of them presses 1'), t('Beside the text. At most 6 calls an hour to a phone.')),
    h(Text, { label: t('Remind the owner of a customer who waits for this long'), hint: t('Such as 10m.'), value: value.remind_after ?? '', onInput: (given) => set('remind_after', given), error: error('remind_after') }),
    h(Text, { label: t('Give a conversation back to the AI if its person is silent for this long'), hint: t('Such as 30m; at least 5m. Empty: never.'), value: value.return_to_ai_after ?? '', onInput: (given) => set('return_to_ai_after', given), error: error('return_to_ai_after') }),
    h('div', { class: 'row' }, time('start', t('No texts to the owner’s phone from')), time('end', t('until'))),
    h('p', { class: 'hint' }, t('Emergencies reach the phone at any time.'), errorOf('policy.owner_quiet_hours') && h('span', { class: 'error' }, ' ', errorOf('policy.owner_quiet_hours'))),
    h(Text, { label: t('Outside the hours, a person has this long to answer before the AI does'), hint: t('Such as 0s or 2m. Empty: at once, if there is a text for outside the hours.'), value: after.hold ?? '', onInput: (hold) => setAfter({ hold }), error: errorOf('policy.after_hours.hold') }),
    afterHours('en', after.template, h(Area, { label: t('Text after a call that is missed outside the hours'), hint: t('“{opens}” stands for when the business opens next.'), value: after.template ?? '', onInput: (template) => setAfter({ template }), error: errorOf('policy.after_hours.template') })),
    afterHours('es', after.es?.template, h(Area, { label: t('The same text in Spanish'), value: after.es?.template ?? '', onInput: (template) => setAfter({ es: without({ template }) }), error: errorOf('policy.after_hours.es') })));
}
