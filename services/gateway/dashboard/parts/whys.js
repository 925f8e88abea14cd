// Why a server is as it is, in the reader's language: made of the parts of its words. What somebody else
// worded (what a probe met, what a server answered) stands as it is.
import { duration, percent } from "../base/formats.js";
import { isSaid, say, wordFor } from "../base/words.js";

/** @typedef {{cause?: string, lasts_s?: number | null, back_in_s?: number, share?: number, unproven?: boolean, silent_to?: string, failures?: number, rests_s?: number}} Detail */
/** A server, or a service type at one. @typedef {{state: string, words?: string, reason?: string, connections?: number, detail?: Detail, service_type?: string, service_types?: Viewed[]}} Viewed */

const MINUTE_S = 60;
/** How the balancer words what it counted itself; the figures in it are said as they are. @type {[string, RegExp][]} */
const COUNTED = [
  ["row", /^(\d+) failures? in a row$/],
  ["share", /^(\d+) of the last (\d+) calls failed$/],
  ["full", /^full: (\d+) of (\d+) exchanges$/],
  ["slow", /^([\d.]+) times as slow as the fleet$/],
];

/** Full seconds below two minutes: what changes with every look should not be read digit by digit. @param {number} s */
const long = (s) => duration(Math.max(1000, (s < 2 * MINUTE_S ? Math.ceil(s) : Math.round(s / MINUTE_S) * MINUTE_S) * 1000));

/** @param {string} cause */
function causeWords(cause) {
  for (const [name, form] of COUNTED) {
    const figures = form.exec(cause);
    if (figures) return say(`cause.${name}`, { n: Number(figures[1]), count: figures[1], of: figures[2] ?? "" });
  }
  if (!cause) return "";
  const name = `cause.${cause.replaceAll(" ", "_")}`;
  return isSaid(name) ? say(name) : cause;
}

/** Why a server was passed over: its state and what that came of, or what there was else. @param {string} refused */
export function refusalWords(refused) {
  const [state, ...rest] = refused.split(": ");
  if (!OF_STATE[state]) return causeWords(refused);
  const cause = state === "silent" ? "" : rest.join(": ");
  return [wordFor("state", state), causeWords(cause)].filter(Boolean).join(say("why.comma"));
}

/** What there is to say of each state, beside its name. @type {Record<string, (detail: Detail, view: Viewed) => string[]>} */
const OF_STATE = {
  down: ({ lasts_s, cause = "" }) => [lasting(lasts_s), causeWords(cause)],
  draining: ({ lasts_s }, { connections = 0 }) => [lasting(lasts_s), say("why.open", { n: connections, count: connections })],
  ejected: ({ lasts_s, cause = "", back_in_s = 0 }) => [
    lasting(lasts_s), causeWords(cause), back_in_s > 0 ? say("why.back", { long: long(back_in_s) }) : say("why.back_by_probe"),
  ],
  half_open: ({ cause = "", unproven = false }) => (unproven ? [say("why.unproven")] : [say("why.half_open"), causeWords(cause)]),
  slow_start: ({ share = 1 }) => [say("why.slow_start", { share: percent(Math.round(share * 100) / 100) })],
  silent: ({ lasts_s, silent_to = "" }) => [say("why.silent", { type: silent_to ? wordFor("type", silent_to) : say("why.call"), long: long(lasts_s ?? 0) })],
  up: ({ failures = 0, rests_s = 0 }) => [
    rests_s > 0 ? say("why.rests", { long: long(rests_s) }) : "", failures > 0 ? say("cause.row", { n: failures, count: failures }) : "",
  ],
};

/** Of these a balancer always says more: without it, it is of an earlier version. */
const NEVER_BARE = new Set(["down", "ejected", "silent", "slow_start"]);

/** @param {number | null} [s] */
const lasting = (s) => (s == null ? "" : say("why.lasts", { long: long(s) }));

/** Why it is so, without its state, which stands beside it. @param {Viewed} view @returns {string} */
export function whyOf(view) {
  const { state, detail = {}, service_types = [] } = view;
  if (!view.detail && NEVER_BARE.has(state)) return view.words || view.reason || "";
  const said = OF_STATE[state] ?? (() => [view.words || view.reason || ""]);
  const own = said(detail, view).filter(Boolean).join(say("why.comma"));
  const types = state === "up" ? service_types.map(typeWhy).filter(Boolean) : [];
  return [own, ...types].filter(Boolean).join(say("why.semicolon"));
}

/** What is odd with one service type of a server that is up. @param {Viewed} view */
function typeWhy(view) {
  const why = whyOf(view);
  const named = view.state === "up" ? "" : wordFor("state", view.state);
  const words = [named, why].filter(Boolean).join(say("why.comma"));
  return words && say("why.type", { type: wordFor("type", view.service_type ?? ""), why: words });
}
