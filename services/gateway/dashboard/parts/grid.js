// A table of any length: only the rows in view exist, and those that have not come yet are missing.
// `j` and `k` step through it, Home and End lead to its ends, Enter opens.
import { html, useEffect, useLayoutEffect, useRef, useSignal } from "../base/html.js";
import { number } from "../base/formats.js";
import { say } from "../base/words.js";

const ROW = 40;
const AROUND = 8;
/** So many rows may come in at once above what somebody looks at, and it stays where it is. */
const MOVED_MAX = 1000;
const NARROW = matchMedia("(max-width: 860px)");
// The rows that stand for those out of view have a single cell: were it to span the columns that a narrow
// page hides, these would take a share of the width all the same.

/**
 * @template T
 * @typedef {{name: string, label: any, cell: (row: T) => any, width?: string, narrow?: string, least?: number, spare?: boolean, kind?: string, sort?: boolean, title?: (row: T) => string}} Column
 */

/**
 * `need` is called with the rows that are in view, from the first to behind the last; `busy`: these are not yet the rows that are wanted; `order` is the column that sorts, `-` before it from the top down.
 * @param {{rows: any[], columns: Column<any>[], keyOf: (row: any) => string, label: string, onOpen?: (row: any) => void,
 *   need?: (first: number, last: number) => void, order?: string, onOrder?: (order: string) => void, picked?: Set<string>, onPick?: (picked: Set<string>) => void, busy?: boolean}} props
 */
export function Grid({ rows, columns, keyOf, label, onOpen, need, order = "", onOrder, picked, onPick, busy = false }) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const top = useSignal(0);
  const height = useSignal(600);
  const width = useSignal(0);
  const current = useSignal(-1);
  const first = Math.max(0, Math.floor(top.value / ROW) - AROUND);
  const last = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW) + AROUND);

  useEffect(() => {
    const box = /** @type {HTMLElement} */ (host.current);
    const measure = new ResizeObserver(() => {
      height.value = box.clientHeight;
      width.value = box.clientWidth;
    });
    measure.observe(box);
    return () => measure.disconnect();
  }, []);
  useEffect(() => {
    need?.(first, last);
  }, [first, last, rows]);
  useEffect(() => {
    const box = /** @type {HTMLElement} */ (host.current);
    const step = (/** @type {any} */ event) => {
      current.value = Math.min(rows.length - 1, Math.max(0, current.value + event.detail));
      const at = current.value * ROW;
      if (at < box.scrollTop) box.scrollTop = at;
      else if (at + 2 * ROW > box.scrollTop + box.clientHeight) box.scrollTop = at + 2 * ROW - box.clientHeight;
      box.focus({ preventScroll: true });
    };
    box.addEventListener("step", step);
    return () => box.removeEventListener("step", step);
  }, [rows.length]);

  const wasBusy = useRef(false);
  const head = useRef("");
  const length = useRef(0);
  const isBelow = useRef(false);
  useLayoutEffect(() => {
    const box = /** @type {HTMLElement} */ (host.current);
    const before = head.current;
    head.current = rows[0] ? keyOf(rows[0]) : "";
    const isOther = wasBusy.current && !busy;
    wasBusy.current = busy;
    const wasLast = isBelow.current && current.value > 0 && current.value === length.current - 1;
    length.current = rows.length;
    if (isOther) {
      current.value = -1;
      box.scrollTop = 0;
      return;
    }
    if (wasLast) {
      current.value = rows.length - 1; // the end is where somebody went: it is elsewhere now
      box.scrollTop = box.scrollHeight;
      return;
    }
    if (!before || before === head.current) return;
    const moved = rows.slice(0, MOVED_MAX).findIndex((row) => row && keyOf(row) === before);
    if (moved > 0 && current.value >= 0) current.value += moved;
    if (moved > 0 && box.scrollTop > 0) box.scrollTop += moved * ROW;
  }, [rows, busy]);

  const scrolled = (/** @type {any} */ { currentTarget: box }) => {
    top.value = box.scrollTop;
    isBelow.current = box.scrollTop + box.clientHeight > box.scrollHeight - ROW;
  };
  const open = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && event.target === host.current && rows[current.value]) onOpen?.(rows[current.value]);
  };
  const pick = (/** @type {string} */ key, /** @type {boolean} */ isPicked) => {
    const changed = new Set(picked);
    if (isPicked) changed.add(key);
    else changed.delete(key);
    onPick?.(changed);
  };
  const shown = fitting(columns, width.value);
  const there = picked ? rows.filter(Boolean) : [];
  const pickAll = (/** @type {any} */ event) => onPick?.(new Set(event.currentTarget.checked ? there.map(keyOf) : []));
  return html`
    <div class="grid" ref=${host} data-rows tabindex="0" role="region" aria-label=${label} aria-busy=${busy ? "true" : undefined} onKeyDown=${open}
      onScroll=${scrolled}>
      <table aria-rowcount=${rows.length + 1}>
        <thead><tr aria-rowindex="1">
          ${picked && html`<th class="pick" scope="col"><input type="checkbox" aria-label=${say("pick_all")} checked=${picked.size > 0 && picked.size >= there.length} onChange=${pickAll} /></th>`}
          ${shown.map((column) => html`<${Head} column=${column} order=${order} onOrder=${onOrder} />`)}
        </tr></thead>
        <tbody>
          ${first > 0 && html`<tr class="space" aria-hidden="true"><td style=${`height: ${first * ROW}px`}></td></tr>`}
          ${Array.from(rows.slice(first, last), (row, place) => {
            if (!row) return html`<tr key=${`missing ${first + place}`} class="missing" aria-rowindex=${first + place + 2} aria-current=${first + place === current.value ? "true" : undefined}><td class="quiet" colspan=${NARROW.matches ? 1 : shown.length + (picked ? 1 : 0)}>…</td></tr>`;
            const key = keyOf(row);
            return html`
              <tr key=${key} data-row aria-rowindex=${first + place + 2} aria-current=${first + place === current.value ? "true" : undefined}
                onClick=${() => { current.value = first + place; onOpen?.(row); }}>
                ${picked && html`<td class="pick" onClick=${(/** @type {Event} */ event) => event.stopPropagation()}>
                  <input type="checkbox" aria-label=${say("pick", { name: key })} checked=${picked.has(key)} onChange=${(/** @type {any} */ event) => pick(key, event.currentTarget.checked)} /></td>`}
                ${shown.map((column) => html`<td class=${column.kind ?? ""} title=${column.title?.(row)}>${column.cell(row)}</td>`)}
              </tr>`;
          })}
          ${last < rows.length && html`<tr class="space" aria-hidden="true"><td style=${`height: ${(rows.length - last) * ROW}px`}></td></tr>`}
        </tbody>
      </table>
    </div>
  `;
}

