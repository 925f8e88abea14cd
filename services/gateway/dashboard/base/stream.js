// The log live. One stream per browser and filter: the tab that holds the lock reads, the others
// hear it over a channel; where there are no locks (plain http), each visible tab reads for itself.
// A hidden tab reads nothing, and goes on where it was when it is looked at again. The gateway says every five
// seconds that it lives, and so does the tab that reads to the others: whoever hears nothing for long reads anew.
import { fetchAnswer, withParameters } from "./api.js";

/** @typedef {{event: string, type: string, time: string, [field: string]: any}} LogEvent */
/** @typedef {{records: LogEvent[], skipped: number, last: string}} Heard */

const PATH = "/api/events/stream";
const AGAIN_MS = [300, 1000, 2000, 5000];
const TOGETHER_MS = 100;
const SILENT_MS = 20_000;
const LOOK_MS = 2_000;

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
  let readers = 0;
  let heardAt = Date.now();
  const take = (/** @type {Heard} */ heard) => {
    if (!heard.last || isBehind(heard.last, last)) return;
    last = heard.last;
    hear(heard);
  };
  const lead = async (/** @type {AbortSignal} */ stopped) => {
    const post = (/** @type {any} */ said) => stopped.aborted || channel?.postMessage(said);
    const state = (/** @type {boolean} */ reads) => {
      onState(reads);
      post({ reads });
    };
    readers += 1;
    await readLog(filter, () => last, stopped, state, (heard) => {
      take(heard);
      post(heard);
    });
    readers -= 1;
  };
  /** The lock came to a tab that reads already, for its holder had said nothing. @param {AbortSignal} stopped */
  const hold = (stopped) => new Promise((resolve) => stopped.addEventListener("abort", resolve));
  const begin = () => {
    until = new AbortController();
    const { signal } = until;
    heardAt = Date.now();
    if (!navigator.locks || !channel) lead(signal);
    else navigator.locks.request(name, { signal }, () => (readers ? hold(signal) : lead(signal))).catch(() => {});
  };
  const onVisible = () => {
    until.abort();
    if (!document.hidden) begin();
  };
  const look = () => {
    if (document.hidden || readers || until.signal.aborted || Date.now() - heardAt < SILENT_MS) return;
    onState(false);
    lead(until.signal);
  };
  channel?.addEventListener("message", ({ data }) => {
    if (document.hidden) return;
    heardAt = Date.now();
    if (!readers) onState(data.reads ?? true);
    if (data.records) take(data);
  });
  document.addEventListener("visibilitychange", onVisible);
  const timer = setInterval(look, LOOK_MS);
  if (!document.hidden) begin();
  return () => {
    until.abort();
    channel?.close();
    clearInterval(timer);
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
      await readBlocks(answer, give, () => onState(true));
    } catch (error) {
      if (stopped.aborted || /** @type {any} */ (error).status === 401) return;
    }
    onState(false);
    const wait = AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)];
    failures += 1;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** @param {Response} answer @param {(heard: Heard) => void} give @param {() => void} breathe called now and then, while something comes */
async function readBlocks(answer, give, breathe) {
  const reader = /** @type {ReadableStream} */ (answer.body).pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  /** @type {Heard} */
  let heard = { records: [], skipped: 0, last: "" };
  let timer = 0;
  let silence = setTimeout(() => reader.cancel(), SILENT_MS);
  let breathed = Date.now();
  const flush = () => {
    timer = 0;
    if (heard.last) give(heard);
    heard = { records: [], skipped: 0, last: "" };
  };
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => reader.cancel(), SILENT_MS);
      if (Date.now() - breathed > LOOK_MS) {
        breathed = Date.now();
        breathe();
      }
      const blocks = (rest + value).split("\n\n");
      rest = /** @type {string} */ (blocks.pop());
      for (const block of blocks) addBlock(heard, block);
      if (!timer && heard.last) timer = setTimeout(flush, TOGETHER_MS);
    }
  } finally {
    clearTimeout(timer);
    clearTimeout(silence);
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
