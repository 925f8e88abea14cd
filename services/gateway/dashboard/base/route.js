// Which page is open, and what it is asked to show: `#/sessions?state=cooling`.
import { signal } from "@preact/signals";

/** @typedef {{page: string, id: string, query: Record<string, string>}} Route */

export const HOME = "overview";

/** @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  return {
    page: page || HOME,
    id: decoded(rest.join("/")),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} page @param {Record<string, unknown>} [query] @param {string} [id] */
export function linkTo(page, query = {}, id = "") {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `#/${page}${id ? `/${encodeURIComponent(id)}` : ""}${text ? `?${text}` : ""}`;
}

/** The one-time link that an address has (`#in=…`): it is no page. @param {string} hash */
export const linkIn = (hash) => /^#in=(.+)$/.exec(hash)?.[1];

export const route = signal(routeOf(linkIn(location.hash) ? "" : location.hash));

/** Open what the address says. */
export function followAddress() {
  if (!linkIn(location.hash)) route.value = routeOf(location.hash);
}

addEventListener("hashchange", followAddress);

/** @param {string} page @param {Record<string, unknown>} [query] @param {string} [id] */
export function openPage(page, query = {}, id = "") {
  history.pushState({ opened: true }, "", linkTo(page, query, id));
  followAddress();
}

let isLeaving = false;
addEventListener("popstate", () => (isLeaving = false));

/** Close what `openPage` opened: a step back, so that the next one does not open it again. @param {string} page @param {Record<string, unknown>} [query] */
export function closePage(page, query = {}) {
  if (isLeaving) return;
  isLeaving = Boolean(history.state?.opened);
  if (isLeaving) return void history.back();
  history.replaceState(null, "", linkTo(page, query));
  followAddress();
}

/** Change what the open page shows; no step back is left behind. @param {Record<string, unknown>} changes */
export function refine(changes) {
  const { page, id, query } = route.value;
  history.replaceState(null, "", linkTo(page, { ...query, ...changes }, id));
  route.value = routeOf(location.hash);
}
