// Business hours as a grid of the week.

import { h } from '../vendor/preact.js';
import { t } from '../i18n.js';

const DAYS = () => [
  ['monday', t('Monday')], ['tuesday', t('Tuesday')], ['wednesday', t('Wednesday')], ['thursday', t('Thursday')],
  ['friday', t('Friday')], ['saturday', t('Saturday')], ['sunday', t('Sunday')],
];
const USUAL = { start: '08:00', end: '18:00' };

/** A day is null, a span or a list of spans. */
const spansOf = (day) => (day ? (Array.isArray(day) ? day : [day]) : []);
const asDay = (spans) => (spans.length === 0 ? null : spans.length === 1 ? spans[0] : spans);

export function Hours({ value, onInput, errorOf }) {
  const set = (day, spans) => onInput({ ...(value ?? {}), [day]: asDay(spans) });
  const holidays = Object.keys(value?.holidays ?? {});
  return h('fieldset', { class: 'hours' },
    h('legend', null, t('Business hours')),
    h('p', { class: 'hint' }, value ? t('The times are of the business’s time zone.') : t('No hours are known: appointments are possible at any time.')),
    h('div', { class: 'week' }, DAYS().map(([day, words]) => {
      const spans = spansOf(value?.[day]);
      const error = errorOf(`business_hours.${day}`);
      const change = (at, part) => set(day, spans.map((span, n) => (n === at ? { ...span, ...part } : span)));
      const time = (at, part, label) => h('input', {
        type: 'time', required: true, value: spans[at][part], 'aria-label': `${words}: ${label}`, 'aria-invalid': error ? 'true' : undefined,
        onInput: (event) => change(at, { [part]: event.currentTarget.value }),
      });
      return h('div', { class: 'day', key: day },
        h('span', { class: 'name' }, words),
        h('div', { class: 'spans' },
          spans.length === 0 && h('span', { class: 'closed' }, t('closed')),
          spans.map((_, at) => h('span', { class: 'span', key: at },
            time(at, 'start', t('from')), '–', time(at, 'end', t('to')),
            h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: remove these hours', { day: words }), onClick: () => set(day, spans.filter((__, n) => n !== at)) }, '×'))),
          error && h('span', { class: 'error' }, error)),
        h('button', { type: 'button', class: 'plain', 'aria-label': t('{day}: add hours', { day: words }), onClick: () => set(day, [...spans, USUAL]) }, '+'));
    })),
    holidays.length > 0 && h('p', { class: 'small' }, t('Holidays, which stay as they are: {dates}', { dates: holidays.join(', ') })),
    errorOf('business_hours.holidays') && h('p', { class: 'error' }, errorOf('business_hours.holidays')));
}
