// A list of any length, of which only the rows in view are in the page. It scrolls with the page.

import { h } from './vendor/preact.js';
import { useEffect, useRef, useState } from './vendor/hooks.js';

const BEYOND = 6;
const rootSize = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

/** `items` in rows that are all `rem()` high; `row(item)` makes the content, `keyOf(item)` tells rows apart. */
export function VirtualList({ items, rem, keyOf, row, label }) {
  const list = useRef();
  const [view, setView] = useState({ first: 0, last: 20, height: rem() * rootSize() });
  const [focused, setFocused] = useState(null);

  useEffect(() => {
    const measure = () => {
      if (!list.current) return;
      // Large type makes the rows higher.
      const height = rem() * rootSize();
      const above = -list.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(above / height) - BEYOND);
      const last = Math.ceil((above + innerHeight) / height) + BEYOND;
      setView((was) => (was.first === first && was.last === last && was.height === height ? was : { first, last, height }));
    };
    measure();
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [items.length]);

  const rows = [];
  for (let at = view.first; at < Math.min(view.last, items.length); at += 1) rows.push(at);
  // The row with the focus stays, or the keyboard would lose its place.
  const kept = focused === null ? -1 : items.findIndex((item) => keyOf(item) === focused);
  if (kept >= 0 && !rows.includes(kept)) rows.push(kept);

  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const from = kept < 0 ? 0 : kept;
    focusRow(list.current, Math.max(0, Math.min(items.length - 1, from + step)), view.height, setFocused, items, keyOf);
  };

  return h('ul', {
    ref: list, class: 'virtual', 'aria-label': label, onKeyDown: move, style: { height: `${items.length * view.height}px` },
    onFocusIn: (event) => setFocused(event.target.closest('li')?.dataset.key ?? null),
    onFocusOut: () => setFocused(null),
  },
    rows.map((at) => h('li', {
      key: keyOf(items[at]), 'data-key': keyOf(items[at]), 'aria-setsize': items.length, 'aria-posinset': at + 1,
      style: { transform: `translateY(${at * view.height}px)`, height: `${view.height}px` },
    }, row(items[at]))));
}

function focusRow(list, at, height, setFocused, items, keyOf) {
  const key = keyOf(items[at]);
  setFocused(key);
  const top = list.getBoundingClientRect().top + at * height;
  if (top < 80) scrollBy(0, top - 80);
  else if (top + height > innerHeight) scrollBy(0, top + height - innerHeight + 8);
  // After the row is in the page.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    list.querySelector(`li[data-key="${CSS.escape(key)}"] a`)?.focus({ preventScroll: true });
  }));
}

/** Puts the focus on the first row of the list on the page; whether there is one. */
export function focusFirstRow() {
  const first = document.querySelector('.virtual li a');
  first?.focus();
  return Boolean(first);
}
