// What is asked before something is done, and what is told when it is.
import { html, signal, useEffect, useRef } from "../base/html.js";
import { useAction } from "../base/poll.js";
import { say } from "../base/words.js";
import { ErrorNote } from "./cards.js";

/** The dialogs that are open; all but the last are out of reach, and so is the page. @type {import("@preact/signals").Signal<object[]>} */
const open = signal([]);

/** `fills`: it is opened to be filled in, so one begins at its first field. @param {{title: any, onClose: () => void, children?: any, narrow?: boolean, fills?: boolean}} props */
export function Dialog({ title, onClose, children, narrow = false, fills = false }) {
  const host = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    host.current?.showModal();
    if (fills) /** @type {HTMLElement | null | undefined} */ (host.current?.querySelector("input, select, textarea"))?.focus();
    open.value = [...open.value, host];
    return () => void (open.value = open.value.filter((one) => one !== host));
  }, []);
  const outside = (/** @type {MouseEvent} */ event) => event.target === host.current && onClose();
  return html`
    <dialog ref=${host} class=${narrow ? "narrow" : ""} onClose=${onClose} onMouseDown=${outside} aria-label=${typeof title === "string" ? title : undefined}>
      <div class="dialog">
        <header><h2>${title}</h2><button class="square" aria-label=${say("close")} onClick=${onClose}>✕</button></header>
        ${children}
      </div>
      ${open.value.at(-1) === host && html`<${Told} />`}
    </dialog>
  `;
}

/**
 * A dialog that does something when it is sent; it stays open while the API refuses.
 * @param {{title: any, act: string, work: () => Promise<unknown>, onClose: () => void, danger?: boolean, children?: any, ready?: boolean}} props
 */
export function Form({ title, act, work, onClose, danger = false, children, ready = true }) {
  const action = useAction();
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await action.run(work)) onClose();
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose} fills>
      <form class="stack" onSubmit=${send}>
        ${children}
        <${ErrorNote} error=${action.error} />
        <div class="row" style="justify-content: flex-end">
          <button type="button" onClick=${onClose}>${say("leave_it")}</button>
          <button class=${danger ? "danger" : "main-action"} disabled=${action.busy || !ready}>${action.busy ? say("busy") : act}</button>
        </div>
      </form>
    <//>
  `;
}

/** @type {import("@preact/signals").Signal<{id: number, words: string}[]>} */
const told = signal([]);
let next = 0;

/** Tell for a few seconds what was done. @param {string} words */
export function tell(words) {
  const id = (next += 1);
  told.value = [...told.value, { id, words }];
  setTimeout(() => (told.value = told.value.filter((one) => one.id !== id)), 6000);
}

const Told = () => html`
  <div class="toasts" role="status">${told.value.map(({ id, words }) => html`<div class="note good" key=${id}>${words}</div>`)}</div>
`;

/** What was told, on the page; where a dialog is open, it stands in that. */
export const Toasts = () => open.value.length === 0 && html`<${Told} />`;
