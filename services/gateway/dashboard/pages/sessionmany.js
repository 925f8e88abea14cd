// The same done with many sessions: those that are picked, one after the other, what is refused told by name;
// or all that fit the list's filter, by one request.
import { html, useSignal } from "../base/html.js";
import { ask, withParameters } from "../base/api.js";
import { number } from "../base/formats.js";
import { say } from "../base/words.js";
import { CHANGES, changeSession } from "./session.js";

const AT_ONCE = 4;
const SHOWN_MAX = 8;
const ACTIONS = ["drain", "clear", "cool", "disable", "test", "remove"];
const COOL_S = 600;

/** @typedef {{done: number, of: number, refused: {id: string, message: string}[]}} Progress */
/** @typedef {{q: string, status: string, service_type: string}} Filter */

/** Change every session that fits, as many as there are. @param {string} action @param {Filter} filter */
function changeFitting(action, { q, status, service_type }) {
  const isAny = !q && !status && !service_type;
  const path = withParameters("/api/sessions", { q, status, service_type, all: isAny ? "true" : "" });
  if (action === "remove") return ask(path, { method: "DELETE" });
  return ask(path, { method: "PATCH", body: action === "cool" ? { cool_s: COOL_S, reason: "by an operator" } : CHANGES[action] });
}

/** @param {{picked: {value: Set<string>}, rows: any[], filter: Filter, onDone: () => void}} props */
export function ManySessions({ picked, rows, filter, onDone }) {
  const progress = useSignal(/** @type {Progress | null} */ (null));
  const outcome = useSignal(/** @type {{fitting: number, changed: number} | null} */ (null));
  const sure = useSignal("");
  const isWhole = useSignal(false);
  const runPicked = async (/** @type {string} */ action) => {
    const waiting = [...picked.value];
    const seen = { done: 0, of: waiting.length, refused: /** @type {{id: string, message: string}[]} */ ([]) };
    progress.value = { ...seen };
    const work = async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        try {
          await changeSession(action, id, COOL_S);
        } catch (error) {
          seen.refused.push({ id, message: /** @type {Error} */ (error).message });
        }
        seen.done += 1;
        progress.value = { ...seen };
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    picked.value = new Set(seen.refused.map((one) => one.id));
  };
  const runFitting = async (/** @type {string} */ action) => {
    progress.value = { done: 0, of: 1, refused: [] };
    try {
      outcome.value = await changeFitting(action, filter);
      progress.value = null;
    } catch (error) {
      progress.value = { done: 1, of: 1, refused: [{ id: say("sessions.whole"), message: /** @type {Error} */ (error).message }] };
    }
  };
  const run = async (/** @type {string} */ action) => {
    sure.value = "";
    outcome.value = null;
    await (isWhole.value ? runFitting(action) : runPicked(action));
    onDone();
  };
  const isBusy = progress.value !== null && progress.value.done < progress.value.of;
  const mayBeWhole = !isWhole.value && picked.value.size >= rows.length;
  const actions = isWhole.value ? ACTIONS.filter((action) => action !== "test") : ACTIONS;
  return html`
    <div class="note row" style="margin-bottom: 12px">
      <b class="tab">${isWhole.value ? say("sessions.whole") : say("sessions.picked", { n: picked.value.size, count: number(picked.value.size) })}</b>
      ${mayBeWhole && html`<button class="link" onClick=${() => (isWhole.value = true)}>${say("sessions.pick_whole")}</button>`}
      ${actions.map((action) => html`
        <button class=${action === "remove" ? "danger" : ""} disabled=${isBusy} onClick=${() => (action === "remove" && sure.value !== action ? (sure.value = action) : run(action))}>
          ${say(sure.value === action ? "session.remove_sure" : `session.${action}`)}</button>`)}
      <button class="link" onClick=${() => (picked.value = new Set())}>${say("sessions.pick_none")}</button>
      ${isBusy && isWhole.value && html`<span role="status">${say("busy")}</span>`}
      ${outcome.value && html`<span class="tab" role="status">${say("sessions.outcome", { changed: number(outcome.value.changed), fitting: number(outcome.value.fitting) })}</span>`}
      ${progress.value && !isWhole.value && html`<span class="tab" role="status">${say("sessions.progress", { done: progress.value.done, of: progress.value.of })}</span>`}
      ${progress.value?.refused.slice(0, SHOWN_MAX).map((one) => html`<div class="bad wrap" style="width: 100%">${one.id}: ${one.message}</div>`)}
    </div>
  `;
}
