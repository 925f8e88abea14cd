// Every event of the log, live and past; what is shown can be taken along as a command.
import { html, useEffect, useMemo, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { clock, moment, number } from "../base/formats.js";
import { linkTo, refine, route } from "../base/route.js";
import { followLog } from "../base/stream.js";
import { say, wordFor } from "../base/words.js";
import { Empty, ErrorNote } from "../parts/cards.js";
import { Code, CopyButton } from "../parts/code.js";
import { Dialog } from "../parts/dialogs.js";
import { Search } from "../parts/fields.js";
import { atEnd, Grid, GridFoot } from "../parts/grid.js";
import { Main } from "../parts/shell.js";

const PAGE = 200;
const KEPT_MAX = 2000;
const FILTERS = ["type", "session", "request", "server", "key"];
const AT_HEAD = new Set(["event", "time", "subject", "type", "number"]);
/** Fields that name what an event is about, the first there is. */
const ABOUT = ["session_id", "server_id", "key_id", "service_type", "strategy", "writer", "gateway_id"];

/** @typedef {import("../base/stream.js").LogEvent} LogEvent */

/** The latest events of a filter, further ones as they come, and older ones as one scrolls. @param {Record<string, string>} filter @param {boolean} isPaused */
function useLog(filter, isPaused) {
  const state = useSignal(/** @type {{events: LogEvent[], next: string | null, skipped: number, error: any, name: string}} */ ({ events: [], next: null, skipped: 0, error: null, name: "" }));
  const isLive = useSignal(false);
  const name = JSON.stringify(filter);
  const work = useMemo(() => ({ busy: false }), [name]);
  useEffect(() => {
    if (isPaused && state.value.name === name) return undefined;
    let stop = () => {};
    let over = false;
    const begin = async () => {
      try {
        const page = await ask(withParameters("/api/events", { ...filter, past: "last", limit: PAGE }));
        if (over) return;
        state.value = { events: page.data, next: page.more ? page.next : null, skipped: 0, error: null, name };
        if (isPaused) return;
        const after = page.data[0]?.event ?? String(page.last ?? "");
        stop = followLog(filter, after, ({ records, skipped }) => {
          const events = [...records.reverse(), ...state.value.events];
          const kept = events.slice(0, KEPT_MAX);
          const next = kept.length < events.length ? /** @type {LogEvent} */ (kept.at(-1)).event : state.value.next;
          state.value = { ...state.value, events: kept, next, skipped: state.value.skipped + skipped };
        }, (reads) => (isLive.value = reads));
      } catch (error) {
        if (!over) state.value = { events: [], next: null, skipped: 0, error, name };
      }
    };
    begin();
    return () => {
      over = true;
      stop();
      isLive.value = false;
    };
  }, [name, isPaused]);
  const more = async () => {
    const { next, events } = state.value;
    if (!next || work.busy || events.length >= KEPT_MAX || state.value.name !== name) return;
    work.busy = true;
    try {
      const page = await ask(withParameters("/api/events", { ...filter, past: next, limit: PAGE }));
      if (state.value.name !== name) return;
      state.value = { ...state.value, events: [...state.value.events, ...page.data], next: page.more ? page.next : null };
    } catch (error) {
      if (state.value.name === name) state.value = { ...state.value, error };
    }
    work.busy = false;
  };
  return { ...state.value, isFresh: state.value.name === name, isLive: isLive.value, more };
}

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
      ${seen.isFresh && seen.events.length === 0 && !seen.error
        ? html`<div class="card"><${Empty} title=${say("log.none")}>${Object.values(filter).some(Boolean) ? html`<a href=${linkTo("log")}>${say("filters_off")}</a>` : say("log.none_more")}<//></div>`
        : html`
          <${Grid} label=${say("page.log")} rows=${seen.events} busy=${!seen.isFresh} keyOf=${(/** @type {LogEvent} */ event) => event.event} need=${atEnd(seen.events, seen.more)}
            onOpen=${(/** @type {LogEvent} */ event) => (opened.value = event)} columns=${columnsOf()} />
          <${GridFoot} count=${seen.events.length} busy=${!seen.isFresh && !seen.error} more=${seen.next !== null} sequence=${seen.events.length ? parseInt(seen.events[0].event) : undefined}>${seen.events.length >= KEPT_MAX && html`<span>${say("log.kept", { count: number(KEPT_MAX) })}</span>`}<//>`}
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
