// Any measures by any dimensions, beside the time before; and units against limits, day by day.
import { html, h, useSignal } from "../base/html.js";
import { downloadFile, withParameters } from "../base/api.js";
import { clock, day, duration, figure, number, percent } from "../base/formats.js";
import { useAction, usePolled } from "../base/poll.js";
import { refine, route } from "../base/route.js";
import { say, wordFor } from "../base/words.js";
import { Answer, Card, Empty, ErrorNote } from "../parts/cards.js";
import { Chart } from "../parts/chart.js";
import { Select } from "../parts/fields.js";
import { HeatMap } from "../parts/heatmap.js";
import { Main } from "../parts/shell.js";
import { TrueAt } from "../parts/trueat.js";

const SPANS = [1, 7, 14, 30, 90];
const FORMATS = ["csv", "xlsx", "json", "ndjson", "parquet"];
const COLOURS = ["work", "type-2", "type-3", "type-4", "type-5"];
const named = (/** @type {string} */ names) => names.split(" ").map((name) => ({ name, meaning: "" }));
/** What one most asks for, until the API has said what there is. */
const MEASURES = named("calls calls_failed call_failure_rate requests refused units_used units_unknown latency_p50_ms latency_p95_ms attempts attempts_failed active_sessions");
const DIMENSIONS = named("day hour service model server region key outcome error");
/** Dimensions whose values are words of ours. @type {Record<string, string>} */
const KINDS = { service: "type", outcome: "state", verdict: "verdict", strategy: "strategy" };
const ROWS_MAX = 500;
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
const LINES_MAX = 5;

/** @param {string} measure @param {any} value */
export function written(measure, value) {
  if (typeof value !== "number") return value === null ? "–" : String(value);
  if (/_rate(_before)?$/.test(measure)) return percent(value);
  if (/_ms(_before)?$/.test(measure)) return duration(value);
  return Number.isInteger(value) ? number(value) : figure(value);
}

/** A measure or a dimension, or what one was before, in the reader's language. @param {string} name */
export function measureWord(name) {
  const before = /^(.+)_before$/.exec(name);
  return before ? say("usage.before_of", { name: wordFor("measure", before[1]) }) : wordFor("measure", name);
}

