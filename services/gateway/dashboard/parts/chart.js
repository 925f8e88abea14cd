// Lines over time, by uPlot, drawn anew when theme or width change.
import { html, signal, useEffect, useRef, useSignal } from "../base/html.js";
import { colour, theme } from "../base/look.js";
import { language } from "../base/words.js";

/** To either side of a point that has no other. */
const ALONE_S = 43_200;

/** @typedef {{label: string, colour: string, values: (number | null)[], fill?: boolean, bars?: boolean}} Line */

/**
 * `times` in seconds; `write` makes words of a value; the legend tells what is under the pointer.
 * @param {{times: number[], lines: Line[], write: (value: number | null) => string, title: string, height?: number, days?: boolean}} props
 */
export function Chart({ times, lines, write, title, height = 190, days = false }) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const under = useSignal(/** @type {number | null} */ (null));
  const drawn = /** @type {any} */ ([times, ...lines.map((line) => line.values)]);
  // Of a single value a line would be a dot.
  const isBars = lines.length === 1 && lines[0].values.filter((value) => value != null).length < 2;
  const shape = `${theme.value} ${language.value} ${lines.map((line) => line.label).join()} ${height} ${days} ${isBars} ${times.length === 1}`;

  useEffect(() => {
    let over = false;
    /** @type {ResizeObserver | undefined} */
    let watching;
    import("uplot").then(({ default: Plot }) => {
      if (over || !host.current) return;
      plot.current = new Plot(optionsOf(host.current.clientWidth, height, isBars ? lines.map((line) => ({ ...line, bars: true })) : lines, write, under, Plot, days, times), drawn, host.current);
      watching = new ResizeObserver(() => {
        if (host.current) plot.current.setSize({ width: host.current.clientWidth, height });
      });
      watching.observe(host.current);
    });
    return () => {
      over = true;
      watching?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(drawn), [JSON.stringify(drawn)]);

  return html`
    <section class="card">
      <header><h2>${title}</h2><div class="legend">
        ${lines.map((line) => html`
          <span><i style=${`background: var(--${line.colour})`}></i>${line.label}
            ${under.value !== null && html`<b class="tab">${write(line.values[under.value] ?? null)}</b>`}</span>
        `)}
      </div></header>
      <div class="chart" ref=${host} role="img" aria-label=${title} style=${`height: ${height}px`}></div>
    </section>
  `;
}

/** @returns {any} @param {number} width @param {number} height @param {Line[]} lines @param {(value: number | null) => string} write @param {ReturnType<typeof signal>} under @param {any} Plot @param {boolean} days @param {number[]} times */
function optionsOf(width, height, lines, write, under, Plot, days, times) {
  // Of an only instant, and around a bar, there is room to either side.
  const room = times.length === 1 ? ALONE_S : lines.some((line) => line.bars) ? (times[1] - times[0]) / 2 : 0;

  const grid = { stroke: colour("line"), width: 1 };
  const axis = { stroke: colour("muted"), grid, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (/** @type {any} */ _, /** @type {number} */ first, /** @type {number} */ last) => (times.length === 1 ? [first - room, first + room] : [first - room, last + room]) }, y: { range: (/** @type {any} */ _, /** @type {number} */ _low, /** @type {number} */ high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: [
      { ...axis, space: 70, size: 28, incrs: days ? [86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400] : [60, 300, 600, 900, 1800, 3600, 6 * 3600, 12 * 3600, 86_400], values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((s) => tick(s, days)) },
      { ...axis, size: 56, space: 34, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(write) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: colour(line.colour),
        width: line.bars ? 0 : 1.6,
        fill: line.bars ? colour(line.colour) : line.fill ? `${colour(line.colour)}22` : undefined,
        points: { show: false, size: 7, filter: (/** @type {any} */ plot, /** @type {number} */ place) => (line.bars ? [] : alone(plot.data[place])) },
        paths: line.bars ? Plot.paths.bars({ size: [0.7, 40], radius: 0.15 }) : undefined,
      })),
    ],
    hooks: { setCursor: [(/** @type {any} */ chart) => (under.value = chart.cursor.idx ?? null)] },
  };
}

/** Places of values without a neighbour, of which a line would show nothing. @param {(number | null)[]} values */
const alone = (values) =>
  values.flatMap((value, place) => (value != null && values[place - 1] == null && values[place + 1] == null ? [place] : []));

/** @param {number} seconds @param {boolean} days */
function tick(seconds, days) {
  const at = new Date(seconds * 1000);
  const locale = language.value === "zh" ? "zh-CN" : "en-GB";
  return days
    ? at.toLocaleDateString(locale, { day: "numeric", month: "short", timeZone: "UTC" })
    : at.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

/** A line without axes, as wide as a word. @param {{values: (number | null)[], label: string, width?: number, height?: number}} props */
export function Sparkline({ values, label, width = 110, height = 22 }) {
  const there = values.filter((value) => value !== null);
  if (there.length === 1) {
    const at = (values.findIndex((value) => value !== null) / Math.max(1, values.length - 1)) * (width - 4) + 2;
    return html`<svg class="spark" width=${width} height=${height} role="img" aria-label=${label}><circle cx=${at.toFixed(1)} cy=${height / 2} r="2" fill="var(--work)" /></svg>`;
  }
  if (there.length < 1) return html`<span class="quiet">–</span>`;
  const high = Math.max(.../** @type {number[]} */ (there)) || 1;
  const points = values
    .map((value, place) => (value === null ? "" : `${((place / (values.length - 1)) * width).toFixed(1)},${(height - 2 - (value / high) * (height - 4)).toFixed(1)}`))
    .filter(Boolean)
    .join(" ");
  return html`
    <svg class="spark" width=${width} height=${height} role="img" aria-label=${label}>
      <polyline points=${points} fill="none" stroke="var(--work)" stroke-width="1.5" stroke-linejoin="round" />
    </svg>
  `;
}