/**
 * The columns for which there is room: those that are `spare` give way, the last first. A narrow page hides by its styles.
 * @param {Column<any>[]} columns @param {number} room
 */
function fitting(columns, room) {
  if (!room || NARROW.matches) return columns;
  const needed = (/** @type {Column<any>} */ column) => column.least ?? (parseInt(column.width ?? "", 10) || 0);
  const shown = [...columns];
  let left = columns.reduce((rest, column) => rest - needed(column), room);
  for (const column of [...columns].reverse()) {
    if (left >= 0) break;
    if (!column.spare) continue;
    shown.splice(shown.indexOf(column), 1);
    left += needed(column);
  }
  return shown;
}

/** @param {{column: Column<any>, order: string, onOrder?: (order: string) => void}} props */
function Head({ column, order, onOrder }) {
  const wanted = (NARROW.matches && column.narrow) || column.width;
  const width = wanted ? `width: ${wanted}` : undefined;
  if (!column.sort || !onOrder) return html`<th scope="col" class=${column.kind ?? ""} style=${width}>${column.label}</th>`;
  const up = order === column.name;
  const down = order === `-${column.name}`;
  return html`
    <th scope="col" class=${column.kind ?? ""} style=${width} aria-sort=${up ? "ascending" : down ? "descending" : "none"}>
      <button class="link" onClick=${() => onOrder(down ? column.name : `-${column.name}`)}>${column.label}${up ? " ↑" : down ? " ↓" : ""}</button>
    </th>
  `;
}

/** How many rows there are, and up to where the figures are true; `about`: as far as one can say; `busy`: nobody has answered yet. @param {{count: number, about?: boolean, busy?: boolean, sequence?: number, lag?: number, children?: any}} props */
export const GridFoot = ({ count, about = false, busy = false, sequence, lag = 0, children }) => !count && !sequence ? html`
  <div class="grid-foot">${busy && html`<span class="quiet" role="status">${say("loading")}</span>`}</div>` : html`
  <div class="grid-foot">
    <span class="tab">${say(about ? "rows_about" : "rows", { n: count, count: number(count) })}</span>
    ${sequence !== undefined && html`<span class="tab sequence">${say("true_at", { sequence: number(sequence) })}${lag > 0 ? say("behind", { n: lag, count: number(lag) }) : ""}</span>`}
    ${children}
  </div>
`;
