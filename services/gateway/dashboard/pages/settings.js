// The configuration in force and where each value comes from, who has which master key, and health.
import { html, useSignal } from "../base/html.js";
import { addressOf, ask } from "../base/api.js";
import { number } from "../base/formats.js";
import { useAction, usePolled } from "../base/poll.js";
import { mayChange } from "../base/signin.js";
import { say, wordFor } from "../base/words.js";
import { Answer, Card, Empty, ErrorNote, Pairs, ReadOnly } from "../parts/cards.js";
import { tell } from "../parts/dialogs.js";
import { Search, Select } from "../parts/fields.js";
import { Main } from "../parts/shell.js";
import { Chip, State } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";

const SOURCES = ["file", "environment", "api", "default"];

export function Page() {
  const config = usePolled("/api/config", 10);
  const health = usePolled("/health", 5);
  const secrets = usePolled("/api/secrets", 30);
  return html`
    <${Main} title=${say("page.settings")}>
      <div class="stack">
        ${config.value?.held && html`<${Held} held=${config.value.held} onDone=${config.again} />`}
        <div class="columns">
          <${Card} title=${say("settings.health")}><${Answer} polled=${health}>${(/** @type {any} */ one) => html`<${Health} health=${one} config=${config.value} />`}<//><//>
          <${Card} title=${say("settings.secrets")} more=${secrets.value?.sequence > 0 && html`<${TrueAt} of=${{ pool: secrets.value.sequence }} />`}><${Answer} polled=${secrets}>${(/** @type {any} */ one) => html`<${Secrets} secrets=${one} />`}<//><//>
        </div>
        <${Card} title=${say("settings.in_force")} more=${html`<span class="quiet wrap">${config.value?.file ?? say("settings.no_file")}</span> <${TrueAt} of=${{ balancer: config.value?.sequence }} />`}>
          <${Answer} polled=${config}>${(/** @type {any} */ one) => (one.trouble ? html`<div class="note warn">${one.trouble}</div>` : html`<${InForce} settings=${one.settings ?? []} />`)}<//>
        <//>
      </div>
    <//>
  `;
}

/** A configuration that would take servers away waits for a word. @param {{held: any, onDone: () => void}} props */
function Held({ held, onDone }) {
  const action = useAction();
  const accept = () =>
    action.run(async () => {
      await ask("/api/config/accept", { method: "POST", body: { digest: held.digest } });
      tell(say("settings.did_accept"));
      onDone();
    });
  return html`
    <div class="note warn"><div class="stack" style="gap: 8px">
      <b>${say("settings.held")}</b><span>${held.reason}</span>
      ${held.removes.length > 0 && html`<span>${say("settings.removes", { names: held.removes.join(", ") })}</span>`}
      <div>${mayChange() ? html`<button class="danger" disabled=${action.busy} onClick=${accept}>${say("settings.accept")}</button>` : html`<${ReadOnly} />`}</div>
      <${ErrorNote} error=${action.error} />
    </div></div>
  `;
}

/** @param {{health: any, config: any}} props */
const Health = ({ health, config }) => html`
  <${Pairs} of=${[
    [say("state"), html`<${Chip} state=${health.status === "ok" ? "ok" : "wrong"}>${say(health.status === "ok" ? "settings.ok" : "settings.degraded")}<//>`],
    ...Object.entries(health.services).map(([name, isThere]) => /** @type {[any, any]} */ ([say(`settings.${name}`), html`<${State} state=${isThere ? "up" : "down"} />`])),
    [say("page.sessions"), say("settings.sessions", { active: number(health.sessions.active), least: number(health.sessions.minRequired) })],
    [say("page.servers"), say("settings.servers", { healthy: number(health.servers.healthy), total: number(health.servers.total) })],
    [say("settings.statistics"), health.statistics.current ? say("settings.current") : health.statistics.reason],
    [say("settings.version"), config?.version],
    [say("gateway"), config?.gateway_id],
  ]} />
  <p class="row apart" style="margin-top: 12px"><a href=${addressOf("schema")} target="_blank" rel="noopener">${say("settings.schema")}</a>
    <${TrueAt} of=${{ pool: health.sessions.sequence, balancer: health.servers.sequence, analytics: health.statistics.sequence }} /></p>
`;

/** @param {{secrets: any}} props */
const Secrets = ({ secrets }) => html`
  <${Pairs} of=${[
    [say("settings.sealing"), html`<code>${secrets.key_ids[0]}</code>`],
    ...Object.entries(secrets.ciphertexts).map(([id, count]) => /** @type {[any, any]} */ ([html`<code>${id}</code>`, say("settings.sealed", { n: Number(count), count: number(Number(count)) })])),
  ]} />
  <h3 style="margin: 14px 0 4px">${say("settings.holders")}</h3>
  <ul class="states">${secrets.holders.map((/** @type {any} */ one) => html`<li><span class="cut" title=${one.process}>${one.process}</span><code>${one.key_ids.join(" ")}</code></li>`)}</ul>
`;

/** A name that may go on in a line of its own behind a dot or an underscore. @param {string} name */
const broken = (name) => name.split(/(?<=[._])/).map((part) => html`${part}<wbr />`);

/** @param {{settings: any[]}} props */
function InForce({ settings }) {
  const text = useSignal("");
  const from = useSignal("");
  const shown = settings.filter((one) => (!from.value || one.from === from.value) && `${one.name} ${one.variable ?? ""} ${one.value}`.toLowerCase().includes(text.value.toLowerCase()));
  return html`
    <div class="filters">
      <${Search} value=${text.value} label=${say("settings.search")} onValue=${(/** @type {string} */ said) => (text.value = said)} />
      <${Select} value=${from.value} label=${say("settings.from_any")} options=${SOURCES.map((name) => [name, wordFor("source", name)])} onValue=${(/** @type {string} */ name) => (from.value = name)} />
    </div>
    ${shown.length === 0 ? html`<${Empty} title=${say("settings.none_fits")} />` : html`
      <table class="plain"><thead><tr><th scope="col" style="width: 46%">${say("settings.name")}</th><th scope="col">${say("settings.value")}</th><th scope="col" style="width: 92px">${say("settings.from")}</th></tr></thead>
      <tbody>${shown.map((one) => html`<tr key=${one.name}>
        <td class="wrap"><code>${broken(one.name)}</code>${one.variable && html`<div class="quiet small wide wrap">${one.variable}</div>`}</td>
        <td class="wrap"><code>${one.secret ? say("settings.secret") : typeof one.value === "string" ? one.value : JSON.stringify(one.value)}</code></td>
        <td><span class=${`chip ${one.from === "default" ? "" : "good"}`}>${wordFor("source", one.from)}</span></td></tr>`)}</tbody></table>`}
  `;
}
