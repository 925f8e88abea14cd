// Sessions added: pasted or from a file; bad lines are named before anything is sent, and after.
import { html, useSignal } from "../base/html.js";
import { ask } from "../base/api.js";
import { number } from "../base/formats.js";
import { useAction } from "../base/poll.js";
import { say } from "../base/words.js";
import { ErrorNote } from "../parts/cards.js";
import { Dialog, tell } from "../parts/dialogs.js";

const AT_ONCE = 10_000;
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

/** Send all good lines, and say of each refused one which line it was. @param {string} text */
async function sendLines(text) {
  const read = readLines(text);
  const seen = { good: 0, added: 0, revived: 0, refused: [...read.refused] };
  for (let start = 0; start < read.sessions.length; start += AT_ONCE) {
    const body = read.sessions.slice(start, start + AT_ONCE);
    const answer = await ask("/api/sessions", { method: "POST", body });
    seen.good += answer.data.length;
    seen.added += answer.added.length;
    seen.revived += answer.revived.length;
    for (const one of answer.refused) seen.refused.push({ line: read.lines[start + one.line - 1], reason: one.reason });
  }
  seen.refused.sort((a, b) => a.line - b.line);
  return seen;
}

/** @param {{onClose: () => void, onDone: () => void}} props */
export function AddSessions({ onClose, onDone }) {
  const text = useSignal("");
  const preview = useSignal(/** @type {{good: number, refused: Refused[], isSent: boolean} | null} */ (null));
  const action = useAction();
  const change = (/** @type {string} */ said) => {
    text.value = said;
    preview.value = null;
  };
  const look = () => {
    const read = readLines(text.value);
    preview.value = { good: read.sessions.length, refused: read.refused, isSent: false };
  };
  const add = () =>
    action.run(async () => {
      const done = await sendLines(text.value);
      tell(say("sessions.added", { added: number(done.added), revived: number(done.revived) }));
      onDone();
      if (done.refused.length) preview.value = { good: done.good, refused: done.refused, isSent: true };
      else onClose();
    });
  const take = async (/** @type {any} */ event) => {
    const [file] = event.currentTarget.files;
    if (file) change(await file.text());
  };
  const seen = preview.value;
  return html`
    <${Dialog} title=${say("sessions.add")} onClose=${onClose}>
      <form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); seen && !seen.isSent ? add() : look(); }}>
        <label class="field"><span>${say("sessions.paste")}</span>
          <textarea class="mono" rows="8" spellcheck="false" autocomplete="off" value=${text.value} onInput=${(/** @type {any} */ event) => change(event.currentTarget.value)}></textarea></label>
        <label class="field"><span>${say("sessions.file")}</span><input type="file" accept=".txt,.jsonl,.json,text/plain" onChange=${take} /></label>
        ${seen && html`<div class=${`note ${seen.refused.length ? "warn" : "good"}`} role="status">
          <b>${say(seen.isSent ? "sessions.sent" : "sessions.preview", { good: number(seen.good), bad: number(seen.refused.length) })}</b>
          ${seen.refused.slice(0, SHOWN_MAX).map((one) => html`<div>${say("sessions.line", { line: one.line })} ${one.reason}</div>`)}
          ${seen.refused.length > SHOWN_MAX && html`<div>${say("and_more", { n: seen.refused.length - SHOWN_MAX, count: number(seen.refused.length - SHOWN_MAX) })}</div>`}
        </div>`}
        <${ErrorNote} error=${action.error} />
        <div class="row" style="justify-content: flex-end">
          <button type="button" onClick=${onClose}>${say("leave_it")}</button>
          <button class="main-action" disabled=${action.busy || !text.value.trim() || (seen !== null && seen.good === 0)}>
            ${action.busy ? say("busy") : seen && !seen.isSent ? say("sessions.add_good", { n: seen.good, count: number(seen.good) }) : say("sessions.look")}</button>
        </div>
      </form>
    <//>
  `;
}
