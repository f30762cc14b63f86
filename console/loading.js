// Hooks: what a component is drawn from, and what draws it again.

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { serverClock } from './api.js';

/** Renders the component again when `subscribe` calls back; nothing is missed between rendering and subscribing. */
export function useChanges(subscribe) {
  const [, renew] = useState(0);
  useLayoutEffect(() => subscribe(() => renew((n) => n + 1)), []);
}

/** The server's time; while `active`, the component is drawn again each second. */
export function useNow(active = true) {
  const [, renew] = useState(0);
  useEffect(() => {
    if (!active) return undefined;
    let timer;
    const wait = () => { timer = setTimeout(tick, 1000 - (serverClock.now() % 1000) + 5); };
    const tick = () => {
      renew((n) => n + 1);
      wait();
    };
    wait();
    return () => clearTimeout(timer);
  }, [active]);
  return serverClock.now();
}

/** Loads something: `{data, error, reload, setData}`. What is shown stays until the new is there. */
export function useLoad(load, inputs) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = (turn.current += 1);
    setState((before) => ({ ...before, loading: true }));
    try {
      const data = await load();
      if (mine === turn.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === turn.current) setState((before) => ({ ...before, error, loading: false }));
    }
  }, inputs);
  useEffect(() => {
    reload();
    return () => { turn.current += 1; };
  }, [reload]);
  const setData = (change) => setState((before) => ({ ...before, data: change(before.data) }));
  return { ...state, reload, setData };
}

/** A list that is read page by page: `{items, more, next, error, loading, reload}`. */
export function usePages(load, name, inputs) {
  const pages = useLoad(async () => load(null), inputs);
  // Of the page that was to be added to a list: it is over once the list is another one.
  const [failure, setFailure] = useState(null);
  const cursor = pages.data?.next_cursor ?? null;
  const reading = useRef(null);
  const next = async () => {
    const before = pages.data;
    if (reading.current === before) return;
    reading.current = before;
    try {
      const page = await load(cursor);
      // The list may have been read anew, or with another filter.
      pages.setData((now) => (now === before ? { ...page, [name]: [...before[name], ...page[name]] } : now));
    } catch (error) {
      setFailure({ of: before, error });
    }
    reading.current = null;
  };
  const ofNext = failure?.of === pages.data ? failure?.error : null;
  return {
    items: pages.data?.[name] ?? null, more: cursor !== null, next, error: pages.error ?? ofNext ?? null, reload: ofNext ? next : pages.reload,
  };
}
