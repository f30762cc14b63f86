// The console: signs in, follows the events, and shows the page that the address names.

import { Fragment, h, render } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { ApiError, get, session } from './api.js';
import { startAlarm } from './alarm.js';
import { startInbox, stopInbox } from './follow.js';
import { serviceName, time } from './format.js';
import { t } from './i18n.js';
import { useChanges } from './loading.js';
import { Notices, forgetNotices } from './notices.js';
import { isEmergency } from './order.js';
import { shortcuts, ShortcutsDialog } from './shortcuts.js';
import { inbox, onInbox } from './store.js';
import { onStream, start, stop, streamState } from './stream.js';
import { Failure, Loading, errorWords } from './ui.js';
import { SignIn } from './pages/sign_in.js';
import { Inbox } from './pages/inbox.js';
import { ConversationPage } from './pages/conversation.js';
import { Emergencies } from './pages/emergencies.js';
import { Today } from './pages/today.js';
import { Undelivered } from './pages/undelivered.js';
import { DeadLetters } from './pages/dead_letters.js';
import { Businesses } from './pages/businesses.js';
import { BusinessPage } from './pages/business.js';
import { OptOuts } from './pages/opt_outs.js';
import { Settings } from './pages/settings.js';

const RETRY_MS = 3000;
const HEALTH_MS = 30_000;

const PAGES = () => [
  ['inbox', t('Inbox'), 'i'],
  ['emergencies', t('Emergencies'), 'e'],
  ['today', t('Today'), 't'],
  ['undelivered', t('Not delivered'), 'n'],
  ['letters', t('Dead letters'), 'd'],
  ['businesses', t('Businesses'), 'b'],
  ['optouts', t('Opt-outs'), 'o'],
  ['settings', t('Key and settings'), 's'],
];

const VIEWS = {
  inbox: Inbox,
  conversation: ConversationPage,
  emergencies: Emergencies,
  today: Today,
  undelivered: Undelivered,
  letters: DeadLetters,
  businesses: Businesses,
  business: BusinessPage,
  optouts: OptOuts,
  settings: Settings,
};

/** The page and its argument, from an address such as `#/conversation/5f0c…`. */
function place() {
  const [, name, argument] = location.hash.split('/');
  try {
    if (Object.hasOwn(VIEWS, name)) return { name, argument: argument && decodeURIComponent(argument) };
  } catch {
    // A % that encodes nothing.
  }
  return { name: 'inbox' };
}

function Stream() {
  useChanges(onStream);
  const state = streamState();
  if (state.live) return h('p', { class: 'stream', role: 'status' }, h('span', { class: 'dot live', 'aria-hidden': 'true' }), t('Live'));
  if (state.isCrowded) {
    return h('p', { class: 'stream lost', role: 'status' }, h('span', { class: 'dot', 'aria-hidden': 'true' }),
      t('This key is in use in too many tabs, so nothing new appears here. Close another tab.'));
  }
  const words = state.everLive
    ? t('Connection lost at {time}. What you see is from then; it is tried again.', { time: time(state.since ?? Date.now()) })
    : t('Connecting…');
  return h('p', { class: `stream ${state.everLive ? 'lost' : ''}`, role: 'status' },
    h('span', { class: 'dot', 'aria-hidden': 'true' }), words);
}

/** Says on each page that a part of the service does not work. */
function ServiceHealth() {
  const [health, setHealth] = useState(null);
  useEffect(() => {
    let timer;
    const look = async () => {
      const answer = await get('/health').catch((error) => error.body);
      if (answer?.services) setHealth(answer);
      timer = setTimeout(look, HEALTH_MS);
    };
    look();
    return () => clearTimeout(timer);
  }, []);
  const names = Object.entries(health?.services ?? {}).filter(([, state]) => state !== 'healthy').map(([name]) => serviceName(name));
  return h('div', { role: 'status' }, names.length > 0 && h('a', { class: 'degraded', href: '#/settings' }, t('Does not work as it should: {names}', { names: names.join(', ') })));
}

function Nav({ current }) {
  useChanges(onInbox);
  const emergencies = [...inbox.byId.values()].filter(isEmergency).length;
  return h('nav', { 'aria-label': t('Pages') }, h('ul', null, PAGES().map(([name, words]) =>
    h('li', { key: name }, h('a', { href: `#/${name}`, 'aria-current': name === current ? 'page' : undefined },
      words, name === 'emergencies' && emergencies > 0 && h('span', { class: 'count' }, emergencies))))));
}

function Console({ access }) {
  const [at, setAt] = useState(place);
  const [help, setHelp] = useState(false);
  useLayoutEffect(() => {
    const moved = () => {
      setAt(place());
      forgetNotices();
      scrollTo(0, 0);
    };
    addEventListener('hashchange', moved);
    const ended = shortcuts(PAGES(), () => setHelp((shown) => !shown));
    const silent = startAlarm();
    start();
    startInbox();
    return () => {
      removeEventListener('hashchange', moved);
      ended();
      silent();
      stop();
      stopInbox();
    };
  }, []);
  const parent = { conversation: 'inbox', business: 'businesses' }[at.name] ?? at.name;
  return h(Fragment, null,
    h('a', { class: 'skip', href: '#main', onClick: skip }, t('Skip to the content')),
    h('header', null,
      h('div', { class: 'brand' }, 'NeverMissCall'),
      h(Stream),
      h(ServiceHealth),
      h('button', { type: 'button', class: 'plain', onClick: () => setHelp(true), 'aria-keyshortcuts': '?' }, t('Shortcuts'), ' ', h('kbd', null, '?'))),
    h(Nav, { current: parent }),
    h('main', { id: 'main', tabIndex: -1, 'data-place': [at.name, at.argument].filter(Boolean).join('/') }, h(VIEWS[at.name], { key: `${at.name}/${at.argument}`, argument: at.argument, access })),
    h(Notices),
    help && h(ShortcutsDialog, { pages: PAGES(), onClose: () => setHelp(false) }));
}

function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

function App() {
  const [access, setAccess] = useState(null);
  const [failed, setFailed] = useState(session.wasRefused ? new ApiError(401) : null);
  const [opening, setOpening] = useState(Boolean(session.key));
  // Nothing of one person stays for the next: the page is loaded anew.
  const signedIn = useRef(false);
  useEffect(() => session.onEnd(() => (signedIn.current ? location.reload() : setAccess(null))), []);
  const open = async () => {
    try {
      setAccess(await get('/key'));
      signedIn.current = true;
    } catch (error) {
      // The same words as before stay as they are, or they would be read aloud each time that the page tries again by itself.
      setFailed((before) => (before && errorWords(before) === errorWords(error) ? before : error));
      throw error;
    }
  };
  useEffect(() => {
    let timer;
    // After a reload in an outage the key is still there, and is tried until the service answers.
    const again = () => open().catch((error) => {
      if (session.key && !(error instanceof ApiError && error.status < 500)) timer = setTimeout(again, RETRY_MS);
      else setOpening(false);
    });
    if (session.key) again();
    return () => clearTimeout(timer);
  }, []);
  if (access) return h(Console, { access: { ...access, user: access.user_id ?? session.user } });
  if (opening) return h('main', { class: 'signin' }, h('h1', null, 'NeverMissCall'), h(Failure, { error: failed }), h(Loading));
  // Who tries again hears the answer again, though its words may be the same.
  const openAgain = () => {
    setFailed(null);
    return open();
  };
  return h(SignIn, { open: openAgain, error: failed });
}

render(h(App), document.getElementById('app'));
