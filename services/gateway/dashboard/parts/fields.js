// Fields of forms and filters.
import { html, useEffect, useRef } from "../base/html.js";
import { say } from "../base/words.js";

const PATIENCE_MS = 250;

/** Where `/` leads: tells what is looked for once the typing rests. @param {{value: string, label: string, onValue: (text: string) => void}} props */
export function Search({ value, label, onValue }) {
  const timer = useRef(0);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    if (field.current && field.current !== document.activeElement) field.current.value = value;
  }, [value]);
  const typed = (/** @type {any} */ event) => {
    const text = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onValue(text), PATIENCE_MS);
  };
  return html`<input type="search" data-search ref=${field} aria-label=${label} placeholder=${label} onInput=${typed}
    onKeyDown=${(/** @type {any} */ event) => event.key === "Escape" && event.currentTarget.blur()} />`;
}

/** One of a few; `label` is said of none. @param {{value: string, label: string, options: [string, any][], onValue: (value: string) => void}} props */
export const Select = ({ value, label, options, onValue }) => html`
  <select aria-label=${label} value=${value} onChange=${(/** @type {any} */ event) => onValue(event.currentTarget.value)}>
    <option value="" selected=${!value}>${label}</option>
    ${options.map(([name, words]) => html`<option value=${name} selected=${name === value}>${words}</option>`)}
  </select>
`;

/**
 * A field with its name above it. `value` is a signal.
 * @param {{name: any, value: {value: any}, type?: string, hint?: string, required?: boolean, list?: [string, any][], min?: number, max?: number, step?: string, pattern?: string}} props
 */
export function Field({ name, value, type = "text", hint = "", required = false, list, ...more }) {
  const typed = (/** @type {any} */ event) => (value.value = event.currentTarget.value);
  return html`
    <label class="field"><span>${name}${required ? "" : html` <i class="hidden">${say("optional")}</i>`}</span>
      ${list
        ? html`<select value=${value.value} onChange=${typed}>${list.map(([one, words]) => html`<option value=${one} selected=${one === value.value}>${words}</option>`)}</select>`
        : html`<input type=${type} value=${value.value} placeholder=${hint} required=${required} onInput=${typed} autocomplete="off" ...${more} />`}
    </label>
  `;
}

/** @param {{name: any, value: {value: boolean}}} props */
export const Check = ({ name, value }) => html`
  <label class="check"><input type="checkbox" checked=${value.value} onChange=${(/** @type {any} */ event) => (value.value = event.currentTarget.checked)} />${name}</label>
`;
