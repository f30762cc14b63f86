// Short notices, which are read aloud.

import { h } from './vendor/preact.js';
import { useLayoutEffect, useState } from './vendor/hooks.js';
import { t } from './i18n.js';

const notices = new Set();
let shown = [];
let serial = 0;
const NOTICE_MS = 12_000;

const MOST_NOTICES = 4;

/** `urgent` interrupts and does not expire; what `stays` is also shown on other pages, so it says of what it is. */
export function notify(text, { urgent = false, stays = false, link } = {}) {
  serial += 1;
  const notice = { id: serial, text, urgent, stays, link };
  const others = shown.filter((other) => other.text !== text || other.link !== link);
  shown = atMost([...others, notice]);
  for (const does of notices) does(shown);
  if (!urgent) setTimeout(() => dismiss(notice.id), NOTICE_MS);
}

/** The newest: of those that stay as many as may be shown, of the others what is left, but at least one. */
export function atMost(all) {
  const staying = all.filter((notice) => notice.stays).slice(-MOST_NOTICES);
  const others = all.filter((notice) => !notice.stays).slice(-Math.max(1, MOST_NOTICES - staying.length));
  return all.filter((notice) => staying.includes(notice) || others.includes(notice));
}

/** On another page, what was said of the one before would be about the wrong thing. */
export function forgetNotices() {
  shown = shown.filter((notice) => notice.stays);
  for (const does of notices) does(shown);
}

function dismiss(id) {
  shown = shown.filter((notice) => notice.id !== id);
  for (const does of notices) does(shown);
}

export function Notices() {
  const [all, setAll] = useState(shown);
  useLayoutEffect(() => {
    notices.add(setAll);
    return () => notices.delete(setAll);
  }, []);
  const list = (urgent) => all.filter((notice) => notice.urgent === urgent).map((notice) =>
    h('div', { key: notice.id, class: `notice ${urgent ? 'bad' : ''}` },
      h('span', null, notice.text),
      notice.link && h('a', { href: notice.link, onClick: () => dismiss(notice.id) }, t('Open')),
      h('button', { type: 'button', onClick: () => dismiss(notice.id), 'aria-label': t('Close') }, '×')));
  return h('div', { class: 'notices' },
    h('div', { role: 'alert' }, list(true)),
    h('div', { role: 'status' }, list(false)));
}
