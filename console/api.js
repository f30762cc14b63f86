// The REST API: one function for all calls, errors that a page can show, and the server's clock.

const KEY = 'nmc.key';
const USER = 'nmc.user';
const REFUSED = 'nmc.refused';
/** What the page leaves of the key's rate for what people do. */
const RESERVE = 200;
/** How often a read that was refused for its rate is repeated. */
const PATIENCE = 3;

/** An answer of the API that is no success. `details` has the invalid fields. */
export class ApiError extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = error?.code ?? 'INTERNAL';
    this.details = error?.details ?? [];
    this.requestId = error?.request_id ?? null;
    /** Whether the message is in the words of the page. */
    this.isOurs = false;
    /** Seconds after which the server asks to try again; null if it does not. */
    this.retryAfter = null;
  }

  /** The first request with this `Idempotency-Key` has no answer yet. */
  get isUnderWay() { return this.status === 409 && this.retryAfter !== null; }
}

/** The service cannot be reached: nothing is known about what became of the request. */
export class Unreachable extends Error {}

// The key lives as long as the tab, and is in no URL, cookie or other storage.
let key = sessionStorage.getItem(KEY);
let user = sessionStorage.getItem(USER);
let [remaining, limit] = [Infinity, Infinity];
let signedOut = () => {};
/** Why the page was loaded anew is said once. */
const wasRefused = sessionStorage.getItem(REFUSED) !== null;
sessionStorage.removeItem(REFUSED);

export const session = {
  get key() { return key; },
  /** The id of the person who uses the console, in the App Server; null if the key says who it is. */
  get user() { return user; },
  begin(newKey, newUser) {
    [key, user] = [newKey, newUser || null];
    sessionStorage.removeItem(REFUSED);
    sessionStorage.setItem(KEY, key);
    if (user) sessionStorage.setItem(USER, user);
    else sessionStorage.removeItem(USER);
  },
  /** `refused`: the server does not know the key any more. */
  end({ refused = false } = {}) {
    key = user = null;
    if (refused) sessionStorage.setItem(REFUSED, 'yes');
    sessionStorage.removeItem(KEY);
    sessionStorage.removeItem(USER);
    signedOut();
  },
  onEnd(does) { signedOut = does; },
  /** Whether the key was refused before the page was loaded. */
  wasRefused,
  /** Whether the key has few requests left in this minute, as far as the last answer said: a fifth is for people. */
  get isScarce() { return remaining < Math.min(RESERVE, limit / 5); },
};

/** The address of a path of the API: beside the folder in which the page is. */
export const address = (path) => new URL(`..${path}`, document.baseURI);

/** A path with a query; values that are null or empty are left out. */
export function withQuery(path, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return set.length ? `${path}?${new URLSearchParams(set)}` : path;
}

/**
 * Calls the API. Answers `{data, etag, status}`; throws [`ApiError`] or [`Unreachable`].
 * A command has the same `Idempotency-Key` each time it is tried, so it is done once.
 */
export async function call(method, path, { body, ifMatch, idempotencyKey, signal, as = 'json' } = {}) {
  const headers = { Authorization: `Bearer ${key}` };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  if (method !== 'GET') headers['Idempotency-Key'] = idempotencyKey ?? crypto.randomUUID();
  for (let tried = 1; ; tried += 1) {
    const sentAt = Date.now();
    let answer;
    try {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      answer = await fetch(address(path), { method, headers, signal, body: sent, cache: 'no-store', credentials: 'omit' });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable(String(error));
    }
    serverClock.learn(answer.headers.get('Date'), sentAt);
    remaining = Number(answer.headers.get('RateLimit-Remaining') ?? remaining);
    limit = Number(answer.headers.get('RateLimit-Limit') ?? limit);
    if (answer.status === 429 && method === 'GET' && tried < PATIENCE) {
      await pause(1000 * Math.min(Number(answer.headers.get('Retry-After') ?? 1), 60));
      continue;
    }
    return read(answer, as);
  }
}

async function read(answer, as) {
  if (answer.ok) {
    const etag = answer.headers.get('ETag');
    if (answer.status === 204) return { data: null, etag, status: 204 };
    return { data: await (as === 'blob' ? answer.blob() : answer.json()), etag, status: answer.status };
  }
  const said = await answer.json().catch(() => null);
  const error = new ApiError(answer.status, said?.error);
  error.body = said;
  error.retryAfter = answer.headers.has('Retry-After') ? Number(answer.headers.get('Retry-After')) : null;
  if (answer.status === 401) session.end({ refused: true });
  throw error;
}

export const get = async (path, query, options) => (await call('GET', withQuery(path, query), options)).data;

/** Every item of a list, page by page. */
export async function all(path, name) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { limit: 200, cursor });
    items.push(...page[name]);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/** Every business that the key may see. */
export const allBusinesses = () => all('/businesses', 'businesses');

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * The server's clock, from the `Date` of its answers: each says that it is between this second and the next. While our own
 * clock is within all of these bounds, it is right.
 */
const DAY = 86_400_000;
export const serverClock = {
  least: -Infinity,
  most: Infinity,
  learn(date, sentAt) {
    const at = Date.parse(date ?? '');
    if (Number.isNaN(at)) return;
    const [least, most] = [at - Date.now(), at + 1000 - sentAt];
    const fits = least <= this.most && most >= this.least;
    // A clock that was set makes the earlier bounds void.
    this.least = fits ? Math.max(this.least, least) : least;
    this.most = fits ? Math.min(this.most, most) : most;
  },
  now() {
    const isRight = this.least <= 0 && this.most >= 0;
    const known = Math.abs(this.least) < 3650 * DAY && Math.abs(this.most) < 3650 * DAY;
    return Date.now() + (isRight || !known ? 0 : (this.least + this.most) / 2);
  },
};
