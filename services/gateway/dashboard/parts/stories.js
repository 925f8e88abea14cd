// What happened to a request, in the reader's language: by the code that each span has.
import { say, wordFor } from "../base/words.js";

/** @typedef {import("./elastic.js").Span} Span */

/** @param {Span} span @param {string} service @param {any} [attempt] the try as the log has it, with how it failed */
export function spanWords(span, service, attempt) {
  if (span.kind === "lease") {
    return say("explain.lease", { units: span.units ?? 0, type: wordFor("type", service), name: span.session_label || span.session_id || "" });
  }
  if (span.kind === "attempt") {
    const verdict = [wordFor("verdict", span.verdict), span.status || ""].filter(Boolean).join(" ");
    return say("explain.attempt", { verdict, server: span.server_id ?? "" }) + (attempt?.failure ? ` (${attempt.failure})` : "");
  }
  if (span.verdict === "refused") return say("explain.refused", { reason: span.code ? wordFor("reason", span.code) : span.words });
  return say(`explain.${span.verdict || "waits"}`);
}

/** The try that a span is of. @param {Span} span @param {any} story */
export function attemptOf(span, story) {
  const lease = story.leases.find((/** @type {any} */ one) => one.number === span.number);
  return lease && story.attempts.find((/** @type {any} */ one) => one.lease_id === lease.lease_id && one.attempt === span.attempt);
}
