// Business hours as a grid of the week.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { fullDate } from '../format.js';
import { t } from '../i18n.js';
import { Text } from '../ui.js';

const DAYS = () => [
  ['monday', t('Monday')], ['tuesday', t('Tuesday')], ['wednesday', t('Wednesday')], ['thursday', t('Thursday')],
  ['friday', t('Friday')], ['saturday', t('Saturday')], ['sunday', t('Sunday')],
];
const USUAL = { start: '08:00', end: '18:00' };

/** A day is null, a span or a list of spans. */
const spansOf = (day) => (day ? (Array.isArray(day) ? day : [day]) : []);
const asDay = (spans) => (spans.length === 0 ? null : spans.length === 1 ? spans[0] : spans);

function Day({ words, spans, error, onInput, onRemove }) {
  const change = (at, part) => onInput(spans.map((span, n) => (n === at ? { ...span, ...part } : span)));
  const time = (at, part, label) => h('input', {
    type: 'time', required: true, value: spans[at][part], 'aria-label': `${words}: ${label}`, 'aria-invalid': error ? 'true' : undefined,
    onInput: (event) => change(at, { [part]: event.currentTarget.value }),
  });
  return h('div', { class: 'day' },
    h('span', { class: 'name' }, words),
    h('div', { class: 'spans' },
      spans.length === 0 && h('span', { class: 'closed' }, t('closed')),
      spans.map((_, at) => h('span', { class: 'span', key: at },
        time(at, 'start', t('from')), '–', time(at, 'end', t('to')),
        h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: remove these hours', { day: words }), onClick: () => onInput(spans.filter((__, n) => n !== at)) }, '×'))),
      error && h('span', { class: 'error' }, error)),
    h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: add hours', { day: words }), onClick: () => onInput([...spans, USUAL]) }, '+'),
    onRemove && h('button', { type: 'button', class: 'plain', onClick: onRemove }, t('{day}: as usual', { day: words })));
}

export function Hours({ value, onInput, errorOf }) {
  const set = (day, spans) => onInput({ ...(value ?? {}), [day]: asDay(spans) });
  const errorOfDays = errorOf('business_hours.holidays');
  return h('fieldset', { class: 'hours' },
    h('legend', null, t('Business hours')),
    h('p', { class: 'hint' }, value ? t('The times are of the business’s time zone.') : t('No hours are known: appointments are possible at any time.')),
    h('div', { class: 'week' }, DAYS().map(([day, words]) =>
      h(Day, { key: day, words, spans: spansOf(value?.[day]), error: errorOf(`business_hours.${day}`), onInput: (spans) => set(day, spans) }))),
    h(Holidays, { value: value?.holidays ?? {}, onInput: (holidays) => onInput({ ...(value ?? {}), holidays }) }),
    errorOfDays && h('p', { class: 'error' }, errorOfDays));
}

/** Days with other hours than those of their weekday: none, if the business is closed. */
function Holidays({ value, onInput }) {
  const [date, setDate] = useState('');
  const dates = Object.keys(value).sort();
  const set = (day, spans) => onInput({ ...value, [day]: asDay(spans) });
  const remove = (day) => onInput(Object.fromEntries(Object.entries(value).filter(([each]) => each !== day)));
  const add = () => {
    set(date, []);
    setDate('');
  };
  return h('div', { class: 'holidays' },
    h('h3', null, t('Holidays and other days with hours of their own')),
    h('div', { class: 'week' }, dates.map((day) => h(Day, { key: day, words: fullDate(day), spans: spansOf(value[day]), onInput: (spans) => set(day, spans), onRemove: () => remove(day) }))),
    h('div', { class: 'row' },
      h(Text, { label: t('Add a day'), type: 'date', value: date, onInput: setDate }),
      h('button', { type: 'button', disabled: !date || dates.includes(date), onClick: add }, t('Add: closed on this day'))));
}
