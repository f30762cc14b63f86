// The key that is used, the health of the service, and the settings of this browser.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { mayNotify, sound } from '../alarm.js';
import { call, session } from '../api.js';
import { Check, Select } from '../form.js';
import { serviceName } from '../format.js';
import { t, language, setLanguage } from '../i18n.js';
import { useLoad } from '../loading.js';
import { letters } from '../shortcuts.js';
import { Failure, Loading, Page } from '../ui.js';
import { Keys, scopeWords } from './keys.js';

export function Settings({ access }) {
  return h(Page, { title: t('Key and settings') },
    h('section', null, h('h2', null, t('This key')),
      h('dl', { class: 'facts' }, [
        [t('Name'), access.name ?? t('not known')],
        [t('Scope'), scopeWords(access)],
        [t('Businesses'), access.business_ids ? access.business_ids.join(', ') : t('all')],
        [t('You are'), access.user ?? t('not named: sign in with your user id to take over and to write')],
        [t('Rate'), access.rate ?? t('not known')],
      ].map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value)))),
      h('button', { type: 'button', onClick: () => session.end() }, t('Sign out'))),
    h(Browser),
    h(Health),
    h(Keys));
}

function Browser() {
  const [, renew] = useState(0);
  const again = () => renew((n) => n + 1);
  const allow = async () => {
    await Notification.requestPermission();
    again();
  };
  const permission = mayNotify();
  return h('section', null, h('h2', null, t('This browser')),
    h(Select, { label: t('Language'), hint: t('Another one loads the page anew; what is typed and not sent is lost.'), value: language, onInput: setLanguage, options: [['en', 'English'], ['es', 'Español']] }),
    h(Check, { label: t('Sound at an emergency'), checked: sound.on, onInput: (on) => again(sound.set(on)) }),
    h(Check, { label: t('Shortcuts of the keyboard'), checked: letters.on, onInput: (on) => again(letters.set(on)) }),
    permission === 'default' && h('button', { type: 'button', onClick: allow }, t('Allow notifications at an emergency')),
    h('p', { class: 'small' }, ({
      granted: t('Notifications are allowed.'),
      denied: t('The browser does not allow notifications for this page; its settings can change that.'),
    })[permission] ?? ''));
}

/** `GET /health` answers with 503 if the service is unhealthy, and says of what. */
function Health() {
  const health = useLoad(async () => {
    try {
      return (await call('GET', '/health')).data;
    } catch (error) {
      if (error.status === 503 && error.body?.services) return error.body;
      throw error;
    }
  }, []);
  const words = (state) => ({ healthy: t('healthy'), degraded: t('degraded'), down: t('down'), unhealthy: t('unhealthy') })[state] ?? state;
  return h('section', null, h('h2', null, t('Health of the service')),
    h(Failure, { error: health.error, retry: health.reload }),
    !health.data ? !health.error && h(Loading) : h('dl', { class: 'facts' },
      h('div', null, h('dt', null, t('All together')), h('dd', null, words(health.data.status))),
      Object.entries(health.data.services).map(([name, state]) => h('div', { key: name }, h('dt', null, serviceName(name)), h('dd', null, words(state))))));
}
