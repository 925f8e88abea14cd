// Every request, the latest first, as they come; one of them opens its life and why it went so.
import { html } from "../base/html.js";
import { clock, duration, moment, number } from "../base/formats.js";
import { linkTo, openPage, refine, route } from "../base/route.js";
import { say, wordFor } from "../base/words.js";
import { Empty, ErrorNote } from "../parts/cards.js";
import { Search, Select } from "../parts/fields.js";
import { Grid, GridFoot } from "../parts/grid.js";
import { Main } from "../parts/shell.js";
import { State, typeColour } from "../parts/states.js";
import { Request } from "./request.js";
import { ROWS_MAX, useRequests } from "./requestlist.js";

const OUTCOMES = ["open", "waiting", "settled", "released", "unknown", "cancelled", "expired", "refused"];
const FILTERS = ["q", "outcome", "service_type", "key", "server", "session", "code", "model", "ended_since"];
const KINDS_SHOWN = 6;

export const Page = () => (route.value.id ? html`<${Request} id=${route.value.id} />` : html`<${List} />`);

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
          <${Grid} label=${say("page.requests")} rows=${seen.rows} busy=${!seen.isFresh} keyOf=${(/** @type {any} */ row) => row.request_id} need=${seen.need}
            onOpen=${(/** @type {any} */ row) => openPage("requests", {}, row.request_id)} columns=${columnsOf()} />`}
      <${GridFoot} count=${seen.rows.length} busy=${!seen.isFresh && !seen.error} sequence=${seen.sequence} lag=${seen.lag}>
            ${seen.count && html`<span class="tab calls">${say("requests.in_all", { n: seen.count.calls, count: number(seen.count.calls) })}</span>`}${seen.rows.length >= ROWS_MAX && html`<span>${say("requests.reach", { count: number(ROWS_MAX) })}</span>`}<//>
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
