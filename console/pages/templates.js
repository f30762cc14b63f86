// A business's own texts, with a preview and the number of segments.

import { h } from '../vendor/preact.js';
import { useState } from '../vendor/hooks.js';
import { Area } from '../form.js';
import { t } from '../i18n.js';
import { count } from '../segments.js';

const NAMES = () => [
  ['missed_call', t('After a missed call'), t('“{opt_out}” is replaced by the sentence that says how to opt out.', { opt_out: '{opt_out}' })],
  ['fallback', t('If the AI has no answer'), null],
  ['emergency', t('In an emergency'), null],
  ['ai_disclosure', t('Before the AI’s first text'), t('It must say that an AI writes.')],
];

/** The service's own texts (src/domain/conversation/rules/texts.rs), for the preview. */
const DEFAULTS = {
  en: {
    missed_call: "Hi! I missed your call. This is {name}. What can we help you with? Reply here and we'll get right back to you. {opt_out}",
    fallback: 'Thanks, we received your message. Someone from {name} will get back to you shortly.',
    emergency: 'We see that this is an emergency, and {name} is being alerted now. If anyone is in danger, get out and call 911.',
    ai_disclosure: 'This is the AI assistant of {name}.',
  },
  es: {
    missed_call: '¡Hola! No pudimos contestar su llamada. Le escribe {name}. ¿En qué le ayudamos? Responda aquí y le contestamos enseguida. {opt_out}',
    fallback: 'Gracias, hemos recibido su mensaje. Alguien de {name} le responde en breve.',
    emergency: 'Vemos que es una emergencia, y ya avisamos a {name}. Si alguien corre peligro, salgan y llamen al 911.',
    ai_disclosure: 'Le escribe el asistente de IA de {name}.',
  },
};
/** When a business opens next, as the server says it (src/domain/hours/in_words.rs), for the preview. */
const OPENS = { en: 'Monday 8:00 AM', es: 'el lunes a las 8:00 a. m.' };
const OPT_OUT = { en: 'Reply STOP to opt out.', es: 'Responda STOP para darse de baja.' };

/** What customers get. */
export function preview(own, field, language, name) {
  const text = own || DEFAULTS[language][field].replaceAll('{name}', name);
  // In the others it is sent as it is.
  return field === 'missed_call' ? text.replaceAll('{opt_out}', OPT_OUT[language]) : text;
}

/** What customers get outside the hours; empty if there is no such text. */
export const previewAfterHours = (own, language) =>
  (own ?? '').replaceAll('{opens}', OPENS[language]).replaceAll('{opt_out}', OPT_OUT[language]);

/** A text as customers get it, with its segments. */
export function Preview({ text, language }) {
  const { segments, isGsm } = count(text);
  const words = segments === 1 ? t('1 segment') : t('{n} segments', { n: segments });
  return h('figure', null,
    h('figcaption', null, t('Customers get ({words})', { words: isGsm ? words : `${words}, ${t('with signs such as emoji a segment is shorter')}` })),
    h('p', { class: 'bubble', lang: language }, text));
}

export function Templates({ value, name, onInput, errorOf }) {
  // It does not close around a field that was emptied.
  const [hadSpanish] = useState(Boolean(value.es));
  const set = (language, field, text) => {
    const of = { ...(language === 'es' ? value.es : value) };
    if (text) of[field] = text;
    else delete of[field];
    if (language === 'en') return onInput(of);
    const { es: _, ...rest } = value;
    return onInput(Object.keys(of).length ? { ...rest, es: of } : rest);
  };
  const of = (language) => NAMES().map(([field, label, hint]) => {
    const text = (language === 'es' ? value.es : value)?.[field] ?? '';
    return h('div', { class: 'template', key: `${language}.${field}` },
      h(Area, {
        label, hint, rows: 3, value: text, placeholder: t('Empty: the service’s own text is used.'),
        onInput: (changed) => set(language, field, changed), error: errorOf(language === 'es' ? `templates.es.${field}` : `templates.${field}`),
      }),
      h(Preview, { text: preview(text, field, language, name), language }));
  });
  return h('fieldset', { class: 'templates' },
    h('legend', null, t('Texts')),
    h('h3', null, t('English')), of('en'),
    h('details', { open: hadSpanish || Boolean(errorOf('templates.es')) }, h('summary', null, t('Spanish, for customers who write in Spanish')), of('es')));
}
