// Figures per day, as charts with tables.

import { Fragment, h } from '../vendor/preact.js';
import { useEffect, useRef, useState } from '../vendor/hooks.js';
import { allBusinesses, get, serverClock } from '../api.js';
import { Select } from '../form.js';
import { number, span } from '../format.js';
import { t } from '../i18n.js';
import { useLoad } from '../loading.js';
import { onEvent } from '../stream.js';
import { Empty, Failure, Loading, Page } from '../ui.js';
import { Bars } from './chart.js';

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/** A date in the browser's time zone, some days ago by the server's clock. */
function dateBefore(days) {
  const today = new Intl.DateTimeFormat('en-CA').format(serverClock.now());
  // Days of a calendar: those on which clocks are set have not 24 hours.
  return new Date(Date.parse(today) - days * 86_400_000).toISOString().slice(0, 10);
}
/** Figures are not read more often than this while events arrive. */
const RENEW_MS = 5_000;

export function Today() {
  const [days, setDays] = useState('7');
  const [business, setBusiness] = useState('');
  const businesses = useLoad(allBusinesses, []);
  const figures = useLoad(() => get('/figures', {
    from: dateBefore(Number(days) - 1), to: dateBefore(0), timezone: zone, business_id: business,
  }), [days, business]);
  useRenewal(figures.reload);
  const names = businesses.data ?? [];
  const all = figures.data?.days ?? [];
  return h(Page, { title: t('Today') },
    h('div', { class: 'filters' },
      h(Select, { label: t('Days'), value: days, onInput: setDays, options: [['1', t('Today')], ['7', t('7 days')], ['28', t('28 days')]] }),
      names.length > 1 && h(Select, { label: t('Business'), value: business, onInput: setBusiness, options: [['', t('All')], ...names.map((each) => [each.id, each.name])] })),
    h(Failure, { error: figures.error, retry: figures.reload }),
    !figures.data ? !figures.error && h(Loading) : h(Fragment, null,
      h(Numbers, { title: t('Today'), figures: all.at(-1) }),
      days !== '1' && h(Numbers, { title: t('All {n} days', { n: days }), figures: figures.data.total }),
      all.every((each) => each.calls === 0 && each.conversations === 0)
        ? h(Empty, { title: t('No calls yet') }, t('Call the business’s number and let it ring: the call appears here.'))
        : h(Fragment, null,
          h(Bars, { title: t('Calls'), days: all, series: [[t('missed'), (d) => d.missed], [t('answered'), (d) => d.answered]] }),
          h(Bars, { title: t('First answer by'), days: all, series: [[t('the AI'), (d) => d.first_answer.ai], [t('a person'), (d) => d.first_answer.user], [t('fallback text'), (d) => d.first_answer.fallback], [t('nobody'), (d) => d.first_answer.nobody]] }),
          h(Bars, { title: t('Bookings'), days: all, series: [[t('appointments requested'), (d) => d.bookings]] })),
      h('details', null, h('summary', null, t('What these figures count')), h(Definitions))));
}

/** Reads again some time after events, so that the page shows a call that just ended. */
function useRenewal(reload) {
  const latest = useRef(reload);
  latest.current = reload;
  useEffect(() => {
    let timer = null;
    const end = onEvent(() => {
      timer ??= setTimeout(() => {
        timer = null;
        latest.current();
      }, RENEW_MS);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, []);
}

const percent = (part, whole) => (whole ? t('{n} %', { n: Math.round((100 * part) / whole) }) : '–');
const seconds = (value) => (value === null || value === undefined ? '–' : span(value * 1000));

function Numbers({ title, figures }) {
  const tiles = [
    [t('Calls'), number(figures.calls)],
    [t('Missed'), number(figures.missed)],
    [t('Texted back within 5 s'), percent(figures.texted_within_5s, figures.to_text_back), t('{n} of {all}', { n: number(figures.texted_within_5s), all: number(figures.to_text_back) })],
    [t('Time to the first answer'), seconds(figures.answer_seconds.median), t('90 % within {span}', { span: seconds(figures.answer_seconds.p90) })],
    [t('Answered by the AI'), number(figures.first_answer.ai)],
    [t('Answered by a person'), number(figures.first_answer.user)],
    [t('Only a fallback text'), number(figures.first_answer.fallback)],
    [t('Not answered yet'), number(figures.first_answer.nobody)],
    [t('Bookings'), number(figures.bookings)],
  ];
  return h('section', { 'aria-label': title }, h('h2', null, title),
    h('dl', { class: 'tiles' }, tiles.map(([name, value, small]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value, small && h('span', { class: 'small' }, small))))));
}

const Definitions = () => h('dl', { class: 'definitions' }, [
  [t('Day'), t('From midnight to midnight in your time zone ({zone}). A call counts on the day on which it rang, a conversation on the day on which it began.', { zone })],
  [t('Missed'), t('Calls that nobody answered. A call that still rings is neither missed nor answered.')],
  [t('Texted back within 5 s'), t('Of the missed calls after which the caller was to get a text, those whose text Twilio accepted by a request that began within 5 seconds after the call had ended. A text that quiet hours put off counts as one to send that was not sent in time. Callers who want no texts, withhold their number or were texted shortly before get none, and do not count.')],
  [t('First answer by'), t('In the conversations in which the customer wrote: who gave the first answer that Twilio accepted. “Fallback text” means that there is no answer yet, only a text that says that somebody will answer.')],
  [t('Time to the first answer'), t('From the customer’s first text to the request by which Twilio accepted the first answer, of the AI or of a person: half of the answers took at most this long. Conversations without an answer are not included, however long they wait.')],
  [t('Bookings'), t('Appointments to which customers agreed with the AI, and which the business has to confirm.')],
].map(([name, words]) => h('div', { key: name }, h('dt', null, name), h('dd', null, words))));

