// Sign-in with an API key.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { session } from '../api.js';
import { Text } from '../form.js';
import { t } from '../i18n.js';
import { Failure } from '../ui.js';

export function SignIn({ open, error }) {
  const [key, setKey] = useState('');
  const [user, setUser] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    session.begin(key.trim(), user.trim());
    // The error is shown; another key may be tried.
    await open().catch(() => {});
    setBusy(false);
  };
  return h('main', { class: 'signin' },
    h('h1', null, 'NeverMissCall'),
    h('form', { onSubmit: submit },
      h(Text, {
        label: t('API key'), type: 'password', value: key, onInput: setKey, required: true,
        hint: t('It is kept in this tab only, until you sign out or close the tab.'),
      }),
      h(Text, {
        label: t('Your user id'), value: user, onInput: setUser,
        hint: t('Your id in the App Server, which is recorded with what you do. Leave it empty if the key is yours alone.'),
      }),
      h(Failure, { error }),
      h('button', { type: 'submit', class: 'main', disabled: busy }, busy ? t('Please wait…') : t('Sign in'))),
    h('details', null, h('summary', null, t('Where do I get a key?')),
      h('p', null, t('The operator of the service creates one with this command and gives you what it prints:')),
      h('pre', null, 'nevermisscall keys create --name "Joe\'s phone" --user user-joe')));
}
