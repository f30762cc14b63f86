// The page's languages. The English text is the key; es.js has the Spanish for each.

import { es } from './es.js';

const STORED = 'nmc.language';
const LANGUAGES = ['en', 'es'];
const stored = localStorage.getItem(STORED);
const preferred = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag));

export const language = LANGUAGES.includes(stored) ? stored : (preferred ?? 'en');
document.documentElement.lang = language;

export function setLanguage(tag) {
  localStorage.setItem(STORED, tag);
  location.reload();
}

/** The text in the page's language, with `{name}` replaced by `values.name`. */
export function t(text, values) {
  const said = language === 'es' ? (es[text] ?? text) : text;
  return values ? said.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : said;
}
