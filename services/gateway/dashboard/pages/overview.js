// What is left, until when, who is unwell, and what went wrong last: one question every five seconds.
import { html, h } from "../base/html.js";
import { clock, day, duration, figure, hour, moment, number, percent } from "../base/formats.js";
import { now, usePolled } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { isSaid, say, wordFor } from "../base/words.js";
import { Answer, Card, Empty, withCode } from "../parts/cards.js";
import { Chart, Sparkline } from "../parts/chart.js";
import { QuotaBar } from "../parts/quotabar.js";
import { Main } from "../parts/shell.js";
import { Chip, State, toneOf, typeColour } from "../parts/states.js";
import { sequencesOf } from "../parts/trueat.js";
import { whyOf } from "../parts/whys.js";

const EVERY_S = 5;
const HOUR_MS = 3_600_000;

export function Page() {
  const polled = usePolled("/api/overview", EVERY_S);
  const seen = polled.value;
  return html`
    <${Main} title=${say("page.overview")} more=${seen && html`<${Head} seen=${seen} error=${polled.error} />`}>
      <${Answer} polled=${polled}>${(/** @type {any} */ value) => html`<${Whole} seen=${value} at=${polled.at} />`}<//>
    <//>
  `;
}

/** Up to where the figures are true. @param {{seen: any, error: any}} props */
const Head = ({ seen, error }) => html`
  <div class="true-at">
    <span class="state"><i class=${`dot ${error ? "bad" : seen.silent.length ? "warn" : "good"}`}></i>${error ? say("stale") : say("live")}</span>
    <span class="tab sequence" title=${moment(seen.at)}>${sequencesOf(seen.sequences, seen.lag)}</span>
    ${seen.quota_day && html`<span class="wide">${say("overview.quota_day", { day: day(seen.quota_day), zone: seen.quota_timezone })}</span>`}
  </div>
`;

/** @param {{seen: any, at: number}} props */
function Whole({ seen, at }) {
  return html`
    <div class="stack">
      ${seen.silent.map((/** @type {any} */ one) => html`<div class="note warn" role="alert">${say("overview.silent", { service: wordFor("service", one.service) })} ${one.reason}</div>`)}
      ${seen.units && html`<div class="columns three">${seen.units.map((/** @type {any} */ units) => html`<${Units} units=${units} at=${at} />`)}</div>`}
      <${Figures} seen=${seen} />
      ${seen.calls && html`<${Charts} calls=${seen.calls} now=${seen.at} />`}
      <div class="columns">
        <${Attention} found=${seen.attention} />
        ${seen.sessions && html`<${Sessions} sessions=${seen.sessions} />`}
      </div>
      <div class="columns">
        ${seen.servers && html`<${Servers} servers=${seen.servers} />`}
        ${seen.errors && html`<${Errors} errors=${seen.errors} />`}
      </div>
    </div>
  `;
}

