// Light or dark: as the reader says, else as the machine says.
import { computed, signal } from "@preact/signals";
import { kept, keep } from "./keeping.js";

const machine = matchMedia("(prefers-color-scheme: dark)");
const isMachineDark = signal(machine.matches);

/** `auto`, `light` or `dark`. */
export const look = signal(kept("look", "auto"));
export const theme = computed(() =>
  look.value === "auto" ? (isMachineDark.value ? "dark" : "light") : look.value,
);

/** Have the document follow the theme, and the theme the machine. */
export function watchLook() {
  machine.addEventListener("change", () => (isMachineDark.value = machine.matches));
  theme.subscribe((name) => (document.documentElement.dataset.theme = name));
  look.subscribe((name) => keep("look", name));
}

/** A colour of the theme in force, as charts want it. @param {string} name */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
