// Renews docs/console/*.png: the pages after a small story, played by the simulators.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { go, launch, open, signedIn } from './browser.mjs';
import { BUSINESS, Stage, business, until } from './stage.mjs';

const OUT = new URL('../../docs/console/', import.meta.url).pathname;
const WIDE = { viewport: { width: 1200, height: 760 }, timezoneId: 'America/New_York' };
const NARROW = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, timezoneId: 'America/New_York', colorScheme: 'dark' };

mkdirSync(OUT, { recursive: true });
const [stage, browser] = await Promise.all([Stage.start({ hold: '60s' }), launch()]);
try {
  await stage.putBusiness(BUSINESS, business({ timezone: 'America/New_York' }));
  const [sink, tap, heater, burst, gone] = ['+12125550141', '+12125550187', '+12125550119', '+12125550162', '+12125550133'];
  const callAndText = async (customer, words) => {
    await stage.missCall(customer);
    await until('the text after the call', async () => (await stage.sent(customer)).length > 0);
    await stage.text(customer, words);
  };
  await callAndText(sink, 'Hi, my kitchen sink is completely blocked. Can somebody come today?');
  await callAndText(tap, 'How much is a new tap?');
  await stage.faults([{ number: gone, when: { next: 1 }, fault: { deliver: { status: 'undelivered', error_code: 30003 } } }]);
  await stage.missCall(gone);
  await callAndText(heater, 'Water heater makes noise since this morning');
  const taken = await stage.conversation(heater, (found) => found.waiting_since);
  await stage.api('POST', `/conversations/${taken.id}/takeover`, { user_id: 'user-joe', reason: 'I know this one' });
  await stage.api('POST', `/conversations/${taken.id}/messages`, { user_id: 'user-joe', body: 'Joe here. Is it more of a hum or a knock?' });
  await stage.text(burst, 'The basement is flooding, a pipe burst!');
  await stage.text('+12125550100', 'Is anybody there?', { to: '+15555559999' });
  const emergency = await stage.answered(burst);
  await until('a dead letter', async () => (await stage.api('GET', '/dead-letters')).dead_letters.length > 0);
  await stage.api('POST', '/opt-outs', { business_id: BUSINESS, customer_phone: '+12125550175', source: 'phone', note: 'Said so to Joe on the phone.' });

  const shoot = async (page, path, name) => {
    await go(page, path);
    await until('notices are gone', async () => {
      const close = page.locator('.notice button').first();
      if (await close.count()) await close.click();
      return (await page.locator('.notice').count()) === 0;
    });
    await page.screenshot({ path: join(OUT, `${name}.png`) });
  };
  const outside = await open(browser, stage, WIDE);
  await outside.getByLabel('API key').waitFor();
  await outside.screenshot({ path: join(OUT, 'sign-in.png') });
  const wide = await signedIn(browser, stage, WIDE);
  await until('the inbox', async () => (await wide.locator('.virtual li').count()) >= 5);
  for (const [path, name] of [
    ['inbox', 'inbox'], [`conversation/${emergency.id}`, 'conversation'], ['emergencies', 'emergencies'], ['today', 'today'],
    ['undelivered', 'undelivered'], ['letters', 'dead-letters'], ['businesses', 'businesses'], [`business/${BUSINESS}`, 'business'], ['optouts', 'opt-outs'], ['settings', 'settings'],
  ]) await shoot(wide, path, name);
  const narrow = await signedIn(browser, stage, NARROW);
  await until('the inbox', async () => (await narrow.locator('.virtual li').count()) >= 5);
  await shoot(narrow, 'inbox', 'phone');
  console.log(`screenshots: ${OUT}`);
} finally {
  await browser.close();
  await stage.stop();
}
