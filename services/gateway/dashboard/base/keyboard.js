// `/` looks for something, `j` and `k` go through a list, Home and End to its ends, `?` says so; Escape closes what is open.
import { signal } from "@preact/signals";

export const isHelpOpen = signal(false);

/** Hear the keys of the page, wherever nobody is typing. */
export function watchKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") isHelpOpen.value = true;
    else if (event.key === "/") focusSearch();
    else if (event.key === "j") stepRows(1);
    else if (event.key === "k") stepRows(-1);
    else if (event.key === "Home" && hasRows()) stepRows(-Infinity);
    else if (event.key === "End" && hasRows()) stepRows(Infinity);
    else return;
    event.preventDefault();
  });
}

/** @param {KeyboardEvent} event */
function isTyping(event) {
  const [target] = event.composedPath();
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function focusSearch() {
  const field = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-search]"));
  field?.focus();
  field?.select();
}

const hasRows = () => document.querySelector(".grid[data-rows]") !== null;

/** Let the list on the page hear of a step. @param {number} by */
function stepRows(by) {
  document.querySelector("[data-rows]")?.dispatchEvent(new CustomEvent("step", { detail: by }));
}
