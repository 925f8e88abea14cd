// The log live. One stream per browser and filter: the tab that holds the lock reads, the others
// hear it over a channel; where there are no locks (plain http), each visible tab reads for itself.
// A hidden tab reads nothing, and goes on where it was when it is looked at again.
import { fetchAnswer, withParameters } from "./api.js";

/** @typedef {{event: string, type: string, time: string, [field: string]: any}} LogEvent */
/** @typedef {{records: LogEvent[], skipped: number, last: string}} Heard */

const PATH = "/api/events/stream";
const AGAIN_MS = [300, 1000, 2000, 5000];
const TOGETHER_MS = 100;

/**
 * Hear every event that fits from `after` on (empty: from now on), until what is returned is called.
 * @param {Record<string, string>} filter @param {string} after
 * @param {(heard: Heard) => void} hear @param {(reads: boolean) => void} [onState] whether the log is being heard
 */
export function followLog(filter, after, hear, onState = () => {}) {
  const name = `tidegate ${location.pathname} ${JSON.stringify(filter)}`;
  const channel = "BroadcastChannel" in self ? new BroadcastChannel(name) : null;
  let last = after;
  let until = new AbortController();
  const take = (/** @type {Heard} */ heard) => {
    if (!heard.last || isBehind(heard.last, last)) return;
    last = heard.last;
    hear(heard);
  };
  const lead = (/** @type {AbortSignal} */ stopped) =>
    readLog(filter, () => last, stopped, onState, (heard) => {
      take(heard);
      channel?.postMessage(heard);
    });
  const begin = () => {
    until = new AbortController();
    const { signal } = until;
    if (!navigator.locks || !channel) lead(signal);
    else navigator.locks.request(name, { signal }, () => lead(signal)).catch(() => {});
  };
  const onVisible = () => {
    until.abort();
    if (!document.hidden) begin();
  };
  channel?.addEventListener("message", (message) => {
    if (document.hidden) return;
    onState(true);
    take(message.data);
  });
  document.addEventListener("visibilitychange", onVisible);
  if (!document.hidden) begin();
  return () => {
    until.abort();
    channel?.close();
    document.removeEventListener("visibilitychange", onVisible);
  };
}

/** Whether an event's id is not behind another's. @param {string} id @param {string} last */
export function isBehind(id, last) {
  if (!last) return false;
  const [sequence, index = 0] = id.split(".").map(Number);
  const [seen, place = 0] = last.split(".").map(Number);
  return sequence < seen || (sequence === seen && index <= place);
}

/**
 * Read, and begin again behind the last event whenever the stream ends: a gateway may restart.
 * @param {Record<string, string>} filter @param {() => string} last @param {AbortSignal} stopped
 * @param {(reads: boolean) => void} onState @param {(heard: Heard) => void} give
 */
async function readLog(filter, last, stopped, onState, give) {
  let failures = 0;
  while (!stopped.aborted) {
    try {
      const path = withParameters(PATH, { ...filter, after: last() });
      const answer = await fetchAnswer(path, { signal: stopped });
      failures = 0;
      onState(true);
      await readBlocks(answer, give);
    } catch (error) {
      if (stopped.aborted || /** @type {any} */ (error).status === 401) return;
    }
    onState(false);
    const wait = AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)];
    failures += 1;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** @param {Response} answer @param {(heard: Heard) => void} give */
async function readBlocks(answer, give) {
  const reader = /** @type {ReadableStream} */ (answer.body).pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  /** @type {Heard} */
  let heard = { records: [], skipped: 0, last: "" };
  let timer = 0;
  const flush = () => {
    timer = 0;
    if (heard.last) give(heard);
    heard = { records: [], skipped: 0, last: "" };
  };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = /** @type {string} */ (blocks.pop());
      for (const block of blocks) addBlock(heard, block);
      if (!timer && heard.last) timer = setTimeout(flush, TOGETHER_MS);
    }
  } finally {
    clearTimeout(timer);
    flush();
  }
}

/** Read one event (WHATWG HTML, server-sent events). @param {Heard} heard @param {string} block */
function addBlock(heard, block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (!fields.id || !fields.data) return;
  const record = JSON.parse(fields.data);
  heard.last = fields.id;
  if (fields.event === "skipped") heard.skipped += record.skipped;
  else heard.records.push(record);
}
