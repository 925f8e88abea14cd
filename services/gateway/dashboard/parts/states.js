// A state is a colour and a word, everywhere the same.
import { html } from "../base/html.js";
import { say, wordFor } from "../base/words.js";

const GOOD = new Set(["active", "up", "settled", "ok", "success", "granted", "alive"]);
const WARN = new Set([
  "cooling", "half_open", "slow_start", "released", "refused", "waiting", "silent", "note", "unknown", "rate_limited", "rejected", "quota_exhausted",
]);
const ODD = new Set(["suspect"]);
const BAD = new Set(["disabled", "down", "ejected", "expired", "wrong", "outcome_unknown", "unreachable", "credential_invalid", "dead", "revoked", "failed"]);

/** @param {string} state */
export const toneOf = (state) =>
  GOOD.has(state) ? "good" : BAD.has(state) ? "bad" : WARN.has(state) ? "warn" : ODD.has(state) ? "odd" : "";

/** @param {{state: string, title?: string}} props */
export const State = ({ state, title }) => html`
  <span class="state" title=${title}><i class=${`dot ${toneOf(state)}`}></i>${wordFor("state", state)}</span>
`;

/** @param {{state: string, children?: any}} props */
export const Chip = ({ state, children }) => html`
  <span class=${`chip ${toneOf(state)}`}>${children ?? wordFor("state", state)}</span>
`;

const BY_OPERATOR = new Set(["operator", "by an operator", "retired by an admin"]);

/** Why a session is as it is: of one that is active that an operator made it so says nothing. @param {{status: string, reason?: string}} session */
export function reasonOf({ status, reason = "" }) {
  if (!BY_OPERATOR.has(reason)) return reason;
  return status === "active" ? "" : say("reason.operator");
}

const KNOWN = ["image", "video", "avatar"];

/** The colour of a service type: the first three have their own, the others take turns. @param {string} type */
export function typeColour(type) {
  const place = KNOWN.indexOf(type);
  const turn = place >= 0 ? place : 3 + ([...type].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 2);
  return `var(--type-${turn + 1})`;
}
