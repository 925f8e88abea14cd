// Sessions added: pasted or from a file; bad lines are named before anything is sent, and after.
// They are sent in lots: where one fails, what was added before is told, and one goes on from there.
import { html, useEffect, useRef, useSignal } from "../base/html.js";
import { ApiError, ask } from "../base/api.js";
import { number } from "../base/formats.js";
import { useAction } from "../base/poll.js";
import { say } from "../base/words.js";
import { ErrorNote } from "../parts/cards.js";
import { Dialog, tell } from "../parts/dialogs.js";

const LOT = 500;
const SHOWN_MAX = 12;
/** What may stand in a header behind `Bearer `. */
const SAYABLE = /^[\x21-\x7e]{1,4096}$/;

/** @typedef {{line: number, reason: string}} Refused */

/**
 * Each line that is not blank, by its number: a credential, or a JSON object with one.
 * @param {string} text @returns {{lines: number[], sessions: any[], refused: Refused[]}}
 */
export function readLines(text) {
  /** @type {{lines: number[], sessions: any[], refused: Refused[]}} */
  const read = { lines: [], sessions: [], refused: [] };
  /** @type {Set<string>} */
  const seen = new Set();
  text.replace(/^\uFEFF/, "").split(/\r?\n/).forEach((line, place) => {
    const said = line.trim();
    if (!said || said.startsWith("#")) return;
    const session = sessionIn(said);
    const reason = session === null ? say("sessions.no_json") : wrongWith(session, seen);
    if (reason) return void read.refused.push({ line: place + 1, reason });
    read.sessions.push(session);
    read.lines.push(place + 1);
  });
  return read;
}

/** @param {string} said @returns {any} null: it is no session */
function sessionIn(said) {
  if (!said.startsWith("{")) return { credential: said };
  try {
    return JSON.parse(said);
  } catch {
    return null;
  }
}

/** What is surely wrong; of the rest the API judges. @param {any} session @param {Set<string>} seen @returns {string | null} */
function wrongWith(session, seen) {
  const { credential, region = "" } = session;
  if (typeof credential !== "string" || !SAYABLE.test(credential)) return say("sessions.no_credential");
  if (seen.has(`${region} ${credential}`)) return say("sessions.again");
  seen.add(`${region} ${credential}`);
  return null;
}

/** How far the sending is: `next` is the first of the good lines that was not answered. @typedef {{lines: number[], sessions: any[], next: number, good: number, added: number, revived: number, refused: Refused[]}} Sending */

/** Send the next lot; what is refused is told by its line. Throws `ApiError` for a lot that failed. @param {Sending} sending @returns {Promise<Sending>} */
export async function sendLot(sending) {
  const { lines, sessions, next } = sending;
  const end = Math.min(next + LOT, sessions.length);
  const answer = await ask("/api/sessions", { method: "POST", body: sessions.slice(next, end) }).catch((error) => {
    if (error instanceof ApiError && error.refused.length) return { data: [], added: [], revived: [], refused: error.refused };
    throw error;
  });
  const refused = answer.refused.map((/** @type {Refused} */ one) => ({ line: lines[next + one.line - 1], reason: one.reason }));
  return {
    ...sending,
    next: end,
    good: sending.good + answer.data.length,
    added: sending.added + answer.added.length,
    revived: sending.revived + answer.revived.length,
    refused: [...sending.refused, ...refused].sort((a, b) => a.line - b.line),
  };
}

/** @param {{onClose: () => void, onDone: () => void}} props */
export function AddSessions({ onClose, onDone }) {
  const text = useSignal("");
  const sending = useSignal(/** @type {Sending | null} */ (null));
  const isOver = useRef(false);
  const action = useAction();
  useEffect(() => () => void (isOver.current = true), []);
  const change = (/** @type {string} */ said) => {
    text.value = said;
    sending.value = null;
    action.clear();
  };
  const look = () => (sending.value = { ...readLines(text.value), next: 0, good: 0, added: 0, revived: 0 });
  const add = async () => {
    isOver.current = false;
    const isWhole = await action.run(async () => {
      for (let now = sending.value; now && now.next < now.sessions.length && !isOver.current; now = sending.value) sending.value = await sendLot(now);
    });
    const now = /** @type {Sending} */ (sending.value);
    if (now.good) onDone();
    if (!isWhole || now.next < now.sessions.length) return;
    tell(say("sessions.added", { added: number(now.added), revived: number(now.revived) }));
    if (!now.refused.length) onClose();
  };
  const take = async (/** @type {any} */ event) => {
    const [file] = event.currentTarget.files;
    if (file) change(await file.text());
  };
  const seen = sending.value;
  const isSent = seen !== null && seen.next >= seen.sessions.length && seen.next > 0;
  const isBegun = seen !== null && seen.next > 0 && !isSent;
  return html`
    <${Dialog} title=${say("sessions.add")} onClose=${onClose} fills>
      <form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); seen && !isSent ? add() : look(); }}>
        <label class="field"><span>${say("sessions.paste")}</span>
          <textarea class="mono" rows="8" spellcheck="false" autocomplete="off" disabled=${action.busy} value=${text.value} onInput=${(/** @type {any} */ event) => change(event.currentTarget.value)}></textarea></label>
        <label class="field"><span>${say("sessions.file")}</span><input type="file" accept=".txt,.jsonl,.json,text/plain" disabled=${action.busy} onChange=${take} /></label>
        ${seen && html`<${Progress} seen=${seen} isSent=${isSent} isFailed=${action.error !== null} />`}
        <${ErrorNote} error=${action.error} />
        <div class="row" style="justify-content: flex-end">
          ${action.busy ? html`<button type="button" onClick=${() => (isOver.current = true)}>${say("sessions.stop")}</button>` : html`<button type="button" onClick=${onClose}>${say(isSent ? "close" : "leave_it")}</button>`}
          <button class="main-action" disabled=${action.busy || !text.value.trim() || (seen !== null && seen.sessions.length === 0)}>
            ${action.busy ? say("busy") : isBegun ? say("sessions.go_on", { line: seen.lines[seen.next] }) : seen && !isSent ? say("sessions.add_good", { n: seen.sessions.length, count: number(seen.sessions.length) }) : say("sessions.look")}</button>
        </div>
      </form>
    <//>
  `;
}

/** What can be added; once it is begun, what was added and what was not. @param {{seen: Sending, isSent: boolean, isFailed: boolean}} props */
function Progress({ seen, isSent, isFailed }) {
  const { refused, sessions, next } = seen;
  const words = !next && !isFailed
    ? say("sessions.preview", { good: number(sessions.length), bad: number(refused.length) })
    : say("sessions.sent", { good: number(seen.good), bad: number(refused.length) });
  const more = refused.length - SHOWN_MAX;
  return html`
    <div class=${`note ${refused.length || isFailed ? "warn" : "good"}`} role="status">
      <b>${words}</b>
      ${(next > 0 || isFailed) && !isSent && html`<div>${say("sessions.waiting", { done: number(next), of: number(sessions.length), line: seen.lines[next] })}</div>`}
      ${refused.slice(0, SHOWN_MAX).map((one) => html`<div>${say("sessions.line", { line: one.line })} ${one.reason}</div>`)}
      ${more > 0 && html`<div>${say("and_more", { n: more, count: number(more) })}</div>`}
    </div>
  `;
}
