// What is asked again and again while somebody looks.
import { useEffect } from "preact/hooks";
import { signal, useSignal } from "@preact/signals";
import { ApiError, ask } from "./api.js";

export const isHidden = signal(document.hidden);
document.addEventListener("visibilitychange", () => (isHidden.value = document.hidden));

/** Seconds that have passed, for countdowns: ticks once a second while the page is visible. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);

/** @template T @typedef {{value: T | null, error: ApiError | null, at: number, again: () => Promise<void>}} Polled */

/**
 * Ask a path now, every `seconds` while the page is visible (0: once), and whenever it changes.
 * What was answered last stays while an error is shown beside it.
 * @param {string | null} path @param {number} [seconds] @returns {Polled<any>}
 */
export function usePolled(path, seconds = 0) {
  const state = useSignal({ value: null, error: null, at: 0, path: /** @type {string | null} */ (null) });
  const again = useSignal(() => Promise.resolve());
  useEffect(() => {
    if (path === null) return undefined;
    const until = new AbortController();
    let timer = 0;
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      try {
        const value = await ask(path, { signal: until.signal });
        state.value = { value, error: null, at: Date.now(), path };
      } catch (error) {
        if (until.signal.aborted) return;
        const last = state.value.path === path ? state.value.value : null;
        state.value = { value: last, error: /** @type {any} */ (error), at: state.value.at, path };
      }
      if (seconds && !until.signal.aborted) timer = setTimeout(look, seconds * 1000);
    };
    const shown = () => !document.hidden && look();
    again.value = look;
    look();
    document.addEventListener("visibilitychange", shown);
    return () => {
      until.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, [path, seconds]);
  return { ...state.value, again: () => again.value() };
}

/**
 * Carry out what a button says: busy while it lasts, its error kept to be shown.
 * @returns {{busy: boolean, error: ApiError | null, run: (work: () => Promise<unknown>) => Promise<boolean>, clear: () => void}}
 */
export function useAction() {
  const busy = useSignal(false);
  const error = useSignal(/** @type {ApiError | null} */ (null));
  const run = async (/** @type {() => Promise<unknown>} */ work) => {
    if (busy.value) return false;
    busy.value = true;
    error.value = null;
    try {
      await work();
      return true;
    } catch (fault) {
      error.value = fault instanceof ApiError ? fault : new ApiError("unreachable", String(fault));
      return false;
    } finally {
      busy.value = false;
    }
  };
  return { busy: busy.value, error: error.value, run, clear: () => (error.value = null) };
}
