// Times, numbers and the server's words, for people.

import { language, t } from './i18n.js';

const locale = language === 'es' ? 'es' : 'en';
const clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' });
const clockOfSeconds = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const dayAndSeconds = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' });
const dayOnly = new Intl.DateTimeFormat(locale, { weekday: 'short', month: 'short', day: 'numeric', timeZone: 'UTC' });
const dayOfYear = new Intl.DateTimeFormat(locale, { weekday: 'short', year: 'numeric', month: 'short', day: 'numeric', timeZone: 'UTC' });
const plain = new Intl.NumberFormat(locale);
const DAY = 86_400_000;

export const number = (value) => plain.format(value);
export const exactTime = (at) => exact.format(new Date(at));
/** A date such as `2026-03-01`. */
export const day = (date) => dayOnly.format(new Date(`${date}T00:00:00Z`));

/** The same with its year. */
export function fullDate(date) {
  const at = Date.parse(`${date}T00:00:00Z`);
  // The server also takes 2026-1-5.
  return Number.isNaN(at) ? date : dayOfYear.format(at);
}

/** The time of day, and the date if it was not within the last day. */
export function time(at, now = Date.now()) {
  const when = new Date(at);
  return now - when.getTime() < DAY ? clock.format(when) : dayAndClock.format(when);
}

/** The time of day to the second, and the date if it is another day. */
export function exactMoment(at, now = Date.now()) {
  const when = new Date(at);
  return (when.toDateString() === new Date(now).toDateString() ? clockOfSeconds : dayAndSeconds).format(when);
}

/** A span as `4:05`, `1:04:05` or, from two days on, `3 d`. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours >= 48) return t('{n} d', { n: Math.floor(hours / 24) });
  const two = (value) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** What is left until a time: the countdown is at 0:00 when it is over, and at 0:01 until then. */
export const left = (at, now) => span(Math.ceil((Date.parse(at) - now) / 1000) * 1000);

/** A number that was typed, with its country's code; null while it has none or is too short. Ten digits are an American one. */
export function wholeNumber(text) {
  const digits = text.replace(/\D/g, '');
  if (text.trim().startsWith('+')) return digits.length >= 8 ? `+${digits}` : null;
  if (digits.length === 10) return `+1${digits}`;
  return digits.length === 11 && digits.startsWith('1') ? `+${digits}` : null;
}

export function phone(text) {
  const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(text ?? '');
  return american ? `+1 ${american[1]} ${american[2]} ${american[3]}` : (text ?? '');
}

/** A person by their id in the App Server; somebody who answered an alert has only a phone (`phone:+1…`). */
export const person = (id) => (id?.startsWith('phone:') ? phone(id.slice('phone:'.length)) : id);

export const statusWords = (status) =>
  ({
    active: t('New'),
    ai_handling: t('AI'),
    user_handling: t('Person'),
    completed: t('Ended'),
  })[status] ?? status;

export const deliveryWords = (status) =>
  ({
    received: t('received'),
    queued: t('waits to be sent'),
    sending: t('is being sent'),
    sent: t('sent'),
    delivered: t('delivered'),
    undelivered: t('not delivered'),
    failed: t('not sent'),
    superseded: t('dropped before it was sent'),
    unknown: t('may or may not have been sent'),
  })[status] ?? status;

export const kindWords = (kind) =>
  ({
    customer: t('Customer'),
    reaction: t('Reaction'),
    auto_reply: t('Automatic reply'),
    missed_call: t('Text after the missed call'),
    reply: t('AI'),
    fallback: t('Fallback text'),
    emergency: t('Emergency text'),
    notice: t('Notice'),
    taken: t('Says that a person has it'),
    user: t('Person'),
    recovered: t('Found after a restore'),
  })[kind] ?? kind;

export const urgencyWords = (urgency) =>
  ({
    normal: t('normal'),
    urgent: t('urgent'),
    emergency: t('emergency'),
  })[urgency] ?? plainWords(urgency);

export const windowWords = (state) =>
  ({
    open: t('open'),
    claimed: t('being answered'),
    answered: t('answered'),
    superseded: t('answered with a later one'),
    handed_over: t('handed over to a person'),
    unknown: t('not known whether it was sent'),
  })[state] ?? plainWords(state);

export const tradeWords = (trade) =>
  ({
    plumbing: t('plumbing'),
    electrical: t('electrical'),
    hvac: t('heating and air conditioning'),
    locksmith: t('locksmith'),
    garage_door: t('garage door'),
  })[trade] ?? plainWords(trade);

const SERVICES = { nats: 'NATS', postgres: 'PostgreSQL', redis: 'Redis', twilio: 'Twilio', dispatchbot_ai: 'DispatchBot' };
export const serviceName = (name) => SERVICES[name] ?? name;

/** The words of a language whose words are joined by underscores: what the server adds later is still readable. */
export const plainWords = (word) => (word ?? '').replace(/_/g, ' ');
