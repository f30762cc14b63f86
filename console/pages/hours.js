// Business hours as a grid of the week.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { Text } from '../form.js';
import { fullDate } from '../format.js';
import { t } from '../i18n.js';

const DAYS = () => [
  ['monday', t('Monday')], ['tuesday', t('Tuesday')], ['wednesday', t('Wednesday')], ['thursday', t('Thursday')],
  ['friday', t('Friday')], ['saturday', t('Saturday')], ['sunday', t('Sunday')],
];
const USUAL = { start: '08:00', end: '18:00' };

/** A day is null, a span or a list of spans. */
const spansOf = (day) => (day ? (Array.isArray(day) ? day : [day]) : []);
const asDay = (spans) => (spans.length === 0 ? null : spans.length === 1 ? spans[0] : spans);

// An input has no 24:00, the end of a day that is open until midnight.
const shown = (time) => (time === '24:00' ? '00:00' : time);
const meant = (part, time) => (part === 'end' && time === '00:00' ? '24:00' : time);

function Day({ words, spans, isKnown = true, mayWrite, error, onInput, onRemove }) {
  const change = (at, part) => onInput(spans.map((span, n) => (n === at ? { ...span, ...part } : span)));
  const time = (at, part, label) => h('input', {
    type: 'time', required: true, value: shown(spans[at][part]), 'aria-label': `${words}: ${label}`, 'aria-invalid': error ? 'true' : undefined,
    onInput: (event) => change(at, { [part]: meant(part, event.currentTarget.value) }),
  });
  return h('div', { class: 'day' },
    h('span', { class: 'name' }, words),
    h('div', { class: 'spans' },
      spans.length === 0 && h('span', { class: 'closed' }, isKnown ? t('closed') : t('not known')),
      spans.map((_, at) => h('span', { class: 'span', key: at },
        time(at, 'start', t('from')), '–', time(at, 'end', t('to')),
        mayWrite && h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: remove these hours', { day: words }), onClick: () => onInput(spans.filter((__, n) => n !== at)) }, '×'))),
      error && h('span', { class: 'error' }, error)),
    mayWrite && h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: add hours', { day: words }), onClick: () => onInput([...spans, USUAL]) }, t('add hours')),
    mayWrite && onRemove && h('button', { type: 'button', class: 'plain', onClick: onRemove }, t('Remove {day}', { day: words })));
}

export function Hours({ value, mayWrite, onInput, errorOf }) {
  const isKnown = DAYS().some(([day]) => value && day in value);
  const set = (day, spans) => onInput({ ...(value ?? {}), [day]: asDay(spans) });
  const errorOfDays = errorOf('business_hours.holidays');
  return h('fieldset', { class: 'hours' },
    h('legend', null, t('Business hours')),
    h('p', { class: 'hint' }, isKnown ? t('The times are of the business’s time zone.') : t('No hours are known: appointments are possible at any time.')),
    h('div', { class: 'week' }, DAYS().map(([day, words]) =>
      h(Day, { key: day, words, spans: spansOf(value?.[day]), isKnown, mayWrite, error: errorOf(`business_hours.${day}`), onInput: (spans) => set(day, spans) }))),
    mayWrite && isKnown && h('button', { type: 'button', class: 'plain', onClick: () => onInput(value.holidays ? { holidays: value.holidays } : {}) }, t('Forget the hours of the week')),
    h(Holidays, { value: value?.holidays ?? {}, isKnown, mayWrite, onInput: (holidays) => onInput(withHolidays(value ?? {}, holidays)) }),
    errorOfDays && h('p', { class: 'error' }, errorOfDays));
}

const withHolidays = ({ holidays: _, ...week }, holidays) => (Object.keys(holidays).length ? { ...week, holidays } : week);

/** Days with other hours than those of their weekday: none, if the business is closed. */
function Holidays({ value, isKnown, mayWrite, onInput }) {
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
    !isKnown && dates.length > 0 && h('p', { class: 'note' }, t('While the hours of the week are not known, these days have no effect.')),
    h('div', { class: 'week' }, dates.map((day) => h(Day, { key: day, words: fullDate(day), spans: spansOf(value[day]), mayWrite, onInput: (spans) => set(day, spans), onRemove: () => remove(day) }))),
    mayWrite && h('div', { class: 'row' },
      h(Text, { label: t('Add a day'), type: 'date', value: date, onInput: setDate }),
      h('button', { type: 'button', disabled: !date || dates.includes(date), onClick: add }, t('Add: closed on this day'))));
}
