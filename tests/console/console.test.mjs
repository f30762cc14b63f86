// The console in a real browser, against the running service.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { findings, go, launch, open, signIn, signedIn } from './browser.mjs';
import { BUSINESS, Stage, business, until } from './stage.mjs';

const PAGES = ['inbox', 'emergencies', 'today', 'undelivered', 'letters', 'businesses', `business/${BUSINESS}`, 'optouts', 'settings'];
/** Here a person has longer to answer than any test takes: what there is only until the AI answers does not go meanwhile. */
const AT_LEISURE = {
  business_hours: Object.fromEntries(['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'].map((day) => [day, null])),
  policy: { after_hours: { hold: '50s' } },
};
const LEISURE = { to: '+15555557704' };
let stage;
let browser;
const pages = [];
const problems = [];
let opened = 0;
let customers = 0;

/** A number that no other test uses. */
const newCustomer = () => `+1212555${String((customers += 1)).padStart(4, '0')}`;
const spaced = (phone) => phone.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '+1 $1 $2 $3');
const rowOf = (page, phone) => page.locator('.virtual li', { hasText: spaced(phone) });
/** From now on, no time passes within a task of the page, so that what it draws is as old as what is measured of it then. */
const standStill = (page) => page.evaluate(() => {
  const real = Date.now;
  const ended = new MessageChannel();
  let now = null;
  ended.port1.onmessage = () => { now = null; };
  Date.now = () => {
    if (now === null) {
      now = real();
      ended.port2.postMessage(null);
    }
    return now;
  };
});
const show = async (...args) => {
  const page = await signedIn(browser, stage, ...args);
  pages.push(page);
  return page;
};

before(async () => {
  // One after the other: the browser is closed though the stage does not start.
  browser = await launch();
  stage = await Stage.start();
  await stage.putBusiness();
  await stage.putBusiness('leisure', business({ name: 'Leisure', phone_numbers: [LEISURE.to], ...AT_LEISURE }));
});
// A key may read 16 event streams at once.
afterEach(async () => {
  opened += pages.length;
  for (const page of pages.splice(0)) {
    await page.context().close();
    problems.push(...page.problems);
  }
});
after(async () => {
  await browser?.close();
  await stage?.stop();
});

