// A request's life on a time axis: waits, leases, attempts at servers, bytes, and how each ended.
import { html, useEffect, useRef, useSignal } from "../base/html.js";
import { bytes, duration } from "../base/formats.js";
import { say, wordFor } from "../base/words.js";
import { elasticAxis, totalsOf } from "./elastic.js";
import { toneOf } from "./states.js";
import { spanWords } from "./stories.js";

const NARROW = 560;
const LABEL = 168;
const VERDICT = 150;
const LETTER = 7.3;
const COLOURS = { waited: "wait", failed: "bad", worked: "work", bytes: "type-3" };

/** @typedef {import("./elastic.js").Span} Span */

/** @param {{lane: {began_at: string, length_ms: number, spans: Span[]}, service: string}} props */
export function Lane({ lane, service }) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const width = useSignal(900);
  useEffect(() => {
    const box = /** @type {HTMLElement} */ (host.current);
    const watching = new ResizeObserver(() => (width.value = box.clientWidth));
    watching.observe(box);
    return () => watching.disconnect();
  }, []);
  const isNarrow = width.value < NARROW;
  const left = isNarrow ? 0 : LABEL;
  const plot = Math.max(120, width.value - left - (isNarrow ? 8 : VERDICT));
  const length = Math.max(lane.length_ms, ...lane.spans.map((span) => span.to_ms ?? 0), 0.001);
  const axis = elasticAxis(lane.spans, length, plot);
  const rows = rowsOf(lane.spans, service);
  const pitch = isNarrow ? 48 : 31;
  const height = 28 + rows.length * pitch;
  return html`
    <div class="lane" ref=${host}>
      <${Strip} spans=${lane.spans} length=${length} left=${left} width=${plot} />
      <svg height=${height} role="img" aria-label=${say("lane.title", { long: duration(length) })}>
        <g transform=${`translate(${left}, 0)`}>
          ${axis.places.slice(1).map((to, place) => place % 2 === 0 && html`
            <rect x=${axis.places[place]} y="22" width=${to - axis.places[place]} height=${height - 26} fill="var(--ground)" />`)}
          <${Ticks} axis=${axis} />
          ${rows.map((row, place) => html`<${Row} row=${row} top=${28 + place * pitch} at=${axis.at} length=${length} plot=${plot} isNarrow=${isNarrow} service=${service} />`)}
        </g>
      </svg>
    </div>
  `;
}

/** The same true to scale, with totals as legend. @param {{spans: Span[], length: number, left: number, width: number}} props */
function Strip({ spans, length, left, width }) {
  const totals = Object.entries(totalsOf(spans, length)).filter(([, ms]) => ms > 0);
  const parts = spans
    .flatMap((span) => (span.kind === "lease" ? [] : partsOf(span, length)))
    .map(({ from, to, name }) => html`<rect x=${(from / length) * width} width=${Math.max(((to - from) / length) * width, 1)} height="9" fill=${`var(--${COLOURS[name]})`} />`);
  return html`
    <div class="row" style="gap: 0; align-items: flex-start; margin-bottom: 6px">
      ${left > 0 && html`<div style=${`width: ${left}px`}><b class="tab">${duration(length)}</b> <span class="quiet">${say("lane.to_scale")}</span></div>`}
      <div style=${`width: ${width}px`}>
        <svg height="9" width=${width} aria-hidden="true">${parts}</svg>
        <div class="legend small">
          ${left === 0 && html`<span>${duration(length)}</span>`}
          ${totals.map(([name, ms]) => html`<span><i class="swatch" style=${`height: 9px; background: var(--${COLOURS[name]})`}></i>${say(`lane.${name}`)} ${duration(ms)}</span>`)}
        </div>
      </div>
    </div>
  `;
}

/** A span's parts as time goes. @param {Span} span @param {number} length @returns {{from: number, to: number, name: keyof typeof COLOURS}[]} */
function partsOf(span, length) {
  const end = span.to_ms ?? length;
  if (span.kind === "wait") return [{ from: span.from_ms, to: end, name: "waited" }];
  if (span.kind === "lease") return [];
  if (span.verdict !== "success" && span.to_ms !== null) return [{ from: span.from_ms, to: end, name: "failed" }];
  const first = span.first_byte_ms ?? end;
  return [{ from: span.from_ms, to: first, name: "worked" }, ...(first < end ? [{ from: first, to: end, name: /** @type {const} */ ("bytes") }] : [])];
}

/** @typedef {{label: string, beside: string, inner: boolean, wait?: Span, lease?: Span, attempt?: Span}} LaneRow */

