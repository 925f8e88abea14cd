// Whether the log proves what is claimed: the last audits, the chain, checkpoints and backups.
import { html } from "../base/html.js";
import { bytes, clock, duration, moment, number } from "../base/formats.js";
import { usePolled } from "../base/poll.js";
import { say } from "../base/words.js";
import { Answer, Card, Empty } from "../parts/cards.js";
import { Code } from "../parts/code.js";
import { Main } from "../parts/shell.js";
import { Chip } from "../parts/states.js";
import { TrueAt } from "../parts/trueat.js";

export function Page() {
  const polled = usePolled("/api/audit", 10);
  return html`
    <${Main} title=${say("page.audit")} more=${polled.value && html`<${TrueAt} of=${{ analytics: polled.value.sequence }} lag=${polled.value.lag} />`}>
      <${Answer} polled=${polled}>${(/** @type {any} */ seen) => html`
        <div class="stack">
          <${Last} audits=${seen.audits} />
          <div class="columns">
            <${Card} title=${say("audit.chain")}>
              <p class="quiet small" style="margin-bottom: 8px">${say("audit.chain_says")}</p>
              <ul class="states">${seen.chain.map((/** @type {any} */ one) => html`<li style="grid-template-columns: minmax(0, 1fr)">
                <div class="row apart"><b>${one.subject}</b><span class="tab quiet">${say("audit.link", { number: number(one.number), sequence: number(one.sequence) })}</span></div>
                <code class="quiet cut" title=${one.hash}>${one.hash}</code></li>`)}</ul>
            <//>
            <${Card} title=${say("audit.checkpoints")}>
              ${seen.checkpoints.length === 0 ? html`<${Empty} title=${say("audit.no_checkpoints")}>${say("audit.no_checkpoints_more")}<//>` : html`
                <ul class="states">${seen.checkpoints.map((/** @type {any} */ one) => html`<li><span class="cut" title=${one.detail?.state_hash}><span class="tab">${one.event_id}</span> <code class="quiet">${one.detail?.state_hash ?? ""}</code></span><span class="quiet tab">${clock(one.at)}</span></li>`)}</ul>`}
            <//>
          </div>
          <${Card} title=${say("audit.backups")}>
            ${seen.backups.length === 0 ? html`<${Empty} title=${say("audit.no_backups")}><code>tidegate backup tidegate.tar</code><//>` : html`
              <div class="scroll" tabindex="0" role="region" aria-label=${say("audit.backups")}><table><thead><tr>
                <th scope="col">${say("at")}</th><th scope="col">${say("audit.file")}</th><th scope="col" class="num">${say("audit.size")}</th><th scope="col" class="num">${say("audit.sequence")}</th></tr></thead>
                <tbody>${seen.backups.map((/** @type {any} */ one) => html`<tr><td class="tab" title=${moment(one.at)}>${clock(one.at)}</td><td>${one.name} <span class="quiet">${one.host}</span></td><td class="num">${bytes(one.bytes)}</td><td class="num">${number(one.sequence)}</td></tr>`)}</tbody></table></div>`}
          <//>
        </div>`}<//>
    <//>
  `;
}

/** @param {{audits: any[]}} props */
function Last({ audits }) {
  const [last, ...before] = audits;
  if (!last) {
    return html`<${Card} title=${say("audit.last")}><${Empty} title=${say("audit.none")}>${say("audit.none_more")}<//><${Code} text="tidegate audit" /><//>`;
  }
  return html`
    <${Card} title=${html`${say("audit.last")} <${Chip} state=${last.ok ? "ok" : "wrong"}>${say(last.ok ? "audit.ok" : "audit.violations", { n: last.violations, count: number(last.violations) })}<//>`}
      more=${html`<span class="quiet tab" title=${moment(last.at)}>${clock(last.at)} · ${last.by}</span>`}>
      <div class="stack">
        <p>${say("audit.read", { envelopes: number(last.envelopes), events: number(last.events), sequence: number(last.sequence), long: duration((last.took_s ?? 0) * 1000) })}</p>
        ${last.first.length > 0 && html`<ul class="attention">${last.first.map((/** @type {string} */ words) => html`<li><${Chip} state="wrong" /><span class="wrap">${words}</span></li>`)}</ul>`}
        <${Code} text=${last.command} />
        ${before.length > 0 && html`<h3>${say("audit.before")}</h3><ul class="states">${before.map((one) => html`
          <li><span><${Chip} state=${one.ok ? "ok" : "wrong"}>${say(one.ok ? "audit.ok" : "audit.violations", { n: one.violations, count: number(one.violations) })}<//> <span class="quiet">${one.by}</span></span><span class="quiet tab">${clock(one.at)} · ${number(one.sequence)}</span></li>`)}</ul>`}
      </div>
    <//>
  `;
}
