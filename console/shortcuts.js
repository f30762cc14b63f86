// Shortcuts of the keyboard. None works while something is typed.

import { h } from './vendor/preact.js';
import { t } from './i18n.js';
import { Dialog } from './form.js';
import { focusFirstRow } from './virtual.js';

const BETWEEN_MS = 1500;
const STORED = 'nmc.shortcuts';

/** Shortcuts of a single letter can be switched off: speech input may type some. */
export const letters = {
  get on() { return localStorage.getItem(STORED) !== 'off'; },
  set(on) { localStorage.setItem(STORED, on ? 'on' : 'off'); },
};

/** `g` and a letter go to a page; other letters press what has them as `aria-keyshortcuts` on the page. */
export function shortcuts(pages, toggleHelp) {
  let went = 0;
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (target.closest('input, textarea, select, [contenteditable]')) {
      if (event.key === 'Escape' && !target.closest('dialog')) {
        target.blur();
        // The browser would empty a search field.
        event.preventDefault();
      }
      return;
    }
    if (document.querySelector('dialog[open]') || !letters.on) return;
    const page = Date.now() - went < BETWEEN_MS && pages.find(([, , letter]) => letter === event.key);
    went = 0;
    if (page) location.hash = `#/${page[0]}`;
    else if (event.key === 'g') went = Date.now();
    else if (event.key === '?') toggleHelp();
    else if (event.key === 'j' || event.key === 'ArrowDown') {
      if (target.closest('.virtual') || !focusFirstRow()) return;
    } else if (event.key === 'u') location.hash = '#/inbox';
    else if (/^[a-z/]$/.test(event.key)) {
      const control = document.querySelector(`main [aria-keyshortcuts="${event.key}"]`);
      if (!control || control.disabled) return;
      if (control.matches('input, textarea, select')) control.focus();
      else control.click();
    } else return;
    event.preventDefault();
  };
  document.addEventListener('keydown', pressed);
  return () => document.removeEventListener('keydown', pressed);
}

export function ShortcutsDialog({ pages, onClose }) {
  const keys = [
    ['?', t('This list')],
    ...pages.map(([, words, letter]) => [`g ${letter}`, words]),
    ['/', t('Search by number')],
    ['j k', t('Next and previous conversation')],
    ['Enter', t('Open the conversation')],
    ['u', t('Back to the inbox')],
    ['t', t('Take over')],
    ['r', t('Write to the customer')],
    ['Ctrl Enter', t('Send what is written')],
    ['a', t('Give back to the AI')],
    ['c', t('End the conversation')],
    ['f', t('Report a false alarm')],
    ['Esc', t('Leave a field or a dialog')],
  ];
  return h(Dialog, { title: t('Shortcuts'), onClose },
    h('dl', { class: 'keys' }, keys.map(([key, words]) =>
      h('div', { key }, h('dt', null, key.split(' ').map((each) => h('kbd', null, each))), h('dd', null, words)))),
    h('button', { type: 'button', class: 'main', onClick: onClose }, t('Close')));
}
