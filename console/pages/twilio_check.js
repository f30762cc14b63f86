// What Twilio says of a business's account and numbers, if somebody asks.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { get } from '../api.js';
import { phone, plainWords } from '../format.js';
import { t } from '../i18n.js';
import { Badge, Failure } from '../ui.js';

const NAMES = () => ({
  account: t('Account'), number: t('Number'), webhooks: t('Webhooks'), capabilities: t('What it can do'), registration: t('Registration (A2P 10DLC)'),
});
const RESULTS = () => ({ ok: t('good'), FAILED: t('Problem'), note: t('worth knowing'), 'not checked': t('not checked') });

export function TwilioCheck({ id }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const ask = async () => {
    setBusy(true);
    try {
      setFound(await get(`/businesses/${encodeURIComponent(id)}/twilio-check`));
      setError(null);
    } catch (failed) {
      setError(failed);
    }
    setBusy(false);
  };
  return h('section', null, h('h2', null, t('At Twilio')),
    h('p', null, t('Asks Twilio whether the account is active, and whether each number posts to this service, can do what it needs, and is registered. Nothing is changed.')),
    h('button', { type: 'button', onClick: ask, disabled: busy }, busy ? t('Please wait…') : t('Check at Twilio')),
    h(Failure, { error, retry: ask }),
    h('div', { role: 'status' }, found && h('p', null, found.ok ? t('Nothing is wrong at Twilio.') : t('Something is wrong at Twilio.'))),
    found && h('ul', { class: 'cards' }, found.checks.map((check) => h('li', { key: `${check.name} ${check.of}`, class: 'card' },
      h('div', { class: 'line' },
        h(Badge, { kind: check.result === 'FAILED' ? 'bad' : '' }, RESULTS()[check.result] ?? check.result),
        h('strong', null, NAMES()[check.name] ?? plainWords(check.name)),
        h('span', { class: 'small' }, check.of.startsWith('+') ? phone(check.of) : check.of)),
      h('p', { lang: 'en' }, check.message),
      check.advice && h('p', { class: 'note', lang: 'en' }, check.advice)))));
}
