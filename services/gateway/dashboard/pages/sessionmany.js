// The same done with many sessions, one after the other; what is refused is told by name.
import { html, useSignal } from "../base/html.js";
import { say } from "../base/words.js";
import { changeSession } from "./session.js";

const AT_ONCE = 4;
const SHOWN_MAX = 8;
const ACTIONS = ["drain", "clear", "cool", "disable", "test", "remove"];
const COOL_S = 600;

/** @param {{picked: {value: Set<string>}, rows: any[], onDone: () => void}} props */
export function ManySessions({ picked, rows, onDone }) {
  const progress = useSignal(/** @type {{done: number, of: number, refused: {id: string, message: string}[]} | null} */ (null));
  const sure = useSignal("");
  const run = async (/** @type {string} */ action) => {
    const waiting = rows.map((row) => row.session_id).filter((id) => picked.value.has(id));
    const seen = { done: 0, of: waiting.length, refused: /** @type {{id: string, message: string}[]} */ ([]) };
    progress.value = { ...seen };
    sure.value = "";
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
    onDone();
  };
  const isBusy = progress.value !== null && progress.value.done < progress.value.of;
  return html`
    <div class="note row" style="margin-bottom: 12px">
      <b class="tab">${say("sessions.picked", { n: picked.value.size, count: picked.value.size })}</b>
      ${ACTIONS.map((action) => html`
        <button class=${action === "remove" ? "danger" : ""} disabled=${isBusy} onClick=${() => (action === "remove" && sure.value !== action ? (sure.value = action) : run(action))}>
          ${say(sure.value === action ? "session.remove_sure" : `session.${action}`)}</button>`)}
      <button class="link" onClick=${() => (picked.value = new Set())}>${say("sessions.pick_none")}</button>
      ${progress.value && html`<span class="tab" role="status">${say("sessions.progress", { done: progress.value.done, of: progress.value.of })}</span>`}
      ${progress.value?.refused.slice(0, SHOWN_MAX).map((one) => html`<div class="bad wrap" style="width: 100%">${one.id}: ${one.message}</div>`)}
    </div>
  `;
}