/** What is left of a service type, and until when. @param {{units: any, at: number}} props */
function Units({ units, at }) {
  const left_s = Math.max(0, units.resets_in_s - (now.value - at) / 1000);
  const isLow = units.limit > 0 && units.remaining < units.limit * 0.1;
  return html`
    <section class="card quota">
      <header>
        <h2 class="state"><i class="swatch" style=${`background: ${typeColour(units.service_type)}`}></i>${wordFor("type", units.service_type)}</h2>
        <span class="quiet tab">${say("overview.resets", { long: duration(Math.round(left_s) * 1000), at: hour(units.resets_at) })}</span>
      </header>
      <div class="line">
        <span class="big">${number(units.remaining)}</span><span class="quiet">${say("overview.left_of", { limit: number(units.limit) })}</span>
        ${isLow && html`<${Chip} state=${units.remaining ? "note" : "wrong"}>${units.remaining ? say("overview.low") : say("overview.used_up")}<//>`}
      </div>
      ${h(QuotaBar, { quota: units })}
      <div class="parts">
        <span><b>${number(units.used)}</b> ${say("units.used")}</span>
        <span><b>${number(units.reserved)}</b> ${say("units.reserved")}</span>
      </div>
    </section>
  `;
}

/** @param {{seen: any}} props */
function Figures({ seen }) {
  const { calls, queue, in_doubt: doubt } = seen;
  const minute = calls?.minute ?? {};
  const hour = calls?.hour ?? {};
  const ended_since = new Date(Date.parse(seen.at) - HOUR_MS).toISOString();
  return html`
    <nav class="card figures" aria-label=${say("overview.figures")}>
      <${Figure} to=${linkTo("requests", { ended_since })} label=${say("overview.calls")} value=${figure(minute.per_s)} unit="/s" beside=${say("overview.calls_hour", { n: hour.calls ?? 0, count: number(hour.calls) })} />
      <${Figure} to=${linkTo("requests", { code: "any", ended_since })} label=${say("overview.failures")} value=${percent(hour.failure_rate)} bad=${hour.failure_rate > 0.02} beside=${say("overview.failed_hour", { n: hour.failed ?? 0, count: number(hour.failed) })} />
      <${Figure} to=${linkTo("usage")} label=${say("overview.latency")} value=${duration(hour.latency_p50_ms)} beside=${say("overview.high", { long: duration(hour.latency_p95_ms) })} />
      <${Figure} to=${linkTo("requests", { outcome: "waiting" })} label=${say("overview.waiting")} value=${number(queue?.waiting)} beside=${say("overview.waiting_for")} />
      <${Figure} to=${linkTo("requests", { outcome: "open" })} label=${say("overview.in_flight")} value=${number(queue?.open_leases)} beside=${say("overview.leases")} />
      <${Figure} to=${linkTo("requests", { outcome: "unknown" })} label=${say("overview.doubt")} value=${number(doubt?.units)} bad=${doubt?.units > 0} beside=${doubt?.since ? say("overview.oldest", { long: duration(Math.max(1000, now.value - Date.parse(doubt.since))) }) : say("overview.no_doubt")} />
    </nav>
  `;
}

/** A number, and the list that it counts. @param {{to: string, label: string, value: string, unit?: string, beside: string, bad?: boolean}} props */
const Figure = ({ to, label, value, unit = "", beside, bad = false }) => html`
  <a href=${to} class=${bad ? "bad" : ""}>
    <div class="label">${label}</div>
    <div class="value">${value}${unit && value !== "–" && html`<small> ${unit}</small>`}</div>
    <div class="beside cut" title=${beside}>${beside}</div>
  </a>
`;

/** The last sixty minutes, those without calls too. @param {any[]} there @param {string} now */
function wholeHour(there, now) {
  const known = new Map(there.map((one) => [Date.parse(one.at), one]));
  const last = Math.max(Math.floor(Date.parse(now) / 60_000) * 60_000, ...known.keys());
  return Array.from({ length: 60 }, (_, place) => {
    const at = last - (59 - place) * 60_000;
    return known.get(at) ?? { at: new Date(at).toISOString(), calls: 0, failed: 0 };
  });
}

/** @param {{calls: any, now: string}} props */
function Charts({ calls, now }) {
  const minutes = wholeHour(calls.by_minute, now);
  if (!calls.by_minute.length) {
    return html`<${Card} title=${say("overview.calls_chart")}><${Empty} title=${say("overview.no_calls")}><a href=${linkTo("playground")}>${say("overview.make_call")}</a><//><//>`;
  }
  const times = minutes.map((/** @type {any} */ one) => Date.parse(one.at) / 1000);
  const of = (/** @type {(one: any) => number | null} */ pick) => minutes.map((/** @type {any} */ one) => pick(one));
  const calls_lines = [
    { label: say("overview.answered"), colour: "work", values: of((one) => one.calls - one.failed), fill: true },
    { label: say("overview.failed"), colour: "bad", values: of((one) => one.failed) },
  ];
  const hasLatency = minutes.some((/** @type {any} */ one) => one.latency_p50_ms != null);
  const latency_lines = [
    { label: say("overview.median"), colour: "work", values: of((one) => one.latency_p50_ms ?? null) },
    { label: say("overview.high_label"), colour: "type-2", values: of((one) => one.latency_p95_ms ?? null) },
  ];
  return html`
    <div class="columns">
      ${h(Chart, { times, lines: calls_lines, write: (value) => number(value), title: say("overview.calls_chart") })}
      ${hasLatency && h(Chart, { times, lines: latency_lines, write: duration, title: say("overview.latency_chart") })}
    </div>
  `;
}

/** What is the matter in the reader's language by its code, the API's message beside it, and what to do. @param {{found: any[]}} props */
const Attention = ({ found }) => html`
  <${Card} title=${say("overview.attention")} more=${html`<span class="quiet">tidegate doctor</span>`}>
    ${found.length === 0
      ? html`<${Empty} title=${say("overview.all_well")}>${say("overview.all_well_more")}<//>`
      : html`<ul class="attention">${found.map((one) => html`
          <li><${Chip} state=${one.state} />
            <div class="wrap"><strong>${wordFor("finding", one.code)}</strong>
              <div>${withCode(one.message)}</div><div class="quiet small">${withCode(isSaid(`cure.${one.code}`) ? wordFor("cure", one.code) : one.cure)}</div></div>
          </li>`)}</ul>`}
  <//>
