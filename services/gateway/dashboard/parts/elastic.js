// A time axis on which milliseconds stay visible beside minutes: each interval has a least width,
// and a share of the rest by its length to the power of 0.3; where nothing worked it has no share.

const LEAST = 12;
const POWER = 0.3;

/** @typedef {{kind: string, from_ms: number, to_ms: number | null, first_byte_ms?: number | null, [field: string]: any}} Span */

/** Where spans begin, turn and end, in order, each once. @param {Span[]} spans @param {number} length */
export function instantsOf(spans, length) {
  const all = spans.flatMap((span) => [span.from_ms, span.first_byte_ms ?? null, span.to_ms ?? length]);
  const there = /** @type {number[]} */ (all.filter((at) => at !== null));
  return [...new Set([0, ...there, length])].sort((a, b) => a - b);
}

/**
 * The place of each instant within `width`, and a function that finds that of any.
 * @param {Span[]} spans @param {number} length @param {number} width
 */
export function elasticAxis(spans, length, width) {
  const instants = instantsOf(spans, length);
  const working = spans.filter((span) => span.kind !== "lease");
  const shares = instants.slice(1).map((to, place) => {
    const from = instants[place];
    const works = working.some((span) => span.from_ms <= from && (span.to_ms ?? length) >= to);
    return works ? (to - from) ** POWER : 0;
  });
  const least = Math.min(LEAST, width / Math.max(shares.length, 1));
  const rest = Math.max(0, width - least * shares.length);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  const places = [0];
  for (const share of shares) {
    places.push(/** @type {number} */ (places.at(-1)) + least + (whole ? (share / whole) * rest : rest / shares.length));
  }
  const at = (/** @type {number} */ ms) => {
    const next = instants.findIndex((instant) => instant >= ms);
    if (next < 0) return width;
    if (next === 0 || instants[next] === ms) return places[next];
    const part = (ms - instants[next - 1]) / (instants[next] - instants[next - 1]);
    return places[next - 1] + part * (places[next] - places[next - 1]);
  };
  return { instants, places, at };
}

/** How the whole time divides: waited, failed tries, worked, bytes. @param {Span[]} spans @param {number} length */
export function totalsOf(spans, length) {
  const totals = { waited: 0, failed: 0, worked: 0, bytes: 0 };
  for (const span of spans) {
    const end = span.to_ms ?? length;
    if (span.kind === "wait") totals.waited += end - span.from_ms;
    if (span.kind !== "attempt") continue;
    if (span.verdict !== "success" && span.to_ms !== null) totals.failed += end - span.from_ms;
    else {
      const first = span.first_byte_ms ?? end;
      totals.worked += first - span.from_ms;
      totals.bytes += end - first;
    }
  }
  return totals;
}