describe('the console', { timeout: 900_000 }, () => {
  test('says on each empty page what to do', async () => {
    const key = stage.nevermisscall('keys', 'create', '--name', 'empty', '--business', 'nobodys');
    const page = await show({}, { key });
    for (const path of ['inbox', 'emergencies', 'today', 'undelivered', 'letters', 'businesses', 'optouts']) {
      await go(page, path);
      const words = await page.locator('.empty p').innerText();
      assert.ok(words.length > 40, `${path}: ${words}`);
    }
  });

  test('refuses a key that is unknown, and keeps a good one in the tab only', async () => {
    const page = await open(browser, stage);
    pages.push(page);
    await page.locator('input[type="password"]').fill('wrong');
    await page.locator('button[type="submit"]').click();
    const alert = page.getByRole('alert');
    await alert.getByText('The key is unknown or revoked').waitFor();
    // The second time it is said again.
    await alert.evaluate((element) => { element.isTheFirst = true; });
    await page.locator('button[type="submit"]').click();
    await until('another alert', () => page.evaluate(() => {
      const [shown] = document.querySelectorAll('[role="alert"]');
      return shown?.textContent.includes('The key is unknown or revoked') && !shown.isTheFirst;
    }));
    await signIn(page);
    await go(page, 'settings');
    const kept = await page.evaluate(() => ({ local: JSON.stringify({ ...localStorage }), cookie: document.cookie, url: location.href }));
    assert.equal(kept.cookie, '');
    assert.ok(!`${kept.local}${kept.url}`.includes('a-key-for'), JSON.stringify(kept));
    assert.ok(page.requests.every((request) => !request.url().includes('a-key-for')));
    await page.reload();
    await page.locator('.dot.live').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    assert.deepEqual(await page.evaluate(() => ({ ...sessionStorage })), {});
    // Another tab does not have it.
    const other = await page.context().newPage();
    await other.goto(`${stage.url}/console/`);
    await other.getByLabel('API key').waitFor();
  });

  test('says that its key was revoked', async () => {
    const key = stage.nevermisscall('keys', 'create', '--name', 'lost phone', '--user', 'user-lost');
    const page = await show({}, { key, user: '' });
    const { keys } = await stage.api('GET', '/keys?limit=200');
    stage.nevermisscall('keys', 'revoke', keys.find((each) => each.name === 'lost phone').id);
    await page.getByRole('alert').getByText('The key is unknown or revoked. Sign in again.').waitFor();
    assert.deepEqual(await page.evaluate(() => ({ ...sessionStorage })), {});
    // It is said once.
    await page.reload();
    await page.getByLabel('API key').waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
  });

  test('shows no sign-in while a kept key is tried, and says once that nothing answers', async () => {
    const page = await show();
    let answers = 'not yet';
    const asked = [];
    await page.route(`${stage.url}/key`, (route) => {
      asked.push(route);
      if (answers === 'no') return route.abort();
      return answers === 'yes' ? route.continue() : undefined;
    });
    await page.reload();
    await until('the key is tried', () => asked.length === 1);
    await page.getByText('Loading…').waitFor();
    assert.equal(await page.getByLabel('API key').count(), 0);
    answers = 'no';
    await asked[0].abort();
    const alert = page.getByRole('alert');
    await alert.getByText('The service cannot be reached').waitFor();
    await alert.evaluate((element) => { element.isTheFirst = true; });
    await until('it is tried again', () => asked.length >= 3);
    assert.equal(await alert.evaluate((element) => element.isTheFirst), true);
    answers = 'yes';
    await page.locator('.dot.live').waitFor();
  });

  test('counts down rightly from the first moment', async () => {
    const page = await show();
    const [first, second] = [newCustomer(), newCustomer()];
    await stage.missCall(first, LEISURE);
    await rowOf(page, first).waitFor();
    await standStill(page);
    // Each time that a countdown is written, with what was left then.
    await page.evaluate(() => {
      window.counted = [];
      new MutationObserver((records) => {
        for (const { target, addedNodes } of records) {
          const changed = [target, ...addedNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.parentElement : node));
          const timers = changed.filter((node) => node.matches('[role="timer"]'));
          for (const timer of timers) window.counted.push([timer.dataset.due, timer.textContent, (Date.parse(timer.dataset.due) - Date.now()) / 1000]);
        }
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    // For the time of an answer to another customer, the row has no countdown.
    await stage.text(second, 'Hello');
    await rowOf(page, second).getByText('AI:').waitFor();
    await stage.text(first, 'Hello', LEISURE);
    const { answer_due_at: due } = await stage.conversation(first, (found) => found.answer_due_at);
    const counted = await until('the countdown', async () => {
      const all = await page.evaluate(() => window.counted);
      return all.some(([at]) => Date.parse(at) === Date.parse(due)) && all;
    });
    for (const [, words, left] of counted) {
      const shown = Number(/0:(\d\d)/.exec(words)?.[1] ?? 0);
      assert.ok(shown <= Math.max(0, left) + 1.1, `${words}, left ${left}`);
    }
  });

  test('goes by the server’s clock if the browser’s is wrong', async () => {
    const page = await open(browser, stage);
    pages.push(page);
    await page.context().addInitScript(() => {
      const Real = Date;
      const ahead = 25 * 3_600_000;
      window.Date = class extends Real {
        constructor(...parts) { super(...(parts.length ? parts : [Real.now() + ahead])); }

        static now() { return Real.now() + ahead; }
      };
    });
    await page.reload();
    await signIn(page);
    const customer = newCustomer();
    await stage.text(customer, 'What time is it?', LEISURE);
    await rowOf(page, customer).getByText(/^Waits 0:\d\d$/).waitFor();
    const dayOf = () => page.evaluate((now) => new Intl.DateTimeFormat('en-CA').format(now), Date.now());
    const before = await dayOf();
    const asked = page.waitForRequest(/\/figures\?/);
    await go(page, 'today');
    const to = new URL((await asked).url()).searchParams.get('to');
    assert.ok([before, await dayOf()].includes(to), to);
  });

  test('adds the rest of a list after a failure, and the failure is over then', async () => {
    const page = await show();
    const optOut = (id, customer_phone) => ({ id, customer_phone, business_id: BUSINESS, source: 'phone', note: null, opted_out_at: new Date().toISOString() });
    let fails = true;
    await page.route('**/opt-outs?*', (route) => {
      const isNext = route.request().url().includes('cursor=');
      if (isNext && fails) return route.fulfill({ status: 503, json: { error: { code: 'UNAVAILABLE', message: 'later' } } });
      return route.fulfill({ json: isNext
        ? { opt_outs: [optOut('two', '+12125559902')], next_cursor: null }
        : { opt_outs: [optOut('one', '+12125559901')], next_cursor: 'more' } });
    });
    await go(page, 'optouts');
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByText('The service is not available at the moment').waitFor();
    fails = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.card', { hasText: '+1 212 555 9902' }).waitFor();
    assert.equal(await page.locator('.card').count(), 2);
    assert.equal(await page.getByText('The service is not available at the moment').count(), 0);
  });

  test('shows a missed call, counts down to the answer, and lets a person take over and write', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.missCall(customer, LEISURE);
    await rowOf(page, customer).getByText('Hi! I missed your call').waitFor();
    await stage.text(customer, 'My sink is blocked', LEISURE);
    const row = rowOf(page, customer);
    await row.getByText('My sink is blocked').waitFor();
    await row.getByText(/^Waits 0:\d\d$/).waitFor();
    const timer = row.getByRole('timer');
    await timer.waitFor();
    const { answer_due_at: due } = await stage.conversation(customer, (found) => found.answer_due_at);
    await standStill(page);
    // The page renews it each second.
    const seen = await timer.evaluate((element) => new Promise((done) => {
      const look = () => done({ due: element.dataset.due, words: element.textContent, now: Date.now() });
      new MutationObserver(look).observe(element, { subtree: true, childList: true, characterData: true });
    }));
    assert.equal(Date.parse(seen.due), Date.parse(due));
    const shown = Number(/AI answers in 0:(\d\d)/.exec(seen.words)[1]);
    const left = (Date.parse(due) - seen.now) / 1000;
    assert.ok(shown >= left && shown <= left + 1.1, `shown ${shown}, left ${left}`);
    await row.getByRole('link').click();
    await page.getByRole('button', { name: 'Take over' }).click();
    await page.getByText('You have it. The AI writes nothing more here.').waitFor();
    await page.locator('.facts .badge.person', { hasText: 'You' }).waitFor();
    await page.getByLabel('Write to the customer').fill('Joe here. I come at 8 – promised! ');
    await page.getByText('1 segment').waitFor();
    await page.getByLabel('Write to the customer').press('Control+Enter');
    const own = page.locator('.message.user');
    await own.getByText('delivered', { exact: true }).waitFor();
    const bodies = (await stage.sent(customer)).map((message) => message.body);
    assert.equal(bodies.length, 2, bodies.join(' | '));
    assert.equal(bodies[1].trim(), 'Joe here. I come at 8 - promised!');
    await page.getByText('The window was handed over').or(page.getByText(/a person took|took over/i)).first().waitFor();
    const audit = await stage.api('GET', `/conversations/${(await stage.conversation(customer)).id}/audit?limit=200`);
    assert.ok(audit.audit.some((entry) => entry.actor_id === 'user-joe'));
  });

  test('sends a text once, though its answer was lost', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.text(customer, 'Are you there?', LEISURE);
    const { id } = await stage.conversation(customer);
    await go(page, `conversation/${id}`);
    const field = page.getByLabel('Write to the customer');
    const keys = [];
    await page.route(`**/conversations/${id}/messages`, async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      keys.push(await route.request().headerValue('Idempotency-Key'));
      // It is done and the answer is lost; the second try finds nobody; another process still has it.
      if (keys.length === 1) await route.fetch();
      if (keys.length <= 2) return route.abort();
      const body = JSON.stringify({ error: { code: 'CONFLICT', message: 'the first request is still in progress' } });
      if (keys.length === 3) return route.fulfill({ status: 409, headers: { 'Retry-After': '1' }, contentType: 'application/json', body });
      return route.continue();
    });
    await field.fill('Joe here, once.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('The service cannot be reached').waitFor();
    // Typed and taken back, it is the same text.
    await field.press('End');
    await field.pressSequentially('!');
    await field.press('Backspace');
    await page.getByRole('button', { name: 'Send' }).click();
    await until('the field is empty', async () => (await field.inputValue()) === '');
    assert.equal(keys.length, 4);
    assert.equal(new Set(keys).size, 1, keys.join(' '));
    const texts = async () => (await stage.api('GET', `/conversations/${id}/messages`)).messages.filter((message) => message.sender_type === 'user');
    assert.equal((await texts()).length, 1);
    // The same words, meant as a new text, are one.
    await field.fill('Joe here, once.');
    await page.getByRole('button', { name: 'Send' }).click();
    await until('the field is empty', async () => (await field.inputValue()) === '');
    assert.equal((await texts()).length, 2);
    assert.equal(new Set(keys).size, 2);
  });

  test('tells why the AI said what it said, and lets a person end the conversation', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.missCall(customer);
    await stage.text(customer, 'My sink is blocked. Can you come?');
    // What the AI does in this moment would make the page ask for another look.
    await stage.answered(customer);
    await rowOf(page, customer).getByRole('link').click();
    await page.getByRole('button', { name: 'Why this text?' }).click();
    const story = page.locator('.story.chosen');
    await story.getByText(/DispatchBot rated the request as .* and proposed with \d+ % confidence/).waitFor();
    await page.getByRole('button', { name: 'End the conversation' }).click();
    await page.getByLabel('Outcome').fill('booked');
    await page.getByRole('button', { name: 'End it' }).click();
    await page.getByText('The conversation has ended.').waitFor();
    assert.equal((await stage.conversation(customer)).outcome, 'booked');
    assert.equal(await page.getByRole('button', { name: 'Take over' }).count(), 0);
  });

  test('lets one of two people take over, and tells the other one', async () => {
    const customer = newCustomer();
    await stage.text(customer, 'Who is faster?', LEISURE);
    const { id } = await stage.conversation(customer);
    const two = [await show({}, { user: 'user-ann' }), await show({}, { user: 'user-bob' })];
    for (const page of two) await go(page, `conversation/${id}`);
    // Neither request goes on before both are made: the first one done takes the other page's button away.
    let asked = 0;
    for (const page of two) {
      await page.route('**/takeover', async (route) => {
        asked += 1;
        await until('both have asked', () => asked === 2);
        await route.continue();
      });
    }
    for (const page of two) await page.getByRole('button', { name: 'Take over' }).click();
    const words = await Promise.all(two.map(async (page) => {
      const notices = page.locator('.notice');
      return until('a notice', async () => {
        const all = (await notices.allInnerTexts()).join(' ');
        return /You have it|has it now|has taken|already has/.test(all) ? all : null;
      });
    }));
    const winners = words.map((text) => /You have it/.test(text));
    assert.deepEqual([...winners].sort(), [false, true], words.join(' || '));
    const winner = winners[0] ? 'user-ann' : 'user-bob';
    assert.equal((await stage.conversation(customer)).owned_by, winner);
    const loser = two[winners.indexOf(false)];
    await loser.getByText(new RegExp(`${winner} (has it now|has taken|already has)`)).first().waitFor();
    await loser.locator('.facts .badge.person', { hasText: winner }).waitFor();
    // With the state of before, a command is refused, and the page says so.
    const stale = await stage.api('GET', `/conversations/${id}`);
    assert.equal(stale.ownership, 'user');
  });

  test('says after a takeover that a text of the AI is on its way, and shows what became of it', async (t) => {
    t.after(() => stage.faults([]));
    const page = await show();
    const customer = newCustomer();
    // Twilio takes the text and does not answer, nor does it tell anything of it.
    await stage.faults([
      { number: customer, fault: { hold: { min_ms: 3_600_000 } } },
      { number: customer, fault: { respond_to_list: { status: 503 } } },
    ], { callbacks: { enabled: false } });
    await stage.text(customer, 'My sink is blocked');
    const { id } = await stage.conversation(customer);
    await until('the text of the AI is on its way', async () => {
      const { messages } = await stage.api('GET', `/conversations/${id}/messages`);
      return messages.some((message) => message.sender_type === 'ai' && message.status === 'sending');
    });
    await go(page, `conversation/${id}`);
    const state = page.locator('.message.ai .state');
    await state.getByText('is being sent', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Take over' }).click();
    await page.getByText('If a text of the AI is on its way, this waits for it, up to 30 seconds.').waitFor();
    const notice = page.locator('.notice.bad', { hasText: 'You have it. One text of the AI was already on its way and may still arrive.' });
    await notice.waitFor({ timeout: 120_000 });
    await page.locator('.facts .badge.person', { hasText: 'You' }).waitFor();
    assert.equal((await stage.conversation(customer)).owned_by, 'user-joe');
    await stage.faults([]);
    await state.getByText('sent', { exact: true }).waitFor();
    assert.equal((await stage.sent(customer)).length, 1);
  });

  test('leaves what the key has left to people: many events are one look', async () => {
    const page = await show();
    const read = [];
    // Each answer says that little is left.
    await page.route(/\/(conversations|businesses|health)([/?].*)?$/, async (route) => {
      if (/\/conversations\//.test(route.request().url())) read.push(route.request().url());
      const answer = await route.fetch();
      await route.fulfill({ response: answer, headers: { ...answer.headers(), 'ratelimit-limit': '1000', 'ratelimit-remaining': '50' } });
    });
    const looked = page.waitForResponse(/status=completed/);
    await page.getByLabel('Show').selectOption('ended');
    await looked;
    await page.getByLabel('Show').selectOption('open');
    const texters = Array.from({ length: 8 }, newCustomer);
    await Promise.all(texters.map((customer) => stage.text(customer, 'One of eight')));
    for (const customer of texters) await rowOf(page, customer).waitFor();
    assert.ok(read.length < texters.length, read.join(' '));
  });

  test('is whole again after the edge was killed, without a missed event', async () => {
    const page = await show();
    const open_ = newCustomer();
    await stage.text(open_, 'Before the outage');
    const { id } = await stage.conversation(open_);
    await go(page, `conversation/${id}`);
    await page.locator('.message', { hasText: 'Before the outage' }).waitFor();
    // It has read an event, after which it can go on.
    await stage.text(open_, 'An event');
    await page.locator('.message', { hasText: 'An event' }).waitFor();
    const inbox = await show();
    await inbox.locator('.virtual li').first().waitFor();
    await stage.kill();
    await page.getByText(/Connection lost at/).waitFor();
    await inbox.getByText(/Connection lost at/).waitFor();
    const meanwhile = [newCustomer(), newCustomer(), newCustomer()];
    await stage.text(open_, 'During the outage');
    for (const customer of meanwhile) await stage.text(customer, `From ${customer}`);
    for (const customer of meanwhile) await stage.conversation(customer);
    await stage.startService();
    await page.locator('.dot.live').waitFor();
    await page.locator('.message', { hasText: 'During the outage' }).waitFor();
    for (const customer of meanwhile) await rowOf(inbox, customer).waitFor();
    const again = page.requests.filter((request) => new URL(request.url()).pathname === '/events').at(-1);
    assert.match(await again.headerValue('Last-Event-ID'), /^\d+$/);
    await stage.text(open_, 'After the outage');
    await page.locator('.message', { hasText: 'After the outage' }).waitFor();
  });

  test('shows an emergency on top, announces it, and takes a false alarm', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.text(customer, 'The basement is flooding!');
    await page.locator('.notice.bad', { hasText: `Emergency: ${spaced(customer)}` }).waitFor();
    await until('the emergency is first', async () => (await page.locator('.virtual li[aria-posinset="1"]').innerText()).includes('Emergency'));
    // What the AI does in this moment would make the page ask for another look.
    await stage.answered(customer);
    await go(page, 'emergencies');
    const card = page.locator('.cards li', { hasText: spaced(customer) });
    await card.getByRole('link', { name: `Open ${spaced(customer)}` }).click();
    await page.getByText(/Words that mean danger: .*flooding/).waitFor();
    await page.getByRole('button', { name: 'False alarm' }).click();
    await page.getByRole('button', { name: 'It is a false alarm' }).click();
    await page.getByText('The alerts stop.').waitFor();
    await until('no emergency', async () => !(await stage.conversation(customer)).emergency_detected);
    await go(page, 'emergencies');
    await until('not listed', async () => (await page.locator('.cards li', { hasText: spaced(customer) }).count()) === 0);
  });

  test('filters by who has a conversation, and lists what has ended until the customer writes again', async () => {
    const page = await show();
    const [mine, other] = [newCustomer(), newCustomer()];
    for (const customer of [mine, other]) await stage.text(customer, 'Hello', LEISURE);
    const { id } = await stage.conversation(mine);
    for (const customer of [mine, other]) await rowOf(page, customer).waitFor();
    assert.match(await rowOf(page, mine).locator('a').getAttribute('class'), /unread/);
    await stage.api('POST', `/conversations/${id}/messages`, { user_id: 'user-joe', body: 'Joe here.' });
    await page.getByLabel('Show').selectOption('mine');
    await rowOf(page, mine).getByText('You', { exact: true }).waitFor();
    assert.equal(await rowOf(page, other).count(), 0);
    await until('it is read', async () => !/unread/.test(await rowOf(page, mine).locator('a').getAttribute('class')));
    await stage.api('POST', `/conversations/${id}/complete`, { user_id: 'user-joe', outcome: 'booked' });
    await until('it has left the list', async () => (await rowOf(page, mine).count()) === 0);
    await page.getByLabel('Show').selectOption('ended');
    await rowOf(page, mine).getByText('Ended', { exact: true }).waitFor();
    await stage.text(mine, 'One more thing', LEISURE);
    await until('it is open again', async () => (await rowOf(page, mine).count()) === 0);
    await page.getByLabel('Show').selectOption('open');
    await rowOf(page, mine).getByText('One more thing').waitFor();
  });

  test('says what a command met on the page of its conversation only, and an emergency on each', async () => {
    const page = await show();
    const [customer, other, inDanger] = [newCustomer(), newCustomer(), newCustomer()];
    for (const each of [customer, other]) await stage.text(each, 'Hello');
    const { id } = await stage.answered(customer);
    const elsewhere = await stage.conversation(other);
    await go(page, `conversation/${id}`);
    await stage.text(inDanger, 'The basement is flooding!');
    const emergency = page.locator('.notice.bad', { hasText: `Emergency: ${spaced(inDanger)}` });
    await emergency.waitFor();
    await page.getByRole('button', { name: 'Take over' }).click();
    await page.getByText('You have it. The AI writes nothing more here.').waitFor();
    await page.getByRole('button', { name: 'Give back to the AI' }).click();
    await page.getByText('The AI has it again.').waitFor();
    assert.notEqual((await stage.conversation(customer)).ownership, 'user');
    // Somebody is faster by a moment.
    await page.route(`**/conversations/${id}/takeover`, async (route) => {
      await stage.api('POST', `/conversations/${id}/takeover`, { user_id: 'user-bob', reason: 'faster' });
      await route.continue();
    });
    await page.getByRole('button', { name: 'Take over' }).click();
    const refused = page.locator('.notice.bad', { hasText: 'The conversation has changed since you looked: user-bob has it now.' });
    await refused.waitFor();
    await page.locator('.notice', { hasText: 'user-bob has taken this conversation over.' }).waitFor();
    assert.equal(await emergency.count(), 1);
    await go(page, `conversation/${elsewhere.id}`);
    assert.equal(await refused.count(), 0);
    assert.equal(await emergency.count(), 1);
  });

  test('shows a picture of a customer, which it reads with the key', async () => {
    const page = await show();
    const customer = newCustomer();
    // Three pixels by two.
    const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR42mM4IScHQQxwFgBBAAYZ1ETuGQAAAABJRU5ErkJggg==';
    await stage.text(customer, 'It looks like this', {
      ...LEISURE, media: [{ content_type: 'image/png', body: picture }, { content_type: 'application/pdf', body: btoa('%PDF-1.4') }],
    });
    const { id } = await stage.conversation(customer);
    await go(page, `conversation/${id}`);
    const message = page.locator('.message', { hasText: 'It looks like this' });
    const image = message.getByRole('img', { name: 'Picture from the customer' });
    await image.waitFor();
    const shown = await image.evaluate(async (element) => {
      await element.decode();
      return { width: element.naturalWidth, height: element.naturalHeight, source: element.src };
    });
    assert.deepEqual([shown.width, shown.height], [3, 2]);
    assert.ok(shown.source.startsWith(`blob:${stage.url}`), shown.source);
    const read = page.requests.filter((request) => /\/media\/\d+$/.test(request.url()));
    assert.deepEqual(read.map((request) => new URL(request.url()).pathname.split('/').slice(-2).join('/')), ['media/0']);
    assert.match(await read[0].headerValue('Authorization'), /^Bearer ./);
    // Nothing but pictures is shown: the rest can be saved.
    const saved = page.waitForEvent('download');
    await message.getByRole('button', { name: 'Save the attachment (application/pdf)' }).click();
    assert.equal((await saved).suggestedFilename(), 'attachment');
  });

  test('finds an ended conversation that is not in the page by its number', async () => {
    const number = '+15555557705';
    await stage.putBusiness('archive', business({ name: 'Archive', phone_numbers: [number], ...AT_LEISURE }));
    const key = stage.nevermisscall('keys', 'create', '--name', 'archive', '--user', 'user-joe', '--business', 'archive');
    const page = await show({}, { key, user: '' });
    const customer = newCustomer();
    await stage.text(customer, 'Long ago', { to: number });
    await rowOf(page, customer).waitFor();
    const { id } = await stage.conversation(customer);
    await stage.api('POST', `/conversations/${id}/complete`, { user_id: 'user-joe', outcome: 'booked' });
    await until('it has left the list', async () => (await rowOf(page, customer).count()) === 0);
    // Many have ended since: it is not on the first page of any list.
    stage.psql(`UPDATE conversations SET last_activity = last_activity - interval '1 day' WHERE id = '${id}'`);
    stage.multiply(id, 300);
    await page.reload();
    await page.locator('.dot.live').waitFor();
    await page.getByText('Shown: 0.').waitFor();
    const search = page.getByLabel('Search by number');
    await search.fill(customer.slice(-7));
    await page.getByText('Nothing fits').waitFor();
    await search.fill(customer);
    const row = rowOf(page, customer);
    await row.getByText('Ended', { exact: true }).waitFor();
    await row.getByText('Long ago').waitFor();
    await page.getByText('1 found.').waitFor();
    await row.getByRole('link').click();
    await page.getByText('The conversation has ended.').waitFor();
  });

  test('says that the key has no requests left, and goes on by itself once it has', async () => {
    // In an hour none come back by themselves.
    const key = stage.nevermisscall('keys', 'create', '--name', 'spent', '--user', 'user-joe', '--rate', '100/h');
    const page = await show({}, { key, user: '' });
    const customer = newCustomer();
    await stage.text(customer, 'Hello', LEISURE);
    const { id } = await stage.conversation(customer);
    await go(page, `conversation/${id}`);
    await page.getByRole('button', { name: 'Take over' }).click();
    await page.getByText('You have it. The AI writes nothing more here.').waitFor();
    await page.getByLabel('Write to the customer').fill('Joe here.');
    await until('no request is left', async () => {
      const answer = await fetch(`${stage.other}/key`, { headers: { Authorization: `Bearer ${key}` } });
      return answer.status === 429;
    });
    const refused = () => page.waitForResponse((answer) => answer.status() === 429 && answer.url().includes(`/conversations/${id}?`));
    await page.clock.install();
    const afterCommand = refused();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.reply .field.wrong').getByText('Too many requests with this key. Wait a minute, then try again.').waitFor();
    await afterCommand;
    const afterEvent = refused();
    await stage.text(customer, 'Is somebody there?', LEISURE);
    await afterEvent;
    assert.equal(await page.locator('.message', { hasText: 'Is somebody there?' }).count(), 0);
    stage.psql("UPDATE api_keys SET rate_limit = NULL WHERE name = 'spent'");
    // The page waits a minute. If it begins to only now, that is a minute of the test, too.
    await page.clock.fastForward(61_000);
    await page.locator('.message', { hasText: 'Is somebody there?' }).waitFor({ timeout: 180_000 });
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.message.user', { hasText: 'Joe here.' }).getByText('delivered', { exact: true }).waitFor();
    assert.equal((await stage.sent(customer)).length, 1);
  });

  test('says which text did not arrive, and why', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.faults([{ number: customer, when: { next: 1 }, fault: { deliver: { status: 'undelivered', error_code: 30003 } } }]);
    await stage.missCall(customer);
    await rowOf(page, customer).waitFor();
    await until('the failed text', async () => {
      await go(page, 'undelivered');
      await page.getByRole('button', { name: 'Read again' }).click();
      return (await page.locator('.card', { hasText: spaced(customer) }).count()) === 1;
    });
    const card = page.locator('.card', { hasText: spaced(customer) });
    const words = await card.innerText();
    assert.match(words, /not delivered/);
    assert.match(words, /phone is off or out of reach.*Twilio error 30003/s);
    await card.getByRole('link').click();
    await page.locator('.state.failed', { hasText: '30003' }).waitFor();
  });

  test('shows a dead letter and replays it', async () => {
    const page = await show();
    const customer = newCustomer();
    await stage.text(customer, 'Nobody has this number', { to: '+15555559999' });
    await until('the dead letter', async () => (await stage.api('GET', '/dead-letters')).dead_letters.length > 0);
    await go(page, 'letters');
    await page.getByRole('button', { name: /^Look at/ }).first().click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Nobody has this number').waitFor();
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await dialog.getByText('It was put back').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await until('no dialog', async () => (await page.getByRole('dialog').count()) === 0);
  });

  test('replays all dead letters', async () => {
    const page = await show();
    await stage.text(newCustomer(), 'Nobody has this number', { to: '+15555559999' });
    await until('a dead letter', async () => (await stage.api('GET', '/dead-letters?status=waiting')).dead_letters.length > 0);
    await go(page, 'letters');
    await page.getByRole('button', { name: 'Replay all of these' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Replay', exact: true }).click();
    const queued = page.locator('.notice', { hasText: /are queued/ });
    assert.ok(Number.parseInt(await queued.innerText(), 10) >= 1);
  });

  test('edits a business, and shows what the server refuses beside the field', async () => {
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    await page.getByLabel('Time zone').fill('Mars/Olympus');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('.field.wrong', { hasText: 'Time zone' }).getByText('must be an IANA time zone').waitFor();
    assert.equal(await page.getByLabel('Time zone').getAttribute('aria-invalid'), 'true');
    await page.getByLabel('Time zone').fill('America/Chicago');
    await page.getByRole('button', { name: 'Wednesday: add hours' }).click();
    await page.getByLabel('Wednesday: from').fill('09:30');
    await page.getByRole('button', { name: 'Tuesday: add hours' }).click();
    await page.getByLabel('Tuesday: from').nth(1).fill('13:00');
    const text = page.getByLabel('After a missed call').first();
    await text.fill('Joe will call you back 🚰 {opt_out}');
    await page.locator('.template').first().getByText(/1 segment, with signs such as emoji/).waitFor();
    await page.locator('.bubble', { hasText: 'Joe will call you back 🚰 Reply STOP to opt out.' }).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    const stored = await stage.api('GET', `/businesses/${BUSINESS}`);
    assert.equal(stored.timezone, 'America/Chicago');
    assert.deepEqual(stored.business_hours.wednesday, { start: '09:30', end: '18:00' });
    assert.deepEqual(stored.business_hours.tuesday, [{ start: '08:00', end: '12:00' }, { start: '13:00', end: '18:00' }]);
    assert.deepEqual(stored.business_hours.monday, business().business_hours.monday);
    assert.equal(stored.templates.missed_call, 'Joe will call you back 🚰 {opt_out}');
    await stage.putBusiness();
  });

  test('keeps changes of a business that are not saved, and overwrites nobody else’s', async () => {
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    await page.getByLabel('Name', { exact: true }).fill('Joe’s Pipes');
    await go(page, 'inbox');
    await stage.putBusiness(BUSINESS, business({ timezone: 'America/Denver' }));
    await go(page, `business/${BUSINESS}`);
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Joe’s Pipes');
    await page.getByText('The business has changed since you began them.').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('This business has changed since you began.').waitFor();
    const stored = () => stage.api('GET', `/businesses/${BUSINESS}`);
    assert.equal((await stored()).timezone, 'America/Denver');
    await page.getByRole('button', { name: 'Discard them' }).click();
    assert.equal(await page.getByLabel('Time zone').inputValue(), 'America/Denver');
    await page.getByLabel('Name', { exact: true }).fill('Joe’s Pipes');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    const { name, timezone } = await stored();
    assert.deepEqual({ name, timezone }, { name: 'Joe’s Pipes', timezone: 'America/Denver' });
    await stage.putBusiness();
  });

  test('keeps what is typed while a business is saved, and where', async () => {
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    const [name, zone] = [page.getByLabel('Name', { exact: true }), page.getByLabel('Time zone')];
    let carryOn;
    const isSent = new Promise((sent) => {
      page.route(`**/businesses/${BUSINESS}`, async (route) => {
        if (route.request().method() === 'PUT') await new Promise((done) => { [carryOn] = [done, sent()]; });
        await route.continue();
      });
    });
    await zone.fill('America/Chicago');
    await page.getByRole('button', { name: 'Save' }).click();
    await isSent;
    await name.fill('Joe’s ');
    carryOn();
    await page.getByText('Saved.').waitFor();
    await page.keyboard.type('Pipes');
    assert.equal(await name.inputValue(), 'Joe’s Pipes');
    await page.getByText('These changes are not saved yet.').waitFor();
    assert.equal(await page.getByText('The business has changed since you began them.').count(), 0);
    const stored = () => stage.api('GET', `/businesses/${BUSINESS}`);
    assert.equal((await stored()).name, business().name);
    await page.unroute(`**/businesses/${BUSINESS}`);
    await page.getByRole('button', { name: 'Save' }).click();
    await until('all is saved', async () => (await page.getByText('These changes are not saved yet.').count()) === 0);
    const { name: storedName, timezone } = await stored();
    assert.deepEqual({ storedName, timezone }, { storedName: 'Joe’s Pipes', timezone: 'America/Chicago' });
    await stage.putBusiness();
  });

  test('shows the texts as customers get them, and keeps the field in view that is emptied', async () => {
    await stage.putBusiness(BUSINESS, business({ templates: { es: { fallback: 'Sí' } } }));
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    const field = page.getByLabel('If the AI has no answer');
    await field.first().fill('Soon. {opt_out}');
    await page.locator('.bubble', { hasText: /^Soon\. \{opt_out\}$/ }).waitFor();
    await field.nth(1).fill('');
    await page.locator('.bubble[lang="es"]', { hasText: 'Gracias, hemos recibido su mensaje.' }).waitFor();
    assert.ok(await field.nth(1).isVisible());
    await stage.putBusiness();
  });

  test('shows the text outside the hours as customers get it', async () => {
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    const field = page.getByLabel('Text after a call that is missed outside the hours');
    await field.fill('Closed until {opens} 🚰 {opt_out}');
    const shown = page.locator('.template', { has: field });
    await shown.getByText('Closed until Monday 8:00 AM 🚰 Reply STOP to opt out.').waitFor();
    await shown.getByText(/1 segment, with signs such as emoji/).waitFor();
    assert.equal(await shown.locator('.bubble').count(), 1);
  });

  test('says in Spanish what it knows, marks the server’s English, and shows the day of what was not today', async () => {
    const page = await show({ locale: 'es-MX' });
    const customer = newCustomer();
    await stage.text(customer, 'Hello');
    const { id } = await stage.conversation(customer);
    await page.route(`**/conversations/${id}/explain`, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), waiting: ['2026-03-01 14:10:06 UTC: The customer had waited for an answer for 5 minutes.'] } });
    });
    await go(page, `conversation/${id}`);
    const waited = page.locator('.story', { has: page.getByRole('heading', { name: 'Mientras el cliente esperaba' }) }).locator('li');
    assert.match(await waited.innerText(), /mar.*The customer had waited for an answer for 5 minutes\.$/s);
    assert.equal(await waited.evaluate((line) => line.closest('[lang]').lang), 'en');
    assert.equal(await waited.locator('time').getAttribute('lang'), 'es');
    await go(page, `business/${BUSINESS}`);
    assert.equal(await page.getByLabel('Oficio').evaluate((list) => list.selectedOptions[0].textContent), 'fontanería');
    await page.getByLabel('Zona horaria').fill('Mars/Olympus');
    await page.getByRole('button', { name: 'Guardar' }).click();
    const reason = page.locator('.field.wrong .error', { hasText: 'must be an IANA time zone' });
    assert.equal(await reason.locator('span').getAttribute('lang'), 'en');
  });

  test('sets the owner’s phone and a holiday, and leaves other settings alone', async () => {
    await stage.putBusiness(BUSINESS, business({ policy: { max_segments: 2, remind_after: '20m' } }));
    const page = await show();
    await go(page, `business/${BUSINESS}`);
    await page.getByLabel('Texts that the owner’s phone gets').selectOption('all');
    await page.getByLabel(/counts as answered only if the phone presses 1/).check();
    await page.getByLabel('No texts to the owner’s phone from').fill('21:00');
    await page.getByLabel('until', { exact: true }).fill('07:00');
    await page.getByLabel('Remind the owner').fill('soon');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('.field.wrong', { hasText: 'Remind the owner' }).waitFor();
    await page.getByLabel('Remind the owner').fill('15m');
    await page.getByLabel('Add a day').fill('2026-12-25');
    await page.getByRole('button', { name: 'Add: closed on this day' }).click();
    await page.getByLabel('Add a day').fill('2026-12-24');
    await page.getByRole('button', { name: 'Add: closed on this day' }).click();
    await page.getByRole('button', { name: 'Thu, Dec 24, 2026: add hours' }).click();
    await page.getByLabel('Thu, Dec 24, 2026: to').fill('12:00');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    const { policy, business_hours: hours } = await stage.api('GET', `/businesses/${BUSINESS}`);
    assert.deepEqual(policy, {
      max_segments: 2, owner_sms: 'all', screening: true, remind_after: '15m', owner_quiet_hours: { start: '21:00', end: '07:00' },
    });
    assert.deepEqual(hours.holidays, { '2026-12-24': { start: '08:00', end: '12:00' }, '2026-12-25': null });
    await stage.putBusiness();
  });

  test('lists the keys, and says what is wrong with a number at Twilio', async () => {
    const page = await show();
    stage.nevermisscall('keys', 'create', '--name', 'Ann’s tablet', '--user', 'user-ann', '--business', BUSINESS);
    await go(page, 'settings');
    const key = page.locator('.card', { hasText: 'Ann’s tablet' });
    await key.getByText('user-ann').waitFor();
    await key.getByText('valid', { exact: true }).waitFor();
    await go(page, `business/${BUSINESS}`);
    await page.getByRole('button', { name: 'Check at Twilio' }).click();
    await page.getByText('Something is wrong at Twilio.').waitFor();
    await page.locator('.card', { hasText: 'it is not in the account' }).getByText('Problem', { exact: true }).waitFor();
  });

  test('records and ends an opt-out', async () => {
    const page = await show();
    const customer = newCustomer();
    await go(page, 'optouts');
    await page.getByRole('button', { name: 'Record an opt-out' }).click();
    await page.getByRole('dialog').getByLabel('Business').selectOption(BUSINESS);
    await page.getByLabel('The customer’s number').fill('12');
    await page.getByRole('button', { name: 'Record it' }).click();
    await page.getByRole('dialog').locator('.field.wrong').waitFor();
    await page.getByLabel('The customer’s number').fill(customer);
    await page.getByRole('button', { name: 'Record it' }).click();
    await page.locator('.card', { hasText: spaced(customer) }).getByRole('button').click();
    await page.getByLabel('How they gave consent again').fill('On the phone, today.');
    await page.getByRole('button', { name: 'End the opt-out' }).click();
    await until('no opt-out', async () => (await page.locator('.card', { hasText: spaced(customer) }).count()) === 0);
  });

  test('runs nothing that customers or businesses write', async () => {
    const page = await show();
    const customer = newCustomer();
    const attacks = ['<img src=x onerror="window.hurt=1">', '<script>window.hurt=1</script>', '"><svg onload=window.hurt=1>', 'javascript:window.hurt=1', '{{constructor.constructor("window.hurt=1")()}}'];
    const name = `Joe's <img src=x onerror=window.hurt=1>`;
    await stage.putBusiness(BUSINESS, business({ name, templates: { missed_call: attacks[0], es: { fallback: attacks[1] } } }));
    await stage.missCall(customer);
    for (const attack of attacks) await stage.text(customer, attack);
    const { id } = await stage.conversation(customer);
    for (const path of [...PAGES, `conversation/${id}`]) await go(page, path);
    for (const attack of attacks) await page.locator('.message .body', { hasText: attack }).first().waitFor();
    assert.equal(await page.locator('main img, main script, main .message svg').count(), 0);
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    // The policy holds even if the page had a hole.
    const refused = await page.evaluate(() => {
      try {
        document.body.innerHTML = '<img src=x onerror=window.hurt=1>';
        return 'written';
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(refused, 'TypeError');
    await until('the refusal', () => page.problems.some((problem) => /TrustedHTML/.test(problem)));
    page.problems = page.problems.filter((problem) => !/TrustedHTML/.test(problem));
    const policy = (await fetch(`${stage.url}/console/`)).headers.get('content-security-policy');
    assert.ok(!policy.includes('unsafe'), policy);
    await stage.putBusiness();
  });

  test('shows no buttons to a key that may only read', async () => {
    const key = stage.nevermisscall('keys', 'create', '--name', 'reader', '--read-only');
    const page = await show({}, { key, user: '' });
    const customer = newCustomer();
    await stage.text(customer, 'Only look');
    const { id } = await stage.conversation(customer);
    await go(page, `conversation/${id}`);
    await page.locator('.message', { hasText: 'Only look' }).waitFor();
    for (const name of ['Take over', 'End the conversation', 'Send', 'False alarm']) {
      assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
    }
    assert.equal(await page.locator('main textarea').count(), 0);
    await go(page, `business/${BUSINESS}`);
    assert.equal(await page.getByRole('button', { name: 'Save' }).count(), 0);
    assert.ok(await page.getByLabel('Time zone').isDisabled());
    await go(page, 'letters');
    assert.equal(await page.getByRole('button', { name: /Replay/ }).count(), 0);
    await go(page, 'optouts');
    assert.equal(await page.getByRole('button', { name: 'Record an opt-out' }).count(), 0);
    await go(page, 'settings');
    await page.locator('dd', { hasText: 'may only read' }).waitFor();
  });

  test('needs no user id with a key of a person, and shows a business no other one', async () => {
    await stage.putBusiness('anns-pipes', business({ name: "Ann's Pipes", phone_numbers: ['+15555557777'], user_id: 'user-ann', ...AT_LEISURE }));
    const key = stage.nevermisscall('keys', 'create', '--name', 'Ann', '--user', 'user-ann', '--business', 'anns-pipes');
    const page = await show({}, { key, user: '' });
    await page.getByText('Shown: 0.').waitFor();
    await stage.text('+12125559001', 'Hello Ann', { to: '+15555557777' });
    await page.locator('.virtual li').getByRole('link').click();
    await page.getByLabel('Write to the customer').fill('Ann here.');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.message.user', { hasText: 'user-ann' }).waitFor();
    await go(page, 'businesses');
    assert.equal(await page.locator('.card').count(), 1);
    await go(page, 'settings');
    await page.locator('dd', { hasText: 'user-ann' }).waitFor();
  });

  test('shows the inbox at an unknown address, and no form for a business that is not there', async () => {
    const page = await show();
    for (const address of ['conversation/%', 'constructor', 'elsewhere']) {
      await go(page, 'settings');
      await page.evaluate((hash) => { location.hash = hash; }, `#/${address}`);
      await page.getByRole('heading', { name: 'Inbox' }).waitFor();
      await page.reload();
      await page.getByRole('heading', { name: 'Inbox' }).waitFor();
    }
    await go(page, 'business/not-there');
    await page.getByText('There is nothing here').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Save' }).count(), 0);
    await go(page, 'businesses');
    await page.getByRole('button', { name: 'Add a business' }).click();
    await page.getByLabel('Id of the business').fill('added-here');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByLabel('Name', { exact: true }).fill('Added');
    await page.getByLabel('Owner’s id').fill('user-joe');
    await page.getByLabel('Numbers that customers call').fill('+15555557702');
    await page.getByLabel('Phones to which calls go').fill('+15555557703');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    assert.equal((await stage.api('GET', '/businesses/added-here')).name, 'Added');
  });

  test('announces an emergency of an outage before which no event came, by sound and notification, too', async () => {
    const number = '+15555557701';
    await stage.putBusiness('quiet', business({ name: 'Quiet', phone_numbers: [number] }));
    const key = stage.nevermisscall('keys', 'create', '--name', 'quiet', '--business', 'quiet');
    const page = await show({}, { key });
    await page.getByText('Shown: 0.').waitFor();
    await page.evaluate(() => {
      localStorage.setItem('nmc.sound', 'on');
      window.heard = 0;
      window.AudioContext = class extends AudioContext {
        constructor() {
          super();
          window.heard += 1;
        }
      };
      window.Notification = class {
        static permission = 'granted';

        constructor(words) { window.notified = words; }
      };
    });
    await stage.kill();
    await page.getByText(/Connection lost at/).waitFor();
    const customer = newCustomer();
    await stage.text(customer, 'The basement is flooding!', { to: number });
    await stage.conversation(customer, (found) => found.emergency_detected);
    await stage.startService();
    await page.locator('.notice.bad', { hasText: `Emergency: ${spaced(customer)}` }).waitFor();
    const last = page.requests.filter((request) => new URL(request.url()).pathname === '/events').at(-1);
    assert.equal(await last.headerValue('Last-Event-ID'), null);
    assert.deepEqual(await page.evaluate(() => [window.heard, window.notified]), [1, `Emergency: ${spaced(customer)}`]);
  });

  test('can be used with the keyboard alone', async () => {
    const page = await open(browser, stage);
    pages.push(page);
    const customer = newCustomer();
    await stage.text(customer, 'Keys only');
    const { keyboard } = page;
    await page.locator('h1').waitFor();
    const focusedOn = (label) => page.evaluate(() => document.activeElement?.labels?.[0]?.textContent ?? document.activeElement?.textContent).then((words) => words?.startsWith(label));
    await until('the key field', async () => { await keyboard.press('Tab'); return focusedOn('API key'); });
    await keyboard.type('a-key-for-the-app-server-of-tests');
    await keyboard.press('Tab');
    await keyboard.type('user-joe');
    await keyboard.press('Enter');
    await page.locator('.dot.live').waitFor();
    await keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await keyboard.press('Escape');
    await until('no dialog', async () => (await page.getByRole('dialog').count()) === 0);
    await keyboard.press('g');
    await keyboard.press('o');
    await page.getByRole('heading', { name: 'Opt-outs' }).waitFor();
    await keyboard.press('g');
    await keyboard.press('i');
    await page.getByRole('heading', { name: 'Inbox' }).waitFor();
    await keyboard.press('/');
    await keyboard.type(customer.slice(-7));
    await until('one row', async () => (await page.locator('.virtual li').count()) === 1);
    await keyboard.press('Escape');
    assert.equal(await page.getByLabel('Search by number').inputValue(), customer.slice(-7));
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'BODY');
    // What the AI does in this moment would make the page ask for another look.
    await stage.answered(customer);
    await keyboard.press('j');
    await keyboard.press('Enter');
    await page.getByRole('heading', { name: spaced(customer) }).waitFor();
    await page.getByRole('button', { name: 'Take over' }).waitFor();
    await keyboard.press('t');
    await page.locator('.facts .badge.person', { hasText: 'You' }).waitFor();
    await keyboard.press('r');
    await keyboard.type('Typed.');
    await keyboard.press('Control+Enter');
    await page.locator('.message.user', { hasText: 'Typed.' }).waitFor();
    await keyboard.press('Escape');
    await keyboard.press('u');
    await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  });

  test('leaves the focus where a key has put it, pressed as soon as the page is there', async () => {
    const page = await show();
    await go(page, 'optouts');
    // Pressed by the browser itself, before it draws: no key that is sent from here can be as fast each time.
    await page.evaluate(() => new Promise((done) => {
      new MutationObserver((_, observer) => {
        if (!document.querySelector('main[data-place="inbox"] [aria-keyshortcuts="/"]')) return;
        observer.disconnect();
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));
        done();
      }).observe(document.body, { childList: true, subtree: true, attributes: true });
      location.hash = '#/inbox';
    }));
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(drawn)))));
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-keyshortcuts')), '/');
  });

  test('shows the figures that the API has', async () => {
    const page = await show();
    await go(page, 'today');
    const { timeZone } = await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions());
    const { total } = await stage.api('GET', `/figures?timezone=${timeZone}`);
    assert.ok(total.missed >= 3 && total.conversations > 5, JSON.stringify(total));
    const tiles = await page.locator('section[aria-label="All 7 days"] dd').allInnerTexts();
    assert.equal(tiles[0], String(total.calls));
    assert.equal(tiles[1], String(total.missed));
    assert.match(tiles[2], new RegExp(`${total.texted_within_5s} of ${total.to_text_back}`));
  });

  for (const [name, options] of [
    ['light, in English', { colorScheme: 'light' }],
    ['dark, in Spanish', { colorScheme: 'dark', locale: 'es-MX' }],
    ['at 360 pixels', { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' }],
  ]) {
    test(`is accessible on each page: ${name}`, async () => {
      const page = await show(options);
      assert.equal(await page.evaluate(() => document.documentElement.lang), options.locale ? 'es' : 'en');
      const customer = newCustomer();
      await stage.text(customer, 'The basement is flooding!');
      await page.locator('.notice.bad', { hasText: spaced(customer) }).waitFor();
      const { id } = await stage.conversation(customer);
      for (const path of [...PAGES, `conversation/${id}`, 'conversation/none']) {
        await go(page, path);
        assert.deepEqual(await findings(page), [], path);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beyond <= 0, `${path}: scrolls sideways by ${beyond} px`);
      }
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      assert.deepEqual(await findings(page), [], 'shortcuts');
      const out = await open(browser, stage, options);
      pages.push(out);
      await out.locator('h1').waitFor();
      assert.deepEqual(await findings(out), [], 'sign-in');
    });
  }

  test('works with large type', async () => {
    const page = await show({ viewport: { width: 720, height: 800 } });
    for (const customer of [newCustomer(), newCustomer()]) await stage.text(customer, 'Hello');
    const session = await page.context().newCDPSession(page);
    await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } });
    await page.reload();
    await page.locator('.virtual li').nth(1).waitFor();
    const boxes = await page.locator('.virtual li a').evaluateAll((rows) => rows.map((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return { top, bottom };
    }).sort((one, other) => one.top - other.top));
    assert.ok(boxes[0].bottom - boxes[0].top > 120, JSON.stringify(boxes[0]));
    for (const [at, box] of boxes.slice(1).entries()) assert.ok(box.top >= boxes[at].bottom - 1, 'rows overlap');
    for (const path of PAGES) {
      await go(page, path);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(beyond <= 0, `${path}: scrolls sideways by ${beyond} px`);
    }
  });

  test('cuts nothing off at 360 pixels with large type', async () => {
    const page = await show({ viewport: { width: 360, height: 740 } });
    const session = await page.context().newCDPSession(page);
    await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } });
    await page.reload();
    await page.locator('.dot.live').waitFor();
    const [waits, danger] = [newCustomer(), newCustomer()];
    await stage.text(waits, 'Hello', LEISURE);
    const cutOff = (part) => part.evaluate((element) => {
      const row = element.closest('a');
      const within = row.getBoundingClientRect();
      return [...row.querySelectorAll('strong, .badge, .end, .waits, .countdown')].filter((each) => {
        const { left, right, top, bottom } = each.getBoundingClientRect();
        return left < within.left || right > within.right || top < within.top || bottom > within.bottom || each.scrollWidth > each.clientWidth + 1;
      }).map((each) => each.textContent);
    });
    // Only the rows in view are in the page.
    const search = page.getByLabel('Search by number');
    await search.fill(waits);
    assert.deepEqual(await cutOff(rowOf(page, waits).getByRole('timer')), []);
    await stage.text(danger, 'The basement is flooding!');
    await search.fill(danger);
    assert.deepEqual(await cutOff(rowOf(page, danger).locator('.badge.bad')), []);
    await search.fill('');
    await page.locator('.virtual li').nth(1).waitFor();
    const tops = await page.locator('.virtual li').evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect()).sort((one, other) => one.top - other.top).map(({ top, height }) => [top, height]));
    for (const [at, [top]] of tops.slice(1).entries()) assert.ok(Math.abs(top - tops[at][0] - tops[at][1]) < 1, JSON.stringify(tops));
    for (const path of PAGES) {
      await go(page, path);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(beyond <= 0, `${path}: scrolls sideways by ${beyond} px`);
    }
  });

  test('shows 10,000 open conversations within a second', async () => {
    const customer = newCustomer();
    await stage.text(customer, 'One of many');
    const { id } = await stage.answered(customer);
    stage.multiply(id, 10_000);
    const page = await show();
    // Seen in the page itself: what is measured is not how fast a test asks.
    await page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (!document.querySelector('.virtual li a')) return;
        window.firstLook = performance.now();
        observer.disconnect();
      }).observe(document, { subtree: true, childList: true });
    });
    const looks = [];
    for (let n = 0; n < 3; n += 1) {
      await page.reload({ waitUntil: 'commit' });
      await page.locator('.virtual li a').first().waitFor();
      looks.push(await page.evaluate(() => window.firstLook));
    }
    console.log(`# first look with 10,000 open conversations: ${looks.map((ms) => `${Math.round(ms)} ms`).join(', ')}`);
    assert.ok(Math.min(...looks) <= 1000, looks.join(', '));
    const words = page.locator('.summary');
    await until('all of them', async () => /^Shown: 10,0\d\d\. Waiting[^.]*\.$/.test(await words.innerText()));
    assert.ok((await page.locator('.virtual li').count()) < 60);
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator('.virtual li', { hasText: 'Text 10000' }).waitFor();
  });

  test('has had no error, nothing that the policy refused, and no request elsewhere', () => {
    assert.deepEqual(problems, []);
    assert.ok(opened > 10);
  });
});
