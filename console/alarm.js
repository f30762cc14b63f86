// An emergency is announced: on the page, and by sound and a notification of the browser if they are allowed.

import { serverClock } from './api.js';
import { onFound } from './follow.js';
import { phone } from './format.js';
import { t } from './i18n.js';
import { notify } from './notices.js';
import { needsPerson } from './order.js';
import { refresh } from './store.js';
import { onEvent } from './stream.js';

const SOUND = 'nmc.sound';
const OLD_MS = 120_000;

export const sound = {
  get on() { return localStorage.getItem(SOUND) === 'on'; },
  set(on) {
    localStorage.setItem(SOUND, on ? 'on' : 'off');
    if (on) beep();
  },
};

export const mayNotify = () => ('Notification' in window ? Notification.permission : 'denied');

/** Begins to announce; returns what ends that. */
export function startAlarm() {
  const ends = [onEvent(alarm), onFound(found)];
  return () => ends.forEach((end) => end());
}

// What an event has announced is not announced again when the inbox finds it.
const announced = new Set();

function found(conversation) {
  if (!announced.has(conversation.id)) announce(conversation.id, conversation.customer_phone);
}

async function alarm(event) {
  if (event.event_type !== 'emergency.detected') return;
  if (await isInHand(event)) return;
  announce(event.conversation_id, event.customer_phone);
}

/** Whether an emergency needs nobody any more: its event may come after an outage. What cannot be read is not in hand. */
export async function isInHand({ occurred_at: at, conversation_id: id }) {
  if (serverClock.now() - Date.parse(at) <= OLD_MS) return false;
  try {
    const now = await refresh(id);
    return now === null || !needsPerson(now);
  } catch {
    return false;
  }
}

function announce(id, customer) {
  announced.add(id);
  const words = t('Emergency: {phone}', { phone: phone(customer) });
  const link = `#/conversation/${encodeURIComponent(id)}`;
  notify(words, { urgent: true, stays: true, link });
  if (sound.on) beep();
  if (mayNotify() === 'granted') {
    try {
      const shown = new Notification(words, { tag: id, requireInteraction: true });
      shown.onclick = () => {
        window.focus();
        location.hash = link;
        shown.close();
      };
    } catch {
      // Some phones show notifications only for installed pages.
    }
  }
}

/** Three short tones. Browsers allow sound after the first click on the page. */
function beep() {
  const context = new AudioContext();
  for (let n = 0; n < 3; n += 1) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const at = context.currentTime + n * 0.3;
    tone.frequency.value = 880;
    volume.gain.setValueAtTime(0.2, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.25);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.25);
  }
  setTimeout(() => context.close(), 1500);
}
