// The parts that several pages use.

import { Fragment, h } from './vendor/preact.js';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { ApiError, Unreachable, serverClock } from './api.js';
import { t } from './i18n.js';
import { exactTime, time } from './format.js';

/** Renders the component again when `subscribe` calls back; nothing is missed between rendering and subscribing. */
export function useChanges(subscribe) {
  const [, renew] = useState(0);
  useLayoutEffect(() => subscribe(() => renew((n) => n + 1)), []);
}

/** The server's time; while `active`, the component is drawn again each second. */
export function useNow(active = true) {
  const [, renew] = useState(0);
  useEffect(() => {
    if (!active) return undefined;
    let timer;
    const wait = () => { timer = setTimeout(tick, 1000 - (serverClock.now() % 1000) + 5); };
    const tick = () => {
      renew((n) => n + 1);
      wait();
    };
    wait();
    return () => clearTimeout(timer);
  }, [active]);
  return serverClock.now();
}

/** Loads something: `{data, error, reload, setData}`. What is shown stays until the new is there. */
export function useLoad(load, inputs) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = (turn.current += 1);
    setState((before) => ({ ...before, loading: true }));
    try {
      const data = await load();
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((before) => ({ ...before, error, loading: false }));
    }
  }, inputs);
  useEffect(() => {
    reload();
    return () => { turn.current += 1; };
  }, [reload]);
  const setData = (change) => setState((before) => ({ ...before, data: change(before.data) }));
  return { ...state, reload, setData };
}

/** A list that is read page by page: `{items, more, next, error, loading, reload}`. */
export function usePages(load, name, inputs) {
  const pages = useLoad(async () => load(null), inputs);
  // Of the page that was to be added to a list: it is over once the list is another one.
  const [failure, setFailure] = useState(null);
  const cursor = pages.data?.next_cursor ?? null;
  const reading = useRef(null);
  const next = async () => {
    const before = pages.data;
    if (reading.current === before) return;
    reading.current = before;
    try {
      const page = await load(cursor);
      // The list may have been read anew, or with another filter.
      pages.setData((now) => (now === before ? { ...page, [name]: [...before[name], ...page[name]] } : now));
    } catch (error) {
      setFailure({ of: before, error });
    }
    reading.current = null;
  };
  const ofNext = failure?.of === pages.data ? failure?.error : null;
  return {
    items: pages.data?.[name] ?? null, more: cursor !== null, next, error: pages.error ?? ofNext ?? null, reload: ofNext ? next : pages.reload,
  };
}

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

let fields = 0;
export const useId = () => useState(() => `f${(fields += 1)}`)[0];

/** A labelled control; `make(props)` makes the control itself. */
export function Field({ label, hint, error, make }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return h('div', { class: `field ${error ? 'wrong' : ''}` },
    h('label', { for: id }, label),
    hint && h('div', { class: 'hint', id: `${id}-hint` }, hint),
    make({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? 'true' : undefined }),
    error && h('div', { class: 'error', id: `${id}-error` }, error));
}

export const Text = ({ value, onInput, type = 'text', required, autocomplete = 'off', placeholder, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('input', {
      ...props, type, value, required, autocomplete, placeholder, spellcheck: false, autocapitalize: 'off',
      onInput: (event) => onInput(event.currentTarget.value),
    }),
  });

export const Area = ({ value, onInput, rows = 3, placeholder, spellcheck = true, readOnly, inputRef, onKeyDown, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('textarea', {
      ...props, value, rows, placeholder, spellcheck, readOnly, ref: inputRef, onKeyDown,
      onInput: (event) => onInput(event.currentTarget.value),
    }),
  });

/** `options` are `[value, words]`. */
export const Select = ({ value, onInput, options, required, ...field }) =>
  h(Field, {
    ...field,
    make: (props) => h('select', { ...props, required, onChange: (event) => onInput(event.currentTarget.value) },
      options.map(([each, words]) => h('option', { value: each, selected: each === value }, words))),
  });

export function Check({ label, hint, error, checked, onInput }) {
  const id = useId();
  return h('div', { class: `field ${error ? 'wrong' : ''}` },
    h('label', { class: 'check' }, h('input', {
      type: 'checkbox', checked, 'aria-describedby': hint || error ? id : undefined, 'aria-invalid': error ? 'true' : undefined,
      onChange: (event) => onInput(event.currentTarget.checked),
    }), label),
    (hint || error) && h('div', { id, class: error ? 'error' : 'hint' }, error || hint));
}

/** A dialog of the browser: it keeps the focus within, and Escape closes it. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef();
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  return h('dialog', { ref: dialog, 'aria-labelledby': id, onClose, onCancel: onClose },
    h('h2', { id }, title), children);
}

/** A form in a dialog; `send` may throw what the API answered, which is shown beside the fields. */
export function FormDialog({ title, confirm, onClose, send, children, danger }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await send();
      onClose();
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  return h(Dialog, { title, onClose },
    h('form', { onSubmit: submit },
      typeof children === 'function' ? children(fieldErrors(error)) : children,
      h(Failure, { error }),
      h('div', { class: 'row' },
        h('button', { type: 'submit', class: danger ? 'danger' : 'main', disabled: busy }, busy ? t('Please wait…') : confirm),
        h('button', { type: 'button', onClick: onClose }, t('Cancel')))));
}

/** The invalid fields of an error, by name; `isOurs` is a reason in the words of the page. */
export const fieldErrors = (error) =>
  Object.fromEntries((error?.details ?? []).map(({ field, reason, isOurs }) => [field, isOurs ? reason : h(English, null, reason)]));

// Short notices, which are read aloud.
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
