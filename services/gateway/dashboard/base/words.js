// Every text by its name, in the reader's language; what is not a text of ours is said as it is.
import { signal } from "@preact/signals";
import { kept, keep } from "./keeping.js";

export const LANGUAGES = { en: "English", zh: "中文" };

/** @type {import("@preact/signals").Signal<"en" | "zh">} */
export const language = signal(kept("language", navigator.language.startsWith("zh") ? "zh" : "en"));
/** @type {import("@preact/signals").Signal<Record<string, string>>} */
const texts = signal({});

/** Load the texts of the language in force. */
export async function loadWords() {
  if (!(language.value in LANGUAGES)) language.value = "en";
  const { default: loaded } =
    language.value === "zh" ? await import("../words/zh.js") : await import("../words/en.js");
  texts.value = loaded;
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
}

/** @param {"en" | "zh"} name */
export async function speak(name) {
  language.value = name;
  keep("language", name);
  await loadWords();
}

/**
 * Say a text; `{name}` in it is replaced, and of `one|many` the form that fits `n` is taken.
 * @param {string} name @param {Record<string, string | number>} [values]
 */
export function say(name, values = {}) {
  const text = texts.value[name];
  if (text === undefined) return name;
  const forms = text.split("|");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}

/** A word of the API in the reader's language; one that somebody else chose as it is. @param {string} kind @param {string} word */
export function wordFor(kind, word) {
  return texts.value[`${kind}.${word}`] ?? word;
}

/** @param {string} name */
export const isSaid = (name) => name in texts.value;
