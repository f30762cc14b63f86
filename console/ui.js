// The parts that several pages use.

import { Fragment, h } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useRef } from './vendor/hooks.js';
import { ApiError, Unreachable } from './api.js';
import { t } from './i18n.js';
import { exactTime, time } from './format.js';

/** What the server has put into words, which are English. */
export const English = ({ children }) => h('span', { lang: 'en' }, children);

/** An error in words for people, with what to do. */
export function errorWords(error) {
  const { words, english } = errorParts(error);
  return words && english ? `${words} (${english})` : (words ?? english);
}

/** The words of the page for an error, and those of the server. */
function errorParts(error) {
  if (error instanceof Unreachable) return { words: t('The service cannot be reached. Check the network, then try again.') };
  if (!(error instanceof ApiError) || error.isOurs) return { words: String(error?.message ?? error) };
  const words = {
    401: t('The key is unknown or revoked. Sign in again.'),
    403: t('This key may not do that.'),
    404: t('There is nothing here, or this key may not see it.'),
    429: t('Too many requests with this key. Wait a minute, then try again.'),
    503: t('The service is not available at the moment. Try again.'),
  }[error.status];
  return { words, english: error.status === 401 && words ? null : error.message };
}

export function Failure({ error, retry }) {
  if (!error) return null;
  const { words, english } = errorParts(error);
  return h('div', { class: 'note bad', role: 'alert' },
    h('p', null, words, english && (words ? [' (', h(English, null, english), ')'] : h(English, null, english))),
    error.requestId && h('p', { class: 'small' }, t('For support: {id}', { id: error.requestId })),
    retry && h('button', { type: 'button', onClick: retry }, t('Try again')));
}

export function Page({ title, children, actions }) {
  const heading = useRef();
  useEffect(() => {
    document.title = `${title} – NeverMissCall`;
  }, [title]);
  // A screen reader begins at the new page, as after following a link. Not after it is drawn: a key pressed at once may have moved
  // the focus by then.
  useLayoutEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return h(Fragment, null,
    h('div', { class: 'head' }, h('h1', { ref: heading, tabIndex: -1 }, title), actions),
    children);
}

export const Empty = ({ title, children }) =>
  h('div', { class: 'empty' }, h('h2', null, title), h('p', null, children));

export const Loading = () => h('p', { class: 'loading', role: 'status' }, t('Loading…'));

export const Badge = ({ kind = '', children }) => h('span', { class: `badge ${kind}` }, children);

export const When = ({ at }) => (at ? h('time', { dateTime: at, title: exactTime(at) }, time(at)) : null);
