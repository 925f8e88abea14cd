// The log, however long: the latest events by themselves, and the past where one looks.
// What has not come is a gap: from a place in the log down to another, with as many rows as there may be events in it. The log is
// numbered by envelopes, so how many events a gap has is an estimate until they are there.
import { useEffect, useMemo, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { followLog } from "../base/stream.js";

const PATH = "/api/events";
const PAGE = 200;
const KEPT_MAX = 2000;
const FIRST_KEPT = 400;
const RESTS_MS = 80;
/** As many as a browser can scroll over: its boxes end at some 33 million points. */
const ROWS_MAX = 500_000;
const NEAR = 20;
const WHOLE = 1_000_000;

/** @typedef {import("../base/stream.js").LogEvent} LogEvent */
/** Events before `past` and behind `floor`, which have not come; as many rows stand for them. @typedef {{past: string, floor: string, rows: number}} Gap */
/** @typedef {{rows: any[], isWhole: boolean, last: number, skipped: number, error: any, name: string}} LogRows */
/** `items` are events and gaps, the latest first; `floor` is what the log begins behind, `ratio` how many events an envelope has. @typedef {{over: boolean, loads: boolean, items: (LogEvent | Gap)[], floor: string, ratio: number, view: [number, number], timer: number}} Work */

/** The latest events of a filter, further ones as they come, and any others where one looks. @param {Record<string, string>} filter @param {boolean} isPaused */
export function useLog(filter, isPaused) {
  const state = useSignal(/** @type {LogRows} */ ({ rows: [], isWhole: true, last: 0, skipped: 0, error: null, name: "" }));
  const isLive = useSignal(false);
  const name = JSON.stringify(filter);
  const work = useMemo(() => /** @type {Work} */ ({ over: false, loads: false, items: [], floor: "0", ratio: 1, view: [0, 1], timer: 0 }), [name]);
  const show = (/** @type {Partial<LogRows>} */ changes = {}) => {
    forgetFar(work);
    state.value = { ...state.value, rows: rowsOf(work), isWhole: !work.items.some(isGap), name, ...changes };
  };
  useEffect(() => {
    if (isPaused && state.value.name === name) return undefined;
    let stop = () => {};
    let over = false;
    const begin = async () => {
      try {
        const page = await ask(withParameters(PATH, { ...filter, past: "last", limit: PAGE }));
        if (over) return;
        const looked = Math.max(1, page.last - sequenceOf(page.next));
        work.ratio = Math.min(page.data.length / looked, ROWS_MAX / Math.max(1, page.last));
        work.floor = String(page.first - 1);
        work.items = [...page.data, ...(page.more ? gapsBetween(page.next, work.floor, work) : [])];
        show({ last: page.last, skipped: 0, error: null });
        if (isPaused) return;
        stop = followLog(filter, page.data[0]?.event ?? String(page.last ?? ""), ({ records, skipped, last }) => {
          work.items.unshift(...records.reverse());
          show({ last: Math.max(state.value.last, sequenceOf(last)), skipped: state.value.skipped + skipped, error: null });
        }, (reads) => (isLive.value = reads));
      } catch (error) {
        if (!over) state.value = { ...state.value, rows: [], error, name };
      }
    };
    begin();
    return () => {
      over = true;
      stop();
      isLive.value = false;
    };
  }, [name, isPaused]);
  useEffect(() => () => {
    work.over = true;
    clearTimeout(work.timer);
  }, [name]);
  /** Ask for what is in view and has not come: from its top on, or from the log's beginning up. */
  const fill = async () => {
    const found = gapInView(work);
    if (!found || work.loads || work.over || state.value.name !== name) return;
    const { gap, offset, isEnd } = found;
    work.loads = true;
    try {
      const asked = isEnd ? { after: gap.floor } : { past: offset < NEAR ? gap.past : placeIn(gap, offset) };
      const page = await ask(withParameters(PATH, { ...filter, ...asked, limit: PAGE }));
      if (work.over || state.value.name !== name) return;
      const place = work.items.indexOf(gap);
      if (place >= 0) work.items.splice(place, 1, ...(isEnd ? filledUp(gap, page, work) : filledDown(gap, page, asked.past ?? gap.past, offset, work)));
      show({ error: null });
    } catch (error) {
      if (!work.over && state.value.name === name) state.value = { ...state.value, error };
      return;
    } finally {
      work.loads = false;
    }
    fill();
  };
  const need = (/** @type {number} */ first, /** @type {number} */ last) => {
    work.view = [first, last];
    clearTimeout(work.timer);
    work.timer = setTimeout(fill, RESTS_MS);
  };
  return { ...state.value, isFresh: state.value.name === name, isLive: isLive.value, need };
}

/** @param {string} place an event's id, or an envelope's number @returns {number} */
const sequenceOf = (place) => parseInt(place, 10) || 0;

/** Where in the log a place is: an envelope's number alone is behind all its events. @param {string} place @returns {[number, number]} */
function positionOf(place) {
  const [sequence, index] = place.split(".").map(Number);
  return [sequence, index ?? WHOLE];
}

/** Whether the first place is behind the other. @param {string} one @param {string} other */
function isAfter(one, other) {
  const [sequence, index] = positionOf(one);
  const [behind, place] = positionOf(other);
  return sequence > behind || (sequence === behind && index > place);
}

/** @param {LogEvent | Gap} item */
const rowsIn = (item) => (isGap(item) ? item.rows : 1);

/** @param {any} item @returns {item is Gap} */
const isGap = (item) => item.past !== undefined && item.floor !== undefined && item.event === undefined;

/** What is between two places, where there may be something. @param {string} past @param {string} floor @param {Work} work @param {number} [rows] @returns {Gap[]} */
function gapsBetween(past, floor, { ratio }, rows = Math.round((sequenceOf(past) - sequenceOf(floor)) * ratio)) {
  const isNext = positionOf(floor)[1] === WHOLE && past === `${sequenceOf(floor) + 1}.0`;
  return isAfter(past, floor) && !isNext ? [{ past, floor, rows: Math.max(1, rows) }] : [];
}

/** The envelope that is so many rows below a gap's top. @param {Gap} gap @param {number} offset */
function placeIn({ past, floor, rows }, offset) {
  const [top, bottom] = [sequenceOf(past), sequenceOf(floor)];
  return String(Math.max(bottom + 1, top - Math.floor((offset / rows) * (top - bottom))));
}

/** The first gap in view, how many of its rows are above that, and whether the view is at the end of the log. @param {Work} work */
function gapInView(work) {
  let at = 0;
  const [first, last] = work.view;
  for (const gap of work.items) {
    if (at >= last) return null;
    const count = rowsIn(gap);
    if (isGap(gap) && at + count > first) {
      const isEnd = work.items.at(-1) === gap && last >= at + count && first > at + NEAR;
      return { gap, offset: Math.max(0, first - at), isEnd };
    }
    at += count;
  }
  return null;
}

/** A gap of which a page has come, from `past` down; what is above keeps its rows. @param {Gap} gap @param {any} page @param {string} past @param {number} offset @param {Work} work */
function filledDown(gap, page, past, offset, work) {
  const events = page.data.filter((/** @type {LogEvent} */ event) => isAfter(event.event, gap.floor));
  const below = page.more && events.length === page.data.length ? gapsBetween(page.next, gap.floor, work) : [];
  return [...gapsBetween(gap.past, past, work, offset), ...events, ...below];
}

/** The same from its floor up; all together keep their rows. @param {Gap} gap @param {any} page @param {Work} work @returns {(LogEvent | Gap)[]} */
function filledUp(gap, page, work) {
  const events = page.data.filter((/** @type {LogEvent} */ event) => isAfter(gap.past, event.event)).reverse();
  const above = page.more && events.length === page.data.length ? gapsBetween(gap.past, page.next, work, gap.rows - events.length) : [];
  return [...above, ...events];
}

/** All rows, those that have not come missing. @param {Work} work @returns {any[]} */
function rowsOf(work) {
  const rows = [];
  let at = 0;
  for (const item of work.items) {
    if (isGap(item)) at += item.rows;
    else rows[at++] = item;
  }
  rows.length = at;
  return rows;
}

/** Let go of what is farthest from the view; the latest stay. What stands for it has as many rows. @param {Work} work */
function forgetFar(work) {
  if (work.items.length <= KEPT_MAX + PAGE) return;
  let at = 0;
  const places = work.items.map((item) => (at += rowsIn(item)));
  const middle = (work.view[0] + work.view[1]) / 2;
  const far = places.map((place, index) => ({ index, distance: Math.abs(place - middle) })).slice(FIRST_KEPT).sort((a, b) => b.distance - a.distance);
  const gone = new Set(far.slice(0, work.items.length - KEPT_MAX).map(({ index }) => index));
  /** @type {(LogEvent | Gap)[]} */
  const items = [];
  work.items.forEach((item, index) => {
    const last = items.at(-1);
    if (!last || (!isGap(item) && !gone.has(index))) return void items.push(item);
    const below = work.items[index + 1];
    const floor = isGap(item) ? item.floor : !below ? work.floor : isGap(below) ? below.past : below.event;
    if (isGap(last)) items[items.length - 1] = { ...last, floor, rows: last.rows + rowsIn(item) };
    else items.push({ past: isGap(item) ? item.past : last.event, floor, rows: rowsIn(item) });
  });
  work.items = items;
}