export function Page() {
  const { query } = route.value;
  const days = Number(query.days ?? 7);
  const measures = (query.measures ?? "calls,units_used,call_failure_rate").split(",").filter(Boolean);
  const dimensions = (query.by ?? "day").split(",").filter(Boolean);
  const isCompared = query.before === "1";
  const until = dayText(0);
  const since = dayText(days - 1);
  const asked = { measures, dimensions, from: since, to: until, filter: query.filter ?? "", compare: isCompared ? "before" : "" };
  const words = usePolled("/api/stats/words", 0);
  const polled = usePolled(withParameters("/api/stats/query", { ...asked, limit: ROWS_MAX }), 30);
  const heat = usePolled(withParameters("/api/stats/limits", { from: dayText(29), to: until }), 60);
  return html`
    <${Main} title=${say("page.usage")} more=${html`<${Take} asked=${asked} />`}>
      <div class="stack">
        <${Choice} words=${words.value} measures=${measures} dimensions=${dimensions} days=${days} isCompared=${isCompared} />
        <${Answer} polled=${polled}>${(/** @type {any} */ table) => table.rows.length === 0
          ? html`<${Card}><${Empty} title=${say("usage.none")}>${say("usage.none_more")}<//><//>`
          : html`<${Lines} table=${table} measures=${measures} dimensions=${dimensions} since=${since} until=${until} />
              <${Rows} table=${table} />`}<//>
        ${heat.error?.status !== 404 && html`<${Card} title=${say("usage.heat")} more=${html`<span class="quiet">${say("usage.heat_days")}</span> <${TrueAt} of=${{ analytics: heat.value?.sequence }} lag=${heat.value?.lag} />`}>
          <${Answer} polled=${heat}>${(/** @type {any} */ found) => html`<${HeatMap} cells=${found.data} />`}<//>
        <//>`}
      </div>
    <//>
  `;
}

/** The quota day so many days ago; the viewer's day stands for the pool's until that has answered. @param {number} ago */
const dayText = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);

/** Which figures, by what, since when. @param {{words: any, measures: string[], dimensions: string[], days: number, isCompared: boolean}} props */
function Choice({ words, measures, dimensions, days, isCompared }) {
  const options = (/** @type {{name: string, meaning: string}[]} */ list) => list.map(({ name }) => /** @type {[string, any]} */ ([name, measureWord(name)]));
  const without = (/** @type {string[]} */ list, /** @type {string} */ name) => list.filter((one) => one !== name).join(",");
  const chosen = (/** @type {string[]} */ list, /** @type {string} */ field) => list.map((name) => html`
    <button title=${say("filter_off", { name: measureWord(name) })} disabled=${field === "measures" && list.length === 1} onClick=${() => refine({ [field]: without(list, name) })}>${measureWord(name)}${field === "measures" && list.length === 1 ? "" : " ✕"}</button>`);
  return html`
    <${Card}>
      <div class="stack" style="gap: 10px">
        <div class="row"><span class="quiet">${say("usage.show")}</span>${chosen(measures, "measures")}
          <${Select} value="" label=${say("usage.measure")} options=${options(words?.measures ?? MEASURES)} onValue=${(/** @type {string} */ name) => name && refine({ measures: [...new Set([...measures, name])].join(",") })} /></div>
        <div class="row"><span class="quiet">${say("usage.by")}</span>${chosen(dimensions, "by")}
          <${Select} value="" label=${say("usage.dimension")} options=${options(words?.dimensions ?? DIMENSIONS)} onValue=${(/** @type {string} */ name) => name && refine({ by: [...new Set([...dimensions, name])].join(",") })} /></div>
        <div class="row">${SPANS.map((n) => html`<button aria-pressed=${n === days} onClick=${() => refine({ days: n })}>${n === 1 ? say("usage.today") : say("usage.days", { count: n })}</button>`)}
          <button aria-pressed=${isCompared} onClick=${() => refine({ before: isCompared ? "" : 1 })}>${say("usage.compare")}</button></div>
      </div>
    <//>
  `;
}

/** Lines over time, where the first dimension is time: one a measure, or one a value of the second dimension. @param {{table: any, measures: string[], dimensions: string[], since: string, until: string}} props */
function Lines({ table, measures, dimensions, since, until }) {
  const [time, second] = dimensions;
  if ((time !== "day" && time !== "hour") || dimensions.length > 2) return null;
  const at = (/** @type {any[]} */ row) => Date.parse(time === "day" ? `${row[0]}T00:00:00Z` : /[zZ]$/.test(row[0]) ? row[0] : `${row[0]}Z`) / 1000;
  const rows = table.rows.filter((/** @type {any[]} */ row) => row[0] !== null);
  const seen = [...new Set(rows.map(at))].sort((/** @type {any} */ a, /** @type {any} */ b) => a - b);
  const times = time === "day" ? wholeTime(Date.parse(since) / 1000, Date.parse(until) / 1000, DAY_S) : wholeTime(seen[0], seen.at(-1) ?? 0, HOUR_S);
  const charts = measures.map((measure) => {
    const lines = seriesOf(table, measure, second ? 1 : -1, rows, times, at);
    return h(Chart, { key: measure, times: /** @type {number[]} */ (times), lines, days: time === "day", write: (value) => written(measure, value), title: measureWord(measure) });
  });
  return html`<div class="columns">${charts}</div>`;
}

/** Of what is counted nothing is none; a share or a time of nothing is not known. @param {string} measure */
const isCounted = (measure) => !/_(rate|ms)$/.test(measure);

/** Every day or hour from the first to the last. @param {number} first @param {number} last @param {number} step @returns {number[]} */
const wholeTime = (first, last, step) => Array.from({ length: Math.max(1, Math.round((last - first) / step) + 1) }, (_, place) => first + place * step);

/** @param {any} table @param {string} measure @param {number} by @param {any[][]} rows @param {any[]} times @param {(row: any[]) => number} at */
function seriesOf(table, measure, by, rows, times, at) {
  const names = by < 0 ? [null] : [...new Set(rows.map((row) => row[by]))].slice(0, LINES_MAX);
  const columns = [measure, `${measure}_before`].filter((name) => table.columns.includes(name));
  return names.flatMap((name, place) =>
    columns.map((column, turn) => {
      const where = table.columns.indexOf(column);
      const values = new Map(rows.filter((row) => by < 0 || row[by] === name).map((row) => [at(row), row[where]]));
      const label = [name ?? (by < 0 ? "" : "–"), turn ? say("usage.before") : by < 0 ? say("usage.now") : ""].filter((one) => one !== "").join(" ");
      return { label, colour: turn ? "calm" : COLOURS[place], fill: by < 0 && !turn, values: times.map((one) => values.get(one) ?? (isCounted(measure) ? 0 : null)) };
    }),
  );
}

/** @param {{table: any}} props */
const Rows = ({ table }) => html`
  <${Card} title=${say("usage.table")} more=${html`<${TrueAt} of=${{ analytics: table.sequence }} lag=${table.lag} />`}>
    <div class="scroll" style="max-height: 460px; overflow: auto" tabindex="0" role="region" aria-label=${say("usage.table")}><table>
      <thead><tr>${table.columns.map((/** @type {string} */ name, /** @type {number} */ place) => html`<th scope="col" class=${typeof table.rows[0][place] === "number" ? "num" : ""}>${measureWord(name)}</th>`)}</tr></thead>
      <tbody>${table.rows.map((/** @type {any[]} */ row) => html`<tr>${row.map((value, place) => html`<td class=${typeof value === "number" ? "num" : ""}>${cellOf(table.columns[place], value)}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${table.truncated && html`<p class="quiet small">${say("usage.cut", { count: number(table.rows.length) })}</p>`}
  <//>
`;

/** @param {string} column @param {any} value */
function cellOf(column, value) {
  if (column === "day") return day(value);
  if (column === "hour") return clock(value);
  if (value === "") return "–";
  const kind = KINDS[column];
  return kind && typeof value === "string" ? wordFor(kind, value) : written(column, value);
}

/** The same as a file, and the reports. @param {{asked: any}} props */
function Take({ asked }) {
  const action = useAction();
  const format = useSignal("csv");
  const take = () => action.run(() => downloadFile(withParameters("/api/stats/export", { ...asked, format: format.value }), `tidegate.${format.value}`));
  const report = (/** @type {string} */ period) => () => action.run(() => downloadFile(withParameters(`/api/reports/${period}`, { format: "html" }), `tidegate-${period}.html`));
  return html`
    <div class="row">
      <select aria-label=${say("usage.format")} value=${format.value} onChange=${(/** @type {any} */ event) => (format.value = event.currentTarget.value)}>${FORMATS.map((name) => html`<option value=${name}>${name}</option>`)}</select>
      <button disabled=${action.busy} onClick=${take}>${say("usage.export")}</button>
      <button class="wide" disabled=${action.busy} onClick=${report("daily")}>${say("usage.daily")}</button>
      <button class="wide" disabled=${action.busy} onClick=${report("weekly")}>${say("usage.weekly")}</button>
    </div>
    <${ErrorNote} error=${action.error} />
  `;
}