`;

/** @param {{sessions: any}} props */
const Sessions = ({ sessions }) => html`
  <${Card} title=${say("page.sessions")} more=${html`<a href=${linkTo("sessions")}>${say("in_all", { n: sessions.total, count: number(sessions.total) })}</a>`}>
    ${sessions.total === 0
      ? html`<${Empty} title=${say("overview.no_sessions")}>${mayChange() && html`<a href=${linkTo("sessions", { add: 1 })}>${say("sessions.add")}</a>`}<//>`
      : html`<${Tally} page="sessions" states=${sessions.states} />`}
  <//>
`;

/** How many there are in each state, as parts and in words. @param {{page: string, states: {state: string, count: number, words?: string}[]}} props */
const Tally = ({ page, states: all }) => {
  const states = all.filter((one) => one.count > 0);
  return html`
  <div class="tally" role="img" aria-label=${states.map((one) => `${wordFor("state", one.state)} ${one.count}`).join(", ")}>
    ${states.map((one) => html`<i class=${toneOf(one.state)} style=${`flex: ${one.count}`}></i>`)}
  </div>
  <ul class="states">${states.map((one) => html`
    <li><a href=${linkTo(page, { state: one.state })}><${State} state=${one.state} /></a><b class="tab">${number(one.count)}</b></li>
  `)}</ul>`;
};

/** @param {{servers: any}} props */
function Servers({ servers }) {
  const title = html`<a href=${linkTo("servers")}>${servers.strategy ? wordFor("strategy", servers.strategy) : say("in_all", { n: servers.total, count: number(servers.total) })}</a>`;
  const more = servers.total - servers.listed.length;
  return html`
    <${Card} title=${say("page.servers")} more=${title}>
      ${servers.total === 0
        ? html`<${Empty} title=${say("overview.no_servers")}>${mayChange() && html`<a href=${linkTo("servers", { add: 1 })}>${say("servers.add")}</a>`}<//>`
        : html`<${ServerTable} list=${servers.listed} />`}
      ${more > 0 && html`<p class="small"><a href=${linkTo("servers")}>${say("overview.more", { count: number(more) })}</a></p>`}
    <//>
  `;
}

/** Those that are unwell stand first, with why below them. @param {{list: any[]}} props */
const ServerTable = ({ list }) => html`
  <table class="plain"><thead><tr>
    <th scope="col">${say("server")}</th><th scope="col" style="width: 92px">${say("state")}</th>
    <th scope="col" class="num" style="width: 78px">${say("in_flight")}</th>
    <th scope="col" class="num" style="width: 70px">${say("overview.median")}</th>
    <th scope="col" class="wide roomy" style="width: 122px">${say("servers.last_hour")}</th>
    <th scope="col" class="num wide" style="width: 62px">${say("share")}</th>
  </tr></thead><tbody>
    ${list.map((one) => html`<tr key=${one.id}>
      <td class="cut" title=${one.id}><a class="strong" href=${linkTo("servers", {}, one.id)}>${one.id}</a> <span class="quiet">${one.region}</span></td>
      <td class="cut" title=${whyOf(one)}><${State} state=${one.state} /></td>
      <td class="num">${number(one.connections)} <span class="quiet">/ ${number(one.max_sessions)}</span></td>
      <td class="num cut">${duration(one.latency_p50_ms)}</td>
      <td class="wide roomy">${one.trail ? h(Sparkline, { values: one.trail, label: say("servers.last_hour") }) : html`<span class="quiet">–</span>`}</td>
      <td class="num wide">${percent(one.share)}</td>
    </tr>`)}
  </tbody></table>
`;

/** @param {{errors: any[]}} props */
const Errors = ({ errors }) => html`
  <${Card} title=${say("overview.errors")} more=${html`<a href=${linkTo("requests")}>${say("page.requests")}</a>`}>
    ${errors.length === 0 ? html`<${Empty} title=${say("overview.no_errors")} />` : html`
      <table class="plain"><thead><tr>
        <th scope="col" style="width: 104px">${say("at")}</th><th scope="col">${say("code")}</th>
        <th scope="col" class="wide">${say("message")}</th><th scope="col" class="num" style="width: 76px">${say("status")}</th>
      </tr></thead><tbody>
        ${errors.slice(0, 8).map((one) => html`<tr>
          <td class="tab cut" title=${moment(one.at)}>${clock(one.at)}</td>
          <td class="cut"><a class="mono" title=${wordFor("error", one.code)} href=${linkTo("requests", {}, one.request_id)}>${one.code}</a></td>
          <td class="cut wide" title=${one.message}>${one.message}</td><td class="num">${one.status || "–"}</td>
        </tr>`)}
      </tbody></table>`}
  <//>
`;
