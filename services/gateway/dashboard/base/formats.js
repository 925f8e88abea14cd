// How figures and instants are written: units beside them, in the viewer's zone.
import { language, say } from "./words.js";

const locale = () => (language.value === "zh" ? "zh-CN" : "en-GB");
/** @type {Map<string, Intl.NumberFormat>} */
const numbers = new Map();

/** @param {number | null | undefined} value @param {number} [digits] */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  const name = `${locale()} ${digits}`;
  let format = numbers.get(name);
  if (!format) {
    format = new Intl.NumberFormat(locale(), { maximumFractionDigits: digits });
    numbers.set(name, format);
  }
  return format.format(value);
}

/** Three digits that say something: 43.8, 3.91, 612. @param {number | null | undefined} value */
export const figure = (value) =>
  number(value, value == null || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);

/** A share between 0 and 1. @param {number | null | undefined} value */
export const percent = (value) => (value == null ? "–" : `${figure(value * 100)} %`);

/** How long, in the two units that matter. @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 0.995) return `${number(ms, 2)} ms`;
  if (ms < 999.5) return `${number(ms)} ms`;
  const s = ms / 1000;
  if (s < 59.95) return `${number(s, s < 9.995 ? 2 : 1)} ${say("unit.s")}`;
  if (s < 3600) return two(s, 60, "min", "s");
  if (s < 86_400) return two(s / 60, 60, "h", "min");
  return two(s / 3600, 24, "d", "h");
}

/** @param {number} small @param {number} per @param {string} large @param {string} name */
function two(small, per, large, name) {
  const whole = Math.round(small);
  const rest = whole % per;
  const first = `${number(Math.floor(whole / per))} ${say(`unit.${large}`)}`;
  return rest ? `${first} ${rest} ${say(`unit.${name}`)}` : first;
}

/** @param {number | null | undefined} count */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${figure(count / 1e3)} kB`;
  return count < 1e9 ? `${figure(count / 1e6)} MB` : `${figure(count / 1e9)} GB`;
}

/** @param {string} instant */
const parsed = (instant) => new Date(/[zZ]|[+-]\d\d:\d\d$/.test(instant) ? instant : `${instant}Z`);
const isToday = (/** @type {Date} */ at) => at.toDateString() === new Date().toDateString();

/** The time of day; of another day its date and minute. @param {string | null | undefined} instant */
export function clock(instant) {
  if (!instant) return "–";
  const at = parsed(instant);
  if (isToday(at)) return at.toLocaleTimeString(locale(), { hour12: false });
  const date = at.toLocaleDateString(locale(), { day: "numeric", month: "short" });
  return `${date} ${at.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", hour12: false })}`;
}

/** Hour and minute. @param {string | null | undefined} instant */
export const hour = (instant) =>
  instant ? parsed(instant).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", hour12: false }) : "–";

/** An instant in full, with its zone, as a title. @param {string | null | undefined} instant */
export const moment = (instant) =>
  instant ? parsed(instant).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "long" }) : "";

/** How long ago. @param {string | null | undefined} instant @param {number} now */
export function ago(instant, now = Date.now()) {
  if (!instant) return say("never");
  const ms = now - parsed(instant).getTime();
  return ms < 5000 ? say("just_now") : say("ago", { long: duration(Math.round(ms / 1000) * 1000) });
}

/** A quota day, which is a day of the pool's zone and not of the viewer's. @param {string | null | undefined} text */
export function day(text) {
  if (!text) return "–";
  const at = new Date(`${text.slice(0, 10)}T12:00:00Z`);
  return at.toLocaleDateString(locale(), { day: "numeric", month: "short", timeZone: "UTC" });
}

/** The viewer's own zone. */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
