// A list of calls, however long: the latest come by themselves, the past as it comes into view.
// A row's place is counted from where the list began to be looked at, so it stays while calls come in above it; the
// past is asked for by how far it lies behind the end of the first page, whose cursor holds still.
import { useEffect, useMemo, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { followLog } from "../base/stream.js";

const PATH = "/api/requests";
const PAGE = 200;
/** As many as a browser can scroll over: its boxes end at some 33 million points. */
export const ROWS_MAX = 500_000;
const KEPT_MAX = 4000;
const REFRESH_MS = 1000;
const RESTS_MS = 80;
const TYPES = "session_requested,lease_queued,lease_granted,lease_refused,lease_cancelled,lease_expired,usage_recorded,calls_refused,waits_ended";
const UNDER_WAY = new Set(["open", "waiting"]);

/** @typedef {{rows: any[], count: any, sequence: number, lag: number, error: any, filter: string}} RequestRows */
/**
 * `kept` are the rows there are by their place, `moved` how many came in above place 0 since, `end` the cursor behind the
 * first page and the place that it leads to.
 * @typedef {{busy: boolean, again: boolean, loads: boolean, over: boolean, heard: number, kept: Map<number, any>, moved: number, total: number,
 *   end: {cursor: string, place: number} | null, view: [number, number], timer: number}} Work
 */

/** @returns {Work} */
const begun = () => ({ busy: false, again: false, loads: false, over: false, heard: 0, kept: new Map(), moved: 0, total: 0, end: null, view: [0, 1], timer: 0 });

/** The rows of a filter, of which those that have not come are missing. @param {Record<string, string>} filter */
export function useRequests(filter) {
  const state = useSignal(/** @type {RequestRows} */ ({ rows: [], count: null, sequence: 0, lag: 0, error: null, filter: "" }));
  const isPaused = useSignal(false);
  const isLive = useSignal(false);
  const name = JSON.stringify(filter);
  const work = useMemo(begun, [name]);

  const refresh = async () => {
    if (work.busy) return void (work.again = true);
    work.busy = true;
    try {
      const page = await ask(withParameters(PATH, { ...filter, limit: PAGE, count: "true" }));
      if (work.over) return;
      takeFirst(work, page);
      // The figures may be behind the log, and behind what was heard: then they are not yet what is wanted.
      if (page.sequence < Math.max(work.heard, page.count?.sequence ?? 0) || page.lag > 0) work.again = true;
      state.value = { rows: rowsOf(work), count: page.count ?? null, sequence: page.sequence, lag: page.lag, error: null, filter: name };
      if (inView(work).some((row) => row && UNDER_WAY.has(row.outcome))) load(...work.view);
    } catch (error) {
      if (work.over) return;
      state.value = { ...state.value, error };
    }
    setTimeout(() => {
      work.busy = false;
      if (work.again && !work.over) {
        work.again = false;
        refresh();
      }
    }, REFRESH_MS);
  };
  /** Ask for rows of the past, which are those behind the first page. @param {number} first @param {number} last */
  const load = async (first, last) => {
    const { end, moved } = work;
    const from = end && Math.max(first, end.place + moved);
    if (work.loads || !end || from === null || from >= last) return;
    work.loads = true;
    try {
      const page = await ask(withParameters(PATH, { ...filter, cursor: end.cursor, offset: from - end.place - moved, limit: last - from }));
      if (work.over) return;
      page.data.forEach((/** @type {any} */ row, /** @type {number} */ place) => work.kept.set(from - moved + place, row));
      if (page.data.length < last - from) work.total = Math.min(work.total, from - moved + work.moved + page.data.length);
      forgetFar(work);
      state.value = { ...state.value, rows: rowsOf(work), error: null };
    } catch (error) {
      if (!work.over) state.value = { ...state.value, error };
      return;
    } finally {
      work.loads = false;
    }
    fill();
  };
  /** Ask for what is in view and has not come. */
  const fill = () => {
    if (work.over) return;
    const [first, last] = work.view;
    const missing = inView(work).map((row, place) => (row ? -1 : first + place)).filter((place) => place >= 0);
    if (missing.length) load(missing[0], Math.min(last, /** @type {number} */ (missing.at(-1)) + 1));
  };
  const need = (/** @type {number} */ first, /** @type {number} */ last) => {
    work.view = [first, last];
    clearTimeout(work.timer);
    work.timer = setTimeout(fill, RESTS_MS);
  };
  useEffect(() => {
    refresh();
    return () => {
      work.over = true;
      clearTimeout(work.timer);
    };
  }, [name]);
  useEffect(() => {
    if (isPaused.value) return undefined;
    const hear = (/** @type {import("../base/stream.js").Heard} */ { last }) => {
      work.heard = Math.max(work.heard, parseInt(last));
      refresh();
    };
    const stop = followLog({ type: TYPES }, "", hear, (reads) => {
      if (reads && !isLive.value) refresh(); // what came while nothing was read
      isLive.value = reads;
    });
    return () => {
      stop();
      isLive.value = false;
    };
  }, [name, isPaused.value]);
  return { ...state.value, isFresh: state.value.filter === name, need, isPaused, isLive: isLive.value };
}

/** The rows in view, those that are missing among them. @param {Work} work @returns {any[]} */
const inView = ({ view: [first, last], kept, moved, total }) =>
  Array.from({ length: Math.max(0, Math.min(last, total) - first) }, (_, place) => kept.get(first + place - moved));

/** Take the first page in: what stood there moves down by as many as came. @param {Work} work @param {any} page */
function takeFirst(work, page) {
  const { data } = page;
  const total = Math.min(ROWS_MAX, Math.max(page.count?.rows ?? 0, data.length));
  const places = new Map([...work.kept].map(([place, row]) => [row.request_id, place + work.moved]));
  const before = work.moved;
  const known = data.findLastIndex((/** @type {any} */ row) => places.has(row.request_id));
  const came = known >= 0 ? known - /** @type {number} */ (places.get(data[known].request_id)) : total - work.total;
  if (came < 0 || (known < 0 && !page.next)) work.kept.clear();
  else work.moved += came;
  work.total = total;
  for (const row of data) work.kept.delete(/** @type {number} */ (places.get(row.request_id)) - before);
  data.forEach((/** @type {any} */ row, /** @type {number} */ place) => work.kept.set(place - work.moved, row));
  work.end = page.next === null ? null : { cursor: page.next, place: data.length - work.moved };
  for (const place of [...work.kept.keys()]) if (place + work.moved >= total) work.kept.delete(place);
  forgetFar(work);
}

/** All places, with the rows there are. @param {Work} work @returns {any[]} */
function rowsOf({ kept, moved, total }) {
  const rows = [];
  rows.length = total;
  for (const [place, row] of kept) if (place + moved < total) rows[place + moved] = row;
  return rows;
}

/** Let go of what is farthest from the view; the first page stays. @param {Work} work */
function forgetFar(work) {
  if (work.kept.size <= KEPT_MAX) return;
  const middle = (work.view[0] + work.view[1]) / 2 - work.moved;
  const far = [...work.kept.keys()].filter((place) => place + work.moved >= PAGE).sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
  for (const place of far.slice(0, work.kept.size - KEPT_MAX)) work.kept.delete(place);
}
