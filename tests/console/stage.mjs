// The service as its users meet it: two processes of it, real servers, and the simulators of Twilio and DispatchBot.
//
// Runs inside `with-servers`, which provides PostgreSQL, and the programs of the others, in the environment.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const KEY = 'a-key-for-the-app-server-of-tests';
export const BUSINESS = 'joes-plumbing';
export const NUMBER = '+15555551111';
export const OWNER = '+15555552222';
const ROOT = new URL('../../', import.meta.url).pathname;
const ACCOUNT = 'AC00000000000000000000000000000001';
const PATIENCE_MS = 60_000;

export const business = (more = {}) => ({
  name: "Joe's Plumbing", user_id: 'user-joe', phone_numbers: [NUMBER], forward_to: OWNER, timezone: 'America/New_York',
  trade: 'plumbing', emergency_contacts: ['+15555553333'],
  business_hours: { monday: { start: '08:00', end: '18:00' }, tuesday: { start: '08:00', end: '12:00' }, sunday: null },
  job_estimates: [{ job_type: 'drain_cleaning', min: 120, max: 250 }], user_settings: {}, calendar: [],
  ...more,
});

/** Waits until `found()` answers something, and answers it. Nothing tells a browser's state, so it is asked again and again. */
export async function until(what, found, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await found();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not seen in ${patience / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

const given = new Set();

/** A free port below those that the system gives to outgoing connections, which might take it meanwhile. */
async function freePort() {
  for (;;) {
    const port = 11_000 + Math.floor(Math.random() * 21_000);
    const isFree = await new Promise((done) => {
      const server = createServer().once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (isFree && !given.has(port)) {
      given.add(port);
      return port;
    }
  }
}

export class Stage {
  #children = [];

  /** `hold` is how long a person can answer before the AI does. */
  static async start({ hold = '4s' } = {}) {
    const stage = new Stage();
    try {
      await stage.#start(hold);
    } catch (error) {
      await stage.stop();
      throw error;
    }
    return stage;
  }

  async #start(hold) {
    const { NMC_TEST_POSTGRES_URL: postgres, NMC_TEST_DIR, NATS_SERVER_BIN, REDIS_SERVER_BIN, PG_BIN_DIR } = process.env;
    if (!postgres) throw new Error('run scripts/check-console, which starts the servers');
    this.dir = mkdtempSync(join(NMC_TEST_DIR, 'console-'));
    const name = `console_${process.pid}_${Date.now()}`;
    this.database = postgres.replace('/postgres?', `/${name}?`);
    this.psql = (sql, url = this.database) =>
      execFileSync(join(PG_BIN_DIR, 'psql'), ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--set', 'ON_ERROR_STOP=1', url, '--command', sql], { encoding: 'utf8' }).trim();
    this.psql(`CREATE DATABASE ${name}`, postgres);
    const [nats, monitor, redis, twilio, bot, first, second] = await Promise.all(Array.from({ length: 7 }, freePort));
    mkdirSync(join(this.dir, 'nats'));
    this.#spawn('nats-server', NATS_SERVER_BIN, ['-c', join(ROOT, 'nats.conf'), '-a', '127.0.0.1', '-p', nats, '-m', monitor, '-sd', join(this.dir, 'nats')]);
    this.#spawn('redis', REDIS_SERVER_BIN, ['--port', redis, '--bind', '127.0.0.1', '--dir', this.dir, '--save', '', '--appendonly', 'no']);
    this.twilio = `http://127.0.0.1:${twilio}`;
    this.bot = `http://127.0.0.1:${bot}`;
    this.url = `http://127.0.0.1:${first}`;
    this.other = `http://127.0.0.1:${second}`;
    // Webhooks go to the second process, so that they arrive while the first one is dead.
    this.#spawn('twilio-sim', this.#program('twilio-sim'), ['--bind', `127.0.0.1:${twilio}`, '--account-sid', ACCOUNT, '--auth-token', 'a-token-for-tests', '--webhook-url', this.other]);
    this.#spawn('dispatchbot-sim', this.#program('dispatchbot-sim'), ['--bind', `127.0.0.1:${bot}`, '--api-key', 'a-key-for-tests']);
    this.environment = {
      PATH: process.env.PATH, NMC_PUBLIC_URL: this.other, DATABASE_URL: this.database, NATS_URL: `nats://127.0.0.1:${nats}`,
      REDIS_URL: `redis://127.0.0.1:${redis}`, TWILIO_ACCOUNT_SID: ACCOUNT, TWILIO_AUTH_TOKEN: 'a-token-for-tests',
      TWILIO_API_URL: this.twilio, TWILIO_MESSAGING_URL: this.twilio, TWILIO_CONVERSATIONS_URL: this.twilio, TWILIO_MEDIA_URL: this.twilio,
      DISPATCHBOT_URL: this.bot, DISPATCHBOT_API_KEY: 'a-key-for-tests', NMC_API_KEYS: KEY, NMC_WINDOW_HOLD: hold,
      NMC_WINDOW_QUIET: '300ms', NMC_WINDOW_MAX: '90s', NMC_SEND_RATE: '1000/s', NMC_ALERT_EVERY: '2s', RUST_LOG: 'warn', NO_COLOR: '1',
    };
    await until('servers and simulators', () => {
      const ended = this.#children.find((child) => child.exitCode !== null);
      if (ended) throw new Error(`has ended at once: ${ended.spawnargs.join(' ')}`);
      return [nats, redis, twilio, bot].every((port) => this.#listens(port));
    });
    this.nevermisscall('migrate');
    // What the tests ask again and again must not use up what the browsers' key may.
    this.key = this.nevermisscall('keys', 'create', '--name', 'App Server', '--rate', '100000/min');
    await Promise.all([this.startService(first), this.startService(second)]);
  }

  #program = (name) => join(ROOT, 'target/debug', name);

  /** Whether something listens on a port of this machine. */
  #listens(port) {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    return readFileSync('/proc/net/tcp', 'utf8').split('\n').some((line) => line.includes(`0100007F:${hex} 00000000:0000 0A`));
  }

  #spawn(name, program, args, env = process.env) {
    const log = openSync(join(this.dir, `${name}.log`), 'a');
    // Nothing outlives the tests, however they end.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args.map(String)], { env, stdio: ['ignore', log, log] });
    this.#children.push(child);
    return child;
  }

  /** Runs a command of the service, and answers the last line of its output. */
  nevermisscall(...args) {
    return execFileSync(this.#program('nevermisscall'), args, { env: this.environment, encoding: 'utf8' }).trim().split('\n').at(-1);
  }

  /** Starts a process of the service, and waits until it is ready. */
  async startService(port = new URL(this.url).port) {
    const child = this.#spawn(`service-${port}`, this.#program('nevermisscall'), ['serve'], { ...this.environment, NMC_BIND: `127.0.0.1:${port}` });
    if (String(port) === new URL(this.url).port) this.first = child;
    await until('readiness', async () => {
      if (child.exitCode !== null) throw new Error(`the service has ended: ${readFileSync(join(this.dir, `service-${port}.log`), 'utf8').slice(-2000)}`);
      return fetch(`http://127.0.0.1:${port}/health/ready`).then((answer) => answer.ok, () => false);
    });
  }

  /** Kills the process that the browsers use. */
  async kill() {
    const ended = new Promise((done) => this.first.once('exit', done));
    this.first.kill('SIGKILL');
    await ended;
  }

  async stop() {
    const running = this.#children.filter((child) => child.exitCode === null && child.signalCode === null);
    const ended = running.map((child) => new Promise((done) => child.once('exit', done)));
    running.forEach((child) => child.kill('SIGKILL'));
    await Promise.all(ended);
  }

  /** Calls the REST API of the second process. */
  async api(method, path, body) {
    const headers = { Authorization: `Bearer ${this.key}`, ...(body ? { 'Content-Type': 'application/json' } : {}) };
    const answer = await fetch(`${this.other}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  putBusiness = (id = BUSINESS, document = business()) => this.api('PUT', `/businesses/${id}`, document);

  async #control(sim, method, path, body) {
    const answer = await fetch(`${sim}/_sim/${path}`, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  text = (from, body, more = {}) => this.#control(this.twilio, 'POST', 'sms', { from, to: NUMBER, body, ...more });
  missCall = (from, more = {}) => this.#control(this.twilio, 'POST', 'call', { from, to: NUMBER, outcome: 'no-answer', ...more });
  faults = (rules, more = {}) => this.#control(this.twilio, 'PUT', 'faults', { rules, ...more });
  sent = async (to) => (await this.#control(this.twilio, 'GET', 'messages')).messages.filter((message) => message.to === to);

  /** The customer's conversation, once `fits` does. */
  conversation(customer, fits = () => true) {
    return until(`a conversation of ${customer}`, async () => {
      const list = await this.api('GET', `/conversations?customer_phone=${encodeURIComponent(customer)}&limit=1`);
      const [found] = list.conversations;
      return found && fits(found) ? found : null;
    });
  }

  /** The customer's conversation, once the AI has answered and the customer has got that: nothing changes in it by itself. */
  async answered(customer) {
    const { id } = await this.conversation(customer, (found) => found.ownership === 'ai' && !found.waiting_since);
    await until('an answer, and the delivery of all texts', async () => {
      const { messages } = await this.api('GET', `/conversations/${id}/messages`);
      return messages.some((message) => message.in_reply_to_window) &&
        messages.every((message) => message.direction === 'inbound' || message.status === 'delivered');
    });
    return this.conversation(customer);
  }

  /** Copies a conversation with its newest text, many times, each with another customer. */
  multiply(id, count) {
    this.psql(`
      WITH copies AS (
        SELECT gen_random_uuid() AS id, n FROM generate_series(1, ${count}) AS n
      ), made AS (
        INSERT INTO conversations
        SELECT copy.*
        FROM conversations c, copies, LATERAL jsonb_populate_record(NULL::conversations, to_jsonb(c) || jsonb_build_object(
          'id', copies.id, 'customer_phone', '+1312' || lpad(n::text, 7, '0'),
          'last_activity', now() - n * interval '1 second', 'call_id', NULL)) AS copy
        WHERE c.id = '${id}'
        RETURNING id
      )
      INSERT INTO messages
      SELECT copy.*
      FROM (SELECT * FROM messages WHERE conversation_id = '${id}' AND kind = 'customer' ORDER BY created_at DESC LIMIT 1) m,
        copies, LATERAL jsonb_populate_record(NULL::messages, to_jsonb(m) || jsonb_build_object(
          'id', gen_random_uuid(), 'conversation_id', copies.id, 'subject_conversation_id', copies.id, 'twilio_sid', NULL,
          'body', 'Text ' || n, 'created_at', now() - n * interval '1 second')) AS copy;
      ANALYZE conversations; ANALYZE messages`);
  }
}
