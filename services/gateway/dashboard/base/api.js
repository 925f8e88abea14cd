// How the page asks the gateway: with the sign-in's cookie, and every error is the API's own.
import { signal } from "@preact/signals";

/** Why the sign-in is over, in the API's words; null while it is not. @type {import("@preact/signals").Signal<ApiError | null>} */
export const signInTrouble = signal(null);

const OVER = new Set(["invalid_api_key", "sign_in_ended", "sign_in_link_invalid"]);
const CHANGES = { "X-Tidegate": "1" };

/** An error as the API words it; `code` is what a reader's language goes by. */
export class ApiError extends Error {
  /** @param {string} code @param {string} message @param {number} status @param {string | null} param @param {{line: number, reason: string}[]} refused of a list of which nothing was good, why each was not */
  constructor(code, message, status = 0, param = null, refused = []) {
    super(message);
    this.code = code;
    this.status = status;
    this.param = param;
    this.refused = refused;
  }
}

/** The address of a path of the API, wherever the page is mounted. @param {string} path */
export function addressOf(path) {
  return new URL(path.replace(/^\//, ""), document.baseURI).href.replace(/#.*$/, "");
}

/**
 * Ask with whatever `fetch` takes, and hand on the answer that is no error.
 * @param {string} path @param {RequestInit} [more] @returns {Promise<Response>}
 */
export async function fetchAnswer(path, more = {}) {
  let answer;
  try {
    answer = await fetch(addressOf(path), {
      credentials: "same-origin",
      cache: "no-store",
      ...more,
      headers: { ...CHANGES, .../** @type {Record<string, string>} */ (more.headers) },
    });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError("unreachable", "the gateway did not answer");
  }
  if (answer.ok) return answer;
  const error = await errorOf(answer);
  if (answer.status === 401 && OVER.has(error.code) && !path.startsWith("/api/sign-in")) {
    // Without any cookie the API knows of no sign-in: it was ended in another tab.
    signInTrouble.value = error.code === "invalid_api_key" ? new ApiError("signed_out", "", 401) : error;
  }
  throw error;
}

/** @param {Response} answer */
async function errorOf(answer) {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text);
    return new ApiError(error.code, error.message, answer.status, error.param ?? null, error.refused ?? []);
  } catch {
    return new ApiError("unreachable", `${answer.status} ${answer.statusText || text.slice(0, 200)}`, answer.status);
  }
}

/**
 * Ask, and read the JSON of the answer.
 * @param {string} path @param {{method?: string, body?: unknown, signal?: AbortSignal}} [more] @returns {Promise<any>}
 */
export async function ask(path, { method = "GET", body, signal: until } = {}) {
  const said = body === undefined ? {} : { body: JSON.stringify(body) };
  /** @type {Record<string, string>} */
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetchAnswer(path, { method, headers, signal: until, ...said });
  return answer.json();
}

/**
 * A path with its parameters; those that are empty are left out.
 * @param {string} path @param {Record<string, string | number | string[] | null | undefined>} given
 */
export function withParameters(path, given) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Fetch a file, and have the browser keep it. @param {string} path @param {string} name */
export async function downloadFile(path, name) {
  keepFile(await (await fetchAnswer(path)).blob(), name);
}

/** @param {Blob} blob @param {string} name */
export function keepFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
