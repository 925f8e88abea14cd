// What stands around every page: where one can go, who one is, and the help.
import { html, useEffect, useSignal } from "../base/html.js";
import { ApiError, fetchAnswer } from "../base/api.js";
import { isHelpOpen } from "../base/keyboard.js";
import { look } from "../base/look.js";
import { linkTo, route } from "../base/route.js";
import { signedIn, signOut } from "../base/signin.js";
import { language, LANGUAGES, say, speak } from "../base/words.js";
import { ErrorNote } from "./cards.js";
import { Dialog, Toasts } from "./dialogs.js";
import { Mark } from "./icons.js";
import { SignIn } from "./signin.js";

/** Every page by its name, loaded when it is opened. @type {Record<string, () => Promise<{Page: any}>>} */
export const PAGES = {
  overview: () => import("../pages/overview.js"),
  requests: () => import("../pages/requests.js"),
  sessions: () => import("../pages/sessions.js"),
  servers: () => import("../pages/servers.js"),
  usage: () => import("../pages/usage.js"),
  keys: () => import("../pages/keys.js"),
  sql: () => import("../pages/sql.js"),
  log: () => import("../pages/log.js"),
  audit: () => import("../pages/audit.js"),
  settings: () => import("../pages/settings.js"),
  playground: () => import("../pages/playground.js"),
};
const LOOKS = ["auto", "light", "dark"];
const AGAIN_MS = 3000;
/** Pages that nobody answered for: a browser keeps that in mind until the whole is loaded again. @type {Set<string>} */
const unanswered = new Set();

/** Everything that is seen. */
export function Shell() {
  const isOpen = useSignal(false);
  useEffect(() => {
    isOpen.value = false;
  }, [route.value]);
  if (!signedIn.value) return html`<${SignIn} />`;
  const { page } = route.value;
  return html`
    <div class="shell">
      <aside class=${`side ${isOpen.value ? "open" : ""}`}>
        <a class="brand" href=${linkTo("overview")}><${Mark} />Tidegate</a>
        <button class="menu" aria-expanded=${String(isOpen.value)} onClick=${() => (isOpen.value = !isOpen.value)}>☰ ${Object.hasOwn(PAGES, page) ? say(`page.${page}`) : say("pages")}</button>
        <nav class="nav" aria-label=${say("pages")}>
          ${Object.keys(PAGES).map((name) => html`
            <a href=${linkTo(name)} aria-current=${page === name ? "page" : undefined}>${say(`page.${name}`)}</a>
          `)}
        </nav>
        <${Foot} />
      </aside>
      <${OpenPage} name=${page} />
    </div>
    ${isHelpOpen.value && html`<${Help} />`}
    <${Toasts} />
  `;
}

/** Load the open page and show it. @param {{name: string}} props */
function OpenPage({ name }) {
  const loaded = useSignal(/** @type {{name: string, Page: any} | null} */ (null));
  const error = useSignal(/** @type {ApiError | null} */ (null));
  useEffect(() => {
    error.value = null;
    const load = Object.hasOwn(PAGES, name) && PAGES[name];
    document.title = `${load ? say(`page.${name}`) : say("no_page")} · Tidegate`;
    if (!load) return undefined;
    let timer = 0;
    let isOver = false;
    load().then(
      ({ Page }) => (loaded.value = { name, Page }),
      async (fault) => {
        error.value = await loadError(fault);
        if (error.value.code === "unreachable") unanswered.add(name);
        else if (error.value.code !== "page_unloadable") return;
        if (unanswered.has(name) && !isOver) timer = setInterval(reloadOnceThere, AGAIN_MS);
      },
    );
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [name, language.value]);
  if (!Object.hasOwn(PAGES, name)) return html`<${Main} title=${say("no_page")}><p><a href=${linkTo("overview")}>${say("page.overview")}</a></p><//>`;
  if (error.value) return html`<${Main} title=${say(`page.${name}`)}><${ErrorNote} error=${error.value} again=${() => location.reload()} /><//>`;
  if (loaded.value?.name !== name) return html`<${Main} title=${say(`page.${name}`)} />`;
  return html`<${loaded.value.Page} key=${name} />`;
}

/** Load the page anew as soon as somebody answers. */
const reloadOnceThere = () => fetchAnswer("/").then(() => location.reload(), () => {});

/** Why a module did not load: another version answers, nobody does, or it is at fault itself. @param {unknown} fault */
async function loadError(fault) {
  const here = /** @type {HTMLScriptElement} */ (document.querySelector("script[type=module]")).getAttribute("src") ?? "";
  try {
    const page = await (await fetchAnswer("/")).text();
    return page.includes(`"${here}"`) ? new ApiError("page_unloadable", String(fault)) : new ApiError("page_renewed", "");
  } catch {
    return new ApiError("unreachable", "");
  }
}

/** A page: its title, what is true of it, and its content. @param {{title: any, more?: any, full?: boolean, children?: any}} props */
export const Main = ({ title, more, full = false, children }) => html`
  <main class=${`main ${full ? "full" : ""}`}>
    <div class="head">
      <h1>${title}</h1>
      ${more}
      <button class="square wide" aria-label=${say("help.title")} onClick=${() => (isHelpOpen.value = true)}>?</button>
    </div>
    ${children}
  </main>
`;

/** Who is signed in, the language, the look. */
function Foot() {
  const who = signedIn.value;
  const nextLook = LOOKS[(LOOKS.indexOf(look.value) + 1) % LOOKS.length];
  return html`
    <div class="foot">
      <div class="who wide">${who?.key_name} · ${say(`scope.${who?.scope}`)}<br />Tidegate ${who?.version}</div>
      <div class="switches"><${Languages} />
        <button class="link" onClick=${() => (look.value = nextLook)}>${say(`look.${look.value}`)}</button>
      </div>
      <div><button class="link" onClick=${signOut}>${say("sign_out")}</button></div>
    </div>
  `;
}

/** The other language, in its own words. */
export function Languages() {
  const other = language.value === "en" ? "zh" : "en";
  return html`<button class="link" lang=${other} onClick=${() => speak(other)}>${LANGUAGES[other]}</button>`;
}

function Help() {
  const keys = ["search", "down", "up", "ends", "open", "close", "help"];
  return html`
    <${Dialog} narrow title=${say("help.title")} onClose=${() => (isHelpOpen.value = false)}>
      <dl class="pairs">${keys.map((name) => html`<dt><kbd>${say(`help.${name}.key`)}</kbd></dt><dd>${say(`help.${name}`)}</dd>`)}</dl>
      <p class="quiet small">${say("help.zones", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })}</p>
    <//>
  `;
}
