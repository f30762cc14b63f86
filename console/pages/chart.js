// Bars per day, one above the other, with the same numbers as a table.

import { h } from '../vendor/preact.js';
import { day, number } from '../format.js';
import { t } from '../i18n.js';

const [WIDTH, HEIGHT] = [640, 160];
const FOOT = 20;

/** `series` are `[words, of(day)]`; each has its own colour and pattern of the legend. */
export function Bars({ title, days, series }) {
  const most = Math.max(1, ...days.map((each) => series.reduce((sum, [, of]) => sum + of(each), 0)));
  const step = WIDTH / days.length;
  const high = (value) => (value / most) * (HEIGHT - FOOT - 12);
  return h('section', { class: 'chart' }, h('h2', null, title),
    h('ul', { class: 'legend', 'aria-hidden': 'true' }, series.map(([words], n) => h('li', { key: words }, h('span', { class: `key s${n}` }), words))),
    h('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}: ${t('the numbers are in the table below')}` },
      h('line', { x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT, class: 'axis' }),
      days.map((each, at) => {
        let below = 0;
        return h('g', { key: each.date },
          series.map(([words, of], n) => {
            const tall = high(of(each));
            below += tall;
            return h('rect', { key: words, class: `s${n}`, x: at * step + step * 0.15, width: Math.min(step * 0.7, 60), y: HEIGHT - FOOT - below, height: tall });
          }),
          (days.length <= 7 || at % 7 === 0) && h('text', { x: at * step + step * 0.15, y: HEIGHT - 4 }, day(each.date)));
      })),
    h('details', null, h('summary', null, t('{title} as a table', { title })),
      h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': title }, h('table', null,
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, t('Day')), series.map(([words]) => h('th', { scope: 'col', key: words }, words)))),
        h('tbody', null, days.map((each) => h('tr', { key: each.date }, h('th', { scope: 'row' }, day(each.date)), series.map(([words, of]) => h('td', { key: words }, number(of(each)))))))))));
}
