// Text to take along: commands, keys, answers.
import { html, useRef, useSignal } from "../base/html.js";
import { say } from "../base/words.js";

/** @param {{text: string, wrapped?: boolean}} props */
export function Code({ text, wrapped = false }) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  return html`
    <div class="copy">
      <pre class=${`code ${wrapped ? "wrapped" : ""}`} tabindex="0" ref=${host}>${text}</pre>
      <${CopyButton} text=${text} host=${host} />
    </div>
  `;
}

/** Copy; on plain http, where browsers give no clipboard, select instead. @param {{text: string, host?: {current: HTMLElement | null}, label?: string}} props */
export function CopyButton({ text, host, label = "" }) {
  const done = useSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      done.value = say("copied");
    } catch {
      if (host?.current) getSelection()?.selectAllChildren(host.current);
      done.value = copyBySelection(text) ? say("copied") : say("selected");
    }
    setTimeout(() => (done.value = ""), 2000);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done.value || label || say("copy")}</button>`;
}

/** @param {string} text */
function copyBySelection(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}
