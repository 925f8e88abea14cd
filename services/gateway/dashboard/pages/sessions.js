// Every session, however many: state and why, what it has left, when it was used; one or many at once.
import { html, h, useMemo, useSignal } from "../base/html.js";
import { ago, duration, moment, number } from "../base/formats.js";
import { now } from "../base/poll.js";
import { closePage, linkTo, openPage, refine, route } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say, wordFor } from "../base/words.js";
import { Empty, ErrorNote, ReadOnly } from "../parts/cards.js";
import { Search, Select } from "../parts/fields.js";
import { Grid, GridFoot } from "../parts/grid.js";
import { QuotaBar } from "../parts/quotabar.js";
import { Main } from "../parts/shell.js";
import { reasonOf, State } from "../parts/states.js";
import { AddSessions } from "./sessionadding.js";
import { useSessionList } from "./sessionlist.js";
import { ManySessions } from "./sessionmany.js";
import { Session } from "./session.js";

const STATES = ["active", "cooling", "suspect", "draining", "disabled", "retired"];

export function Page() {
  const { query, id } = route.value;
  const filter = { q: query.q ?? "", status: query.state ?? "", service_type: query.service_type ?? "", sort: query.sort ?? "" };
  const seen = useSessionList(filter);
  const picked = useSignal(/** @type {Set<string>} */ (new Set()));
  const isFiltered = Boolean(filter.q || filter.status || filter.service_type);
  const there = useMemo(() => seen.rows.filter(Boolean), [seen.rows]);
  const types = Object.keys(there[0]?.limits ?? {}).filter((type) => there.some((row) => row.limits[type]));
  const opened = id || query.session;
  return html`
    <${Main} full title=${say("page.sessions")} more=${mayChange() ? html`<button class="main-action" onClick=${() => refine({ add: 1 })}>${say("sessions.add")}</button>` : html`<${ReadOnly} />`}>
      <div class="filters">
        <${Search} value=${filter.q} label=${say("sessions.search")} onValue=${(/** @type {string} */ q) => refine({ q })} />
        <${Select} value=${filter.status} label=${say("any_state")} options=${STATES.map((name) => [name, wordFor("state", name)])} onValue=${(/** @type {string} */ state) => refine({ state })} />
        <${Select} value=${filter.service_type} label=${say("any_type")} options=${types.map((name) => [name, wordFor("type", name)])} onValue=${(/** @type {string} */ service_type) => refine({ service_type })} />
      </div>
      ${picked.value.size > 0 && html`<${ManySessions} key=${JSON.stringify(filter)} picked=${picked} rows=${there} filter=${filter} onDone=${seen.refresh} />`}
      <${ErrorNote} error=${seen.error} again=${seen.refresh} />
      ${seen.isFresh && seen.length === 0
        ? html`<div class="card"><${Empty} title=${say(isFiltered ? "sessions.none_fits" : "overview.no_sessions")}>${isFiltered
            ? html`<a href=${linkTo("sessions")}>${say("filters_off")}</a>`
            : html`${mayChange() && html`<a href=${linkTo("sessions", { add: 1 })}>${say("sessions.add")}</a> · `}${say("sessions.or_provisioner")}`}<//></div>`
        : html`
          <${Grid} label=${say("page.sessions")} rows=${seen.rows} busy=${!seen.isFresh} keyOf=${(/** @type {any} */ row) => row.session_id} need=${seen.need}
            picked=${mayChange() ? picked.value : undefined} onPick=${(/** @type {Set<string>} */ set) => (picked.value = set)}
            order=${filter.sort} onOrder=${(/** @type {string} */ sort) => refine({ sort })}
            onOpen=${(/** @type {any} */ row) => openPage("sessions", { ...query, session: row.session_id })} columns=${columnsOf(types)} />
          <${GridFoot} count=${seen.length} busy=${!seen.isFresh && !seen.error} sequence=${seen.sequence} />`}
      ${query.add && mayChange() && html`<${AddSessions} onClose=${() => refine({ add: "" })} onDone=${seen.refresh} />`}
      ${opened && html`<${Session} key=${opened} id=${opened} onClose=${() => closePage("sessions", { ...query, session: "" })} onDone=${seen.refresh} />`}
    <//>
  `;
}

/** Units of one service type, as a bar and how many are left. @param {{row: any, type: string}} props */
const Left = ({ row, type }) => {
  const quota = { service_type: type, used: row.used[type] ?? 0, reserved: row.reserved[type] ?? 0, remaining: row.remaining[type] ?? 0, limit: row.limits[type] ?? 0 };
  return html`<div class="row" style="flex-wrap: nowrap; gap: 8px"><div class="grow">${h(QuotaBar, { quota, thin: true })}</div><span class="num" style="min-width: 24px">${number(quota.remaining)}</span></div>`;
};

/** @param {string[]} types @returns {import("../parts/grid.js").Column<any>[]} */
const columnsOf = (types) => [
  { name: "id", label: say("session"), least: 300, sort: true, cell: (row) => html`<span class="strong">${row.label || row.session_id}</span>`, title: (row) => `${row.label ?? ""} ${row.session_id}` },
  { name: "status", label: say("state"), width: "212px", narrow: "34%", sort: true, cell: (row) => html`<${State} state=${row.status} /> <span class="quiet">${row.cooling_s > 0 ? duration(row.cooling_s * 1000) : ""} ${reasonOf(row)}</span>`, title: reasonOf },
  ...types.map((type) => ({ name: type, label: say("left_of_type", { type: wordFor("type", type) }), width: "118px", spare: true, kind: "wide", cell: (/** @type {any} */ row) => html`<${Left} row=${row} type=${type} />` })),
  { name: "resets", label: say("resets_in"), width: "132px", spare: true, kind: "num wide", cell: (row) => duration(Math.round(row.resets_in_s) * 1000), title: (row) => row.quota_day },
  { name: "open_leases", label: say("in_flight"), width: "92px", spare: true, kind: "num wide", sort: true, cell: (row) => number(row.open_leases ?? 0) },
  { name: "last_used", label: say("last_used"), width: "142px", kind: "num wide", sort: true, cell: (row) => ago(row.last_used_at, now.value), title: (row) => moment(row.last_used_at) },
];
