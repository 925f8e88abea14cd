// Up to where in the log figures are true: each number on a page stands beside its sequence.
import { html } from "../base/html.js";
import { number } from "../base/formats.js";
import { say, wordFor } from "../base/words.js";

/** The sequence of each part that has one; said once where they are the same. @param {Record<string, number | null | undefined>} sequences @param {number | null} [lag] */
export function sequencesOf(sequences, lag) {
  const there = Object.entries(sequences).filter(([, sequence]) => typeof sequence === "number");
  const behind = lag ? say("behind", { n: lag, count: number(lag) }) : "";
  if (!there.length) return "";
  if (new Set(there.map(([, sequence]) => sequence)).size === 1) return say("true_at", { sequence: number(there[0][1]) }) + behind;
  return say("sequences", { parts: there.map(([name, sequence]) => `${wordFor("part", name)} ${number(sequence)}`).join(" · ") }) + behind;
}

/** @param {{of: Record<string, number | null | undefined>, lag?: number | null}} props */
export const TrueAt = ({ of, lag }) => html`<span class="quiet small tab sequence">${sequencesOf(of, lag)}</span>`;
