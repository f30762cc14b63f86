// Chromium with the console open.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { KEY } from './stage.mjs';

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
});

/**
 * Answers with the files of `console/` as they are now, and with the program's headers: a change is tried without a build. A script
 * that the program does not have yet gets those of another one.
 */
async function fromDisk(context, stage) {
  const answerOf = (path) => fetch(`${stage.other}/console/${path === 'index.html' ? '' : path}`);
  await context.route(`${stage.url}/console/**`, async (route) => {
    const path = new URL(route.request().url()).pathname.slice('/console/'.length) || 'index.html';
    const answer = await answerOf(path);
    const { headers } = answer.ok || !path.endsWith('.js') ? answer : await answerOf('app.js');
    const kept = ['content-type', 'content-security-policy', 'cache-control'].filter((name) => headers.has(name));
    await route.fulfill({
      headers: Object.fromEntries(kept.map((name) => [name, headers.get(name)])),
      body: readFileSync(new URL(`../../console/${path}`, import.meta.url)),
    });
  });
}

/** A browser context with a page; `problems` collects errors of scripts, refusals of the policy and foreign requests. */
export async function open(browser, stage, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, locale: 'en-US', ...options });
  if (process.env.CONSOLE_FROM_DISK) await fromDisk(context, stage);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.problems = [];
  page.requests = [];
  page.on('pageerror', (error) => page.problems.push(`error: ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted|TrustedHTML/.test(message.text())) page.problems.push(`policy: ${message.text()}`);
  });
  page.on('request', (request) => {
    page.requests.push(request);
    if (!request.url().startsWith(stage.url) && !request.url().startsWith(`blob:${stage.url}`)) page.problems.push(`request to ${request.url()}`);
  });
  await page.goto(`${stage.url}/console/`);
  return page;
}

export async function signIn(page, { key = KEY, user = 'user-joe' } = {}) {
  await page.locator('input[type="password"]').fill(key);
  await page.locator('input[type="text"]').fill(user);
  await page.locator('button[type="submit"]').click();
  await page.locator('.dot.live').waitFor();
}

export async function signedIn(browser, stage, options, who) {
  const page = await open(browser, stage, options);
  await signIn(page, who);
  return page;
}

export async function go(page, path) {
  await page.evaluate((hash) => { location.hash = hash; }, `#/${path}`);
  // The heading of a page is there at once, its content when it has been read.
  await page.locator(`main[data-place="${path}"] h1`).waitFor();
  await page.waitForFunction(() => !document.querySelector('main .loading'));
}

/** What axe-core finds on the page, as sentences. */
export async function findings(page) {
  const session = await page.context().newCDPSession(page);
  // Through the debugger, because the page's policy lets no other script in.
  await session.send('Runtime.evaluate', { expression: AXE });
  await session.detach();
  return page.evaluate(async (rules) => {
    // What fades in has little contrast until it is there.
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
    const { violations } = await window.axe.run(document, { runOnly: rules });
    return violations.map((each) => `${each.id}: ${each.nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  }, RULES);
}
