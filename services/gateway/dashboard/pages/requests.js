// Every request, the latest first, as they come; one of them opens its life and why it went so.
import { html, useEffect, useMemo, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { clock, duration, moment, number } from "../base/formats.js";
import { linkTo, openPage, refine, route } from "../base/route.js";
import { followLog } from "../base/stream.js";
import { say, wordFor } from "../base/words.js";
import { Empty, ErrorNote } from "../parts/cards.js";
import { Search, Select } from "../parts/fields.js";
import { atEnd, Grid, GridFoot } from "../parts/grid.js";
import { Main } from "../parts/shell.js";
import { State, typeColour } from "../parts/states.js";
import { Request } from "./request.js";

const PAGE = 200;
const ROWS_MAX = 20_000;
const REFRESH_MS = 1000;
const TYPES = "session_requested,lease_queued,lease_granted,lease_refused,lease_cancelled,lease_expired,usage_recorded,calls_refused,waits_ended";
const OUTCOMES = ["open", "waiting", "settled", "released", "unknown", "cancelled", "expired", "refused"];
const FILTERS = ["q", "outcome", "service_type", "key", "server", "session", "code", "model", "ended_since"];
const KINDS_SHOWN = 6;

export const Page = () => (route.value.id ? html`<${Request} id=${route.value.id} />` : html`<${List} />`);

/** The rows of a filter: the first page again whenever the log says so, further ones as one scrolls. @param {Record<string, string>} filter */
function useRequests(filter) {
  const state = useSignal(/** @type {{rows: any[], next: string | null, count: any, sequence: number, lag: number, error: any, filter: string}} */ ({ rows: [], next: null, count: null, sequence: 0, lag: 0, error: null, filter: "" }));
  const isPaused = useSignal(false);
  const isLive = useSignal(false);
  const name = JSON.stringify(filter);
  const work = useMemo(() => ({ busy: false, again: false, more: false, over: false, heard: 0 }), [name]);

  const refresh = async () => {
    if (work.busy) return void (work.again = true);
    work.busy = true;
    try {
      const page = await ask(withParameters("/api/requests", { ...filter, limit: PAGE, count: "true" }));
      if (work.over) return;
      const old = state.value.filter === name ? state.value : null;
      const fresh = new Set(page.data.map((/** @type {any} */ row) => row.request_id));
      const kept = old ? old.rows.filter((row) => !fresh.has(row.request_id)) : [];
      const joins = !old || page.next === null || old.rows.some((row) => fresh.has(row.request_id));
      const rows = joins ? [...page.data, ...kept].slice(0, ROWS_MAX) : page.data;
      // The figures may be behind the log, and behind what was heard: then they are not yet what is wanted.
      if (page.sequence < work.heard || page.lag > 0) work.again = true;
      state.value = { rows, next: joins && kept.length ? /** @type {any} */ (old).next : page.next, count: page.count ?? null, sequence: page.sequence, lag: page.lag, error: null, filter: name };
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
  const more = async () => {
    const { next, rows } = state.value;
    if (!next || work.more || rows.length >= ROWS_MAX || state.value.filter !== name) return;
    work.more = true;
    try {
      const page = await ask(withParameters("/api/requests", { ...filter, limit: PAGE, cursor: next }));
      if (work.over) return;
      const known = new Set(state.value.rows.map((row) => row.request_id));
      state.value = { ...state.value, rows: [...state.value.rows, ...page.data.filter((/** @type {any} */ row) => !known.has(row.request_id))], next: page.next };
    } catch (error) {
      if (!work.over) state.value = { ...state.value, error };
    }
    work.more = false;
  };
  useEffect(() => {
    refresh();
    return () => void (work.over = true);
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
  return { ...state.value, isFresh: state.value.filter === name, more, isPaused, isLive: isLive.value };
}

function List() {
  const { query } = route.value;
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]));
  const seen = useRequests(filter);
  const { isPaused } = seen;
  return html`
    <${Main} full title=${say("page.requests")} more=${html`
      <div class="true-at"><span class="state"><i class=${`dot ${isPaused.value ? "" : seen.isLive ? "good" : "warn"}`}></i>${say(isPaused.value ? "paused" : seen.isLive ? "live" : "connecting")}</span></div>
      <button aria-pressed=${isPaused.value} onClick=${() => (isPaused.value = !isPaused.value)}>${say(isPaused.value ? "go_on" : "pause")}</button>`}>
      <div class="filters">
        <${Search} value=${filter.q} label=${say("requests.search")} onValue=${(/** @type {string} */ q) => refine({ q })} />
        <${Select} value=${filter.outcome} label=${say("requests.any_outcome")} options=${OUTCOMES.map((name) => [name, wordFor("state", name)])} onValue=${(/** @type {string} */ outcome) => refine({ outcome })} />
        ${FILTERS.slice(2).filter((name) => filter[name]).map((name) => html`
          <button class="cut" style="max-width: 100%" onClick=${() => refine({ [name]: "" })} title=${say("filter_off", { name: say(`filter.${name}`) })}>${say(`filter.${name}`)}: ${name === "code" && filter.code === "any" ? say("requests.any_error") : name === "ended_since" ? clock(filter.ended_since) : filter[name]} ✕</button>`)}
      </div>
      <${ErrorNote} error=${seen.error} />
      ${seen.isFresh && seen.count?.counted.length > 0 && html`<${Counted} kinds=${seen.count.counted} />`}
      ${seen.isFresh && seen.rows.length === 0
        ? html`<div class="card"><${Empty} title=${say(seen.count?.calls ? "requests.only_counted" : "requests.none")}>${Object.values(filter).some(Boolean)
            ? html`<a href=${linkTo("requests")}>${say("filters_off")}</a>` : html`<a href=${linkTo("playground")}>${say("overview.make_call")}</a>`}<//></div>`
        : html`
          <${Grid} label=${say("page.requests")} rows=${seen.rows} busy=${!seen.isFresh} keyOf=${(/** @type {any} */ row) => row.request_id} need=${atEnd(seen.rows, seen.more)}
            onOpen=${(/** @type {any} */ row) => openPage("requests", {}, row.request_id)} columns=${columnsOf()} />`}
      <${GridFoot} count=${seen.rows.length} busy=${!seen.isFresh && !seen.error} more=${seen.next !== null} sequence=${seen.sequence} lag=${seen.lag}>
            ${seen.count && html`<span class="tab calls">${say("requests.in_all", { n: seen.count.calls, count: number(seen.count.calls) })}</span>`}<//>
    <//>
  `;
}

/** What has no row of its own: refused before a lease, and only counted in the log. @param {{kinds: any[]}} props */
const Counted = ({ kinds }) => html`
  <div class="note counted" style="margin-bottom: 12px"><b>${say("requests.counted")}</b>
    ${kinds.slice(0, KINDS_SHOWN).map((kind) => html`<div class="wrap"><span class="tab">${number(kind.calls)} × ${kind.status}</span> <code title=${wordFor("error", kind.code)}>${kind.code}</code>${" "}
      <a href=${linkTo("requests", { ...route.value.query, key: kind.key_id })}>${kind.key_name || kind.key_id}</a> <span class="quiet">${kind.service_type && wordFor("type", kind.service_type)} ${clock(kind.since)} – ${clock(kind.until)}</span></div>`)}
    ${kinds.length > KINDS_SHOWN && html`<div class="quiet">${say("and_more", { n: kinds.length - KINDS_SHOWN, count: number(kinds.length - KINDS_SHOWN) })}</div>`}
  </div>
`;

/** @returns {import("../parts/grid.js").Column<any>[]} */
const columnsOf = () => [
  { name: "at", label: say("at"), width: "108px", kind: "tab", cell: (row) => clock(row.at), title: (row) => moment(row.at) },
  { name: "outcome", label: say("state"), width: "110px", cell: (row) => html`<${State} state=${row.outcome} />` },
  { name: "status", label: say("answer"), width: "18%", least: 180, cell: (row) => html`<span class="tab">${row.status || "–"}</span>${row.code && html` <span class="mono" title=${wordFor("error", row.code)}>${row.code}</span> <span class="quiet">${row.message}</span>`}${row.count > 1 && html` <span class="tab">× ${number(row.count)}</span>`}`, title: (row) => row.message },
  { name: "type", label: say("service_type"), width: "100px", kind: "wide", cell: (row) => html`<span class="state"><i class="swatch" style=${`background: ${typeColour(row.service_type)}`}></i>${wordFor("type", row.service_type)}</span>` },
  { name: "model", label: say("model"), width: "118px", spare: true, kind: "wide", cell: (row) => row.model || "–", title: (row) => row.model },
  { name: "key", label: say("key"), least: 95, kind: "wide", cell: (row) => row.key_name || row.key_id, title: (row) => row.key_id },
  { name: "server", label: say("server"), least: 95, kind: "wide", cell: (row) => row.server_id || "–", title: (row) => row.server_id },
  { name: "session", label: say("session"), least: 130, kind: "wide", cell: (row) => row.session_label || row.session_id || "–", title: (row) => row.session_id },
  { name: "attempts", label: say("attempts"), width: "62px", spare: true, kind: "num wide", cell: (row) => row.attempts },
  { name: "waited", label: say("waited"), width: "82px", spare: true, kind: "num wide", cell: (row) => duration(row.waited_ms) },
  { name: "latency", label: say("latency"), width: "86px", kind: "num wide", cell: (row) => duration(row.latency_ms), title: () => say("latency.says") },
];