/** One row for each lease, or each wait that got none, and one for each attempt below it. @param {Span[]} spans @param {string} service @returns {LaneRow[]} */
function rowsOf(spans, service) {
  /** @type {LaneRow[]} */
  const rows = [];
  for (const wait of spans.filter((span) => span.kind === "wait" || span.kind === "lease")) {
    const lease = spans.find((span) => span.kind === "lease" && span.number === wait.number);
    if (wait.kind === "lease" && spans.some((span) => span.kind === "wait" && span.number === wait.number)) continue;
    rows.push({
      label: lease ? lease.session_label || lease.session_id : say("lane.pool"),
      beside: lease ? say("lane.lease", { number: lease.number }) : say("lane.asked", { type: wordFor("type", service) }),
      inner: false,
      wait: wait.kind === "wait" ? wait : undefined,
      lease,
    });
    for (const attempt of spans.filter((span) => span.kind === "attempt" && span.number === wait.number)) {
      rows.push({ label: attempt.server_id, beside: attempt.region ?? "", inner: true, attempt });
    }
  }
  return rows;
}

/** @param {{axis: ReturnType<typeof elasticAxis>}} props */
function Ticks({ axis }) {
  let free = -Infinity;
  const end = axis.instants.length - 1;
  return axis.instants.map((ms, place) => {
    const words = place === 0 ? "0" : duration(ms);
    const wide = words.length * LETTER;
    const x = axis.places[place];
    const room = place === end || x + wide + 14 < axis.places[end] - duration(axis.instants[end]).length * LETTER;
    if (x < free || !room) return null;
    free = x + wide + 14;
    return html`<text class="quiet" x=${x} y="14" text-anchor=${place === end ? "end" : "start"}>${words}</text>`;
  });
}

/** @param {{row: LaneRow, top: number, at: (ms: number) => number, length: number, plot: number, isNarrow: boolean, service: string}} props */
function Row({ row, top, at, length, plot, isNarrow, service }) {
  const span = /** @type {Span} */ (row.lease ?? row.attempt ?? row.wait);
  const bars = [row.wait, row.attempt].flatMap((one) => (one ? partsOf(one, length) : []));
  const y = isNarrow ? top + 20 : top;
  const end = at(span.to_ms ?? length);
  const verdict = wordsOf(span);
  const isOver = span.to_ms !== null;
  const tone = span.kind === "attempt" ? (span.verdict === "success" ? "good" : "bad") : toneOf(span.verdict) || "calm";
  const inner = row.inner && isNarrow ? 12 : 0;
  return html`
    <g>
      <text x=${isNarrow ? inner : row.inner ? 14 - LABEL : -LABEL} y=${isNarrow ? top + 13 : y + 15}>
        <title>${row.label}</title>${short(row.label, isNarrow ? 18 : 22 - Math.min(row.beside.length, 8))}<tspan dx="7" class="quiet" fill="var(--muted)">${short(row.beside, 22 - Math.min(row.label.length, 14))}</tspan>
      </text>
      ${row.lease && html`
        <rect x=${at(row.lease.from_ms)} y=${y + 8} width=${Math.max(0, end - at(row.lease.from_ms))} height="4" rx="2" fill="var(--calm-soft)" stroke="var(--calm)" stroke-width="1" />`}
      ${bars.map((bar) => {
        const [from, wide] = [at(bar.from), Math.max(3, at(bar.to) - at(bar.from))];
        const words = bar.name === "bytes" && span.bytes_out != null ? bytes(span.bytes_out) : duration(bar.to - bar.from);
        return html`
          <rect x=${from} y=${y} width=${wide} height="20" rx="3.5" fill=${`color-mix(in srgb, var(--${COLOURS[bar.name]}) 18%, var(--surface))`} stroke=${`var(--${COLOURS[bar.name]})`} stroke-width="1.3"><title>${`${say(`lane.${bar.name}`)} ${words}`}</title></rect>
          ${wide > words.length * LETTER + 10 && html`<text x=${from + 6} y=${y + 14.5}>${words}</text>`}`;
      })}
      ${isOver && html`<circle cx=${end} cy=${y + 10} r="5" fill=${`var(--${tone})`} stroke="var(--surface)" stroke-width="1.5"><title>${spanWords(span, service)}</title></circle>`}
      ${isNarrow
        ? html`<text x=${plot} y=${top + 13} text-anchor="end">${short(verdict, 24)}</text>`
        : html`<text x=${end + 11} y=${y + 15}><title>${spanWords(span, service)}</title>${short(verdict, Math.floor((plot + VERDICT - end - 16) / LETTER))}</text>`}
    </g>
  `;
}

/** How a span ended, in few words. @param {Span} span */
function wordsOf(span) {
  if (span.to_ms === null) return say("lane.under_way");
  if (span.kind !== "attempt") return wordFor("state", span.verdict);
  return span.verdict === "success" ? String(span.status || "") : `${span.status || ""} ${wordFor("verdict", span.verdict)}`.trim();
}

/** @param {string} text @param {number} most */
const short = (text, most) => (text.length > most ? `${text.slice(0, Math.max(1, most - 1))}…` : text);
