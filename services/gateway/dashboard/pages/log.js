// Every event of the log, live and past; what is shown can be taken along as a command.
import { html, useSignal } from "../base/html.js";
import { clock, moment, number } from "../base/formats.js";
import { linkTo, refine, route } from "../base/route.js";
import { say, wordFor } from "../base/words.js";
import { Empty, ErrorNote } from "../parts/cards.js";
import { Code, CopyButton } from "../parts/code.js";
import { Dialog } from "../parts/dialogs.js";
import { Search } from "../parts/fields.js";
import { Grid, GridFoot } from "../parts/grid.js";
import { Main } from "../parts/shell.js";
import { useLog } from "./loglist.js";

const FILTERS = ["type", "session", "request", "server", "key"];
const AT_HEAD = new Set(["event", "time", "subject", "type", "number"]);
/** Fields that name what an event is about, the first there is. */
const ABOUT = ["session_id", "server_id", "key_id", "service_type", "strategy", "writer", "gateway_id"];

/** @typedef {import("../base/stream.js").LogEvent} LogEvent */

export function Page() {
  const { query } = route.value;
  const filter = Object.fromEntries(FILTERS.map((name) => [name, query[name] ?? ""]));
  const isPaused = useSignal(false);
  const opened = useSignal(/** @type {LogEvent | null} */ (null));
  const seen = useLog(filter, isPaused.value);
  const state = isPaused.value ? "paused" : seen.isLive ? "live" : "connecting";
  return html`
    <${Main} full title=${say("page.log")} more=${html`
      <div class="true-at"><span class="state"><i class=${`dot ${state === "live" ? "good" : state === "paused" ? "" : "warn"}`}></i>${say(state)}</span></div>
      <button aria-pressed=${isPaused.value} onClick=${() => (isPaused.value = !isPaused.value)}>${say(isPaused.value ? "go_on" : "pause")}</button>
      <${CopyButton} text=${commandOf(filter)} label=${say("copy_command")} />`}>
      <div class="filters">
        <${Search} value=${filter.type} label=${say("log.search")} onValue=${(/** @type {string} */ type) => refine({ type })} />
        ${FILTERS.slice(1).filter((name) => filter[name]).map((name) => html`
          <button class="cut" style="max-width: 100%" onClick=${() => refine({ [name]: "" })} title=${say("filter_off", { name: say(`filter.${name}`) })}>${say(`filter.${name}`)}: ${filter[name]} ✕</button>`)}
      </div>
      ${seen.skipped > 0 && html`<div class="note warn" style="margin-bottom: 12px">${say("log.skipped", { n: seen.skipped, count: number(seen.skipped) })}</div>`}
      <${ErrorNote} error=${seen.error} />
      ${seen.isFresh && seen.rows.length === 0 && !seen.error
        ? html`<div class="card"><${Empty} title=${say("log.none")}>${Object.values(filter).some(Boolean) ? html`<a href=${linkTo("log")}>${say("filters_off")}</a>` : say("log.none_more")}<//></div>`
        : html`
          <${Grid} label=${say("page.log")} rows=${seen.rows} busy=${!seen.isFresh} keyOf=${(/** @type {LogEvent} */ event) => event.event} need=${seen.need}
            onOpen=${(/** @type {LogEvent} */ event) => (opened.value = event)} columns=${columnsOf()} />
          <${GridFoot} count=${seen.rows.length} busy=${!seen.isFresh && !seen.error} about=${!seen.isWhole} sequence=${seen.last} />`}
      ${opened.value && html`<${One} event=${opened.value} onClose=${() => (opened.value = null)} />`}
    <//>
  `;
}

/** @param {Record<string, string>} filter */
const commandOf = ({ type, ...others }) => {
  const types = type.split(",").map((one) => /** @type {[string, string]} */ (["type", one.trim()]));
  const given = [...types, ...Object.entries(others)].filter(([, value]) => value);
  return ["tidegate tail --last 100", ...given.map(([name, value]) => `--${name} ${quoted(value)}`)].join(" ");
};

/** @param {string} text */
const quoted = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** @returns {import("../parts/grid.js").Column<LogEvent>[]} */
const columnsOf = () => [
  { name: "at", label: say("at"), width: "112px", kind: "tab", cell: (event) => clock(event.time), title: (event) => moment(event.time) },
  { name: "id", label: "id", width: "112px", kind: "tab quiet wide", cell: (event) => event.event },
  { name: "type", label: say("log.type"), width: "210px", cell: (event) => html`<span class="strong" title=${wordFor("event", event.type)}>${event.type}</span>` },
  { name: "about", label: say("log.about"), width: "24%", kind: "wide", cell: (event) => event[ABOUT.find((name) => event[name]) ?? ""] ?? event.server?.server_id ?? "–" },
  { name: "what", label: say("log.what"), kind: "quiet wide", cell: wordsOf, title: wordsOf },
];

/** The fields of an event in one line. @param {LogEvent} event */
const wordsOf = (event) =>
  Object.entries(event)
    .filter(([name, value]) => !AT_HEAD.has(name) && value !== "" && value !== null)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" · ");

/** One event as it is stored, and where it leads. @param {{event: LogEvent, onClose: () => void}} props */
const One = ({ event, onClose }) => html`
  <${Dialog} title=${`${event.type} ${event.event}`} onClose=${onClose}>
    <${Code} text=${JSON.stringify(event, null, 2)} wrapped />
    <div class="row">
      ${event.request_id && html`<a href=${linkTo("requests", {}, event.request_id)}>${say("page.requests")}</a>`}
      ${event.session_id && html`<a href=${linkTo("sessions", { session: event.session_id })}>${say("session")}</a> <a href=${linkTo("log", { session: event.session_id })} onClick=${onClose}>${say("log.of_session")}</a>`}
      ${event.server_id && html`<a href=${linkTo("servers", {}, event.server_id)}>${say("server")}</a>`}
      <a href=${linkTo("log", { type: event.type })} onClick=${onClose}>${say("log.of_type")}</a>
    </div>
  <//>
`;
