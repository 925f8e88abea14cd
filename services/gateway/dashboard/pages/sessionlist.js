// A list of sessions, however long: blocks of it as they come into view, and what is in view again every few seconds.
// The first block of all sessions comes alone; where one scrolls on, or wants those of a filter, the gateway puts the
// whole list in order, and keeps it while it is used (`order`).
import { useEffect, useMemo, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";

const PATH = "/api/sessions";
const BLOCK = 100;
const BLOCKS_MAX = 40;
const REFRESH_MS = 5000;
/** So often a list that is sorted or filtered is put in order anew. */
const REORDER_MS = 20_000;
const RESTS_MS = 80;
const NAMED_MAX = 200;

/** @typedef {{rows: any[], length: number, standing: number, sequence: number, error: any, name: string}} SessionRows */
/** `turn` counts how often it was put in order, `shown` is that of the rows there are. @typedef {{over: boolean, order: string, turn: number, shown: number, ordered: number, asked: Set<number>, view: [number, number], timer: number}} Work */

/** The rows of a filter, of which those that have not come are missing. @param {Record<string, string>} filter */
export function useSessionList(filter) {
  const state = useSignal(/** @type {SessionRows} */ ({ rows: [], length: 0, standing: 0, sequence: 0, error: null, name: "" }));
  const name = JSON.stringify(filter);
  const { sort, ...wanted } = filter;
  const isWhole = !Object.values(wanted).some(Boolean);
  const work = useMemo(() => /** @type {Work} */ ({ over: false, order: "", turn: 0, shown: 0, ordered: 0, asked: new Set(), view: [0, 1], timer: 0 }), [name]);

  /** Ask for some blocks; what comes in another order than the rows there are takes their place. @param {number} first @param {number} last */
  const load = async (first, last) => {
    const { turn, order } = work;
    const blocks = Array.from({ length: last - first + 1 }, (_, place) => first + place);
    for (const block of blocks) work.asked.add(block);
    const where = isWhole && !order && first === 0 ? {} : { offset: first * BLOCK, order };
    try {
      const page = await ask(withParameters(PATH, { ...filter, limit: blocks.length * BLOCK, ...where }));
      if (work.over || work.turn !== turn) return;
      const isOther = state.value.name !== name || work.shown !== turn || (order && page.order !== order);
      if (isOther) work.asked = new Set(blocks);
      Object.assign(work, { order: page.order ?? "", shown: turn, ordered: Date.now() });
      const length = page.fitting ?? (page.next ? Math.max(page.total, page.data.length + 1) : first * BLOCK + page.data.length);
      const rows = isOther ? [] : state.value.rows.slice(0, length);
      rows.length = length;
      page.data.forEach((/** @type {any} */ row, /** @type {number} */ place) => (rows[first * BLOCK + place] = row));
      forgetFarBlocks(rows, work);
      state.value = { rows, length, standing: page.total, sequence: page.sequence, error: null, name };
    } catch (error) {
      for (const block of blocks) work.asked.delete(block);
      if (!work.over && work.turn === turn) state.value = { ...state.value, error };
    }
  };
  /** The list in the order of this moment: what is in view first. */
  const reload = () => {
    work.turn += 1;
    work.order = "";
    return load(...blocksOf(work.view));
  };
  const need = (/** @type {number} */ first, /** @type {number} */ last) => {
    work.view = [first, last];
    clearTimeout(work.timer);
    work.timer = setTimeout(() => {
      if (work.over || state.value.name !== name) return;
      const [from, to] = blocksOf(work.view);
      const missing = [];
      for (let block = from; block <= to; block += 1) if (!work.asked.has(block)) missing.push(block);
      if (missing.length) load(missing[0], /** @type {number} */ (missing.at(-1)));
    }, RESTS_MS);
  };
  const look = async () => {
    const isOld = (sort || !isWhole) && Date.now() - work.ordered > REORDER_MS;
    const seen = state.value.rows.slice(...work.view).filter(Boolean).slice(0, NAMED_MAX);
    if (state.value.name !== name || state.value.error || isOld || !seen.length) return reload();
    try {
      const page = await ask(withParameters(PATH, { ids: seen.map((row) => row.session_id).join(",") }));
      if (work.over) return undefined;
      if (page.total !== state.value.standing) return reload();
      const fresh = new Map(page.data.map((/** @type {any} */ row) => [row.session_id, row]));
      const rows = [...state.value.rows];
      for (let place = work.view[0]; place < Math.min(work.view[1], rows.length); place += 1) rows[place] = fresh.get(rows[place]?.session_id) ?? rows[place];
      state.value = { ...state.value, rows, sequence: page.sequence, error: null };
    } catch (error) {
      if (!work.over) state.value = { ...state.value, error };
    }
    return undefined;
  };
  useEffect(() => {
    reload();
    const timer = setInterval(() => document.hidden || look(), REFRESH_MS);
    return () => {
      work.over = true;
      clearInterval(timer);
      clearTimeout(work.timer);
    };
  }, [name]);
  return { ...state.value, isFresh: state.value.name === name, need, refresh: reload };
}

/** @param {[number, number]} view @returns {[number, number]} */
const blocksOf = ([first, last]) => [Math.floor(first / BLOCK), Math.max(Math.floor(first / BLOCK), Math.floor((last - 1) / BLOCK))];

/** Let go of what is farthest from the view. @param {any[]} rows @param {Work} work */
function forgetFarBlocks(rows, work) {
  const middle = (work.view[0] + work.view[1]) / 2 / BLOCK;
  const far = [...work.asked].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle)).slice(BLOCKS_MAX);
  for (const block of far) {
    work.asked.delete(block);
    for (let place = block * BLOCK; place < Math.min(rows.length, (block + 1) * BLOCK); place += 1) delete rows[place];
  }
}
