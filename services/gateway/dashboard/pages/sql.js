// Questions of one's own, as SQL over a copy of the figures; what was asked stays in this browser.
import { html, useEffect, useSignal } from "../base/html.js";
import { ask, keepFile } from "../base/api.js";
import { number } from "../base/formats.js";
import { keep, kept } from "../base/keeping.js";
import { useAction } from "../base/poll.js";
import { linkTo } from "../base/route.js";
import { mayChange } from "../base/signin.js";
import { say } from "../base/words.js";
import { Card, Empty, ErrorNote, ReadOnly } from "../parts/cards.js";
import { Grid, GridFoot } from "../parts/grid.js";
import { Main } from "../parts/shell.js";
import { SqlEditor } from "../parts/sqleditor.js";

const FIRST = "select day, service, count(*) as leases, sum(units_used) as units\nfrom lease_facts\ngroup by all\norder by day desc, service";
const ASKED_MAX = 20;
const COLUMNS = "select distinct table_name, column_name from duckdb_columns() where not internal order by all";

export function Page() {
  const text = useSignal(kept("sql", FIRST));
  const asked = useSignal(/** @type {string[]} */ (kept("sql.asked", [])));
  const table = useSignal(/** @type {any} */ (null));
  const isAsked = useSignal(false);
  const schema = useSignal(/** @type {Record<string, string[]>} */ ({}));
  const action = useAction();
  const run = () =>
    action.run(async () => {
      const query = text.value.trim();
      if (!mayChange() || !query) return;
      keep("sql", query);
      isAsked.value = true;
      table.value = await ask("/api/sql", { method: "POST", body: { query } }).catch((error) => {
        table.value = null; // what was asked before is no answer to this
        throw error;
      });
      asked.value = [query, ...asked.value.filter((one) => one !== query)].slice(0, ASKED_MAX);
      keep("sql.asked", asked.value);
    });
  useEffect(() => {
    if (!mayChange()) return;
    ask("/api/sql", { method: "POST", body: { query: COLUMNS } }).then(
      ({ rows }) => {
        /** @type {Record<string, string[]>} */
        const tables = {};
        for (const [name, column] of rows) (tables[name] ??= []).push(column);
        schema.value = tables;
      },
      () => {}, // it completes nothing then; the error comes with the first question
    );
  }, []);
  if (!mayChange()) {
    return html`<${Main} title="SQL" more=${html`<${ReadOnly} />`}><${Card}><${Empty} title=${say("sql.operators")}>${say("sql.operators_more")} <a href=${linkTo("usage")}>${say("page.usage")}</a><//><//><//>`;
  }
  return html`
    <${Main} full title="SQL" more=${html`<span class="quiet small wide">${say("sql.read_only")}</span>`}>
      <div class="stack" style="margin-bottom: 14px">
        <${SqlEditor} text=${text} schema=${schema.value} onRun=${run} />
        <div class="row">
          <button class="main-action" disabled=${action.busy || !text.value.trim()} onClick=${run}>${action.busy ? say("busy") : say("sql.run")}</button>
          <span class="quiet small wide"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span>
          ${asked.value.length > 0 && html`<select aria-label=${say("sql.before")} style="max-width: 260px" value="" onChange=${(/** @type {any} */ event) => { text.value = event.currentTarget.value || text.value; event.currentTarget.value = ""; }}>
            <option value="">${say("sql.before")}</option>${asked.value.map((one) => html`<option value=${one}>${one.replace(/\s+/g, " ").slice(0, 90)}</option>`)}</select>`}
          ${table.value && html`<button onClick=${() => keepFile(new Blob([csvOf(table.value)], { type: "text/csv" }), "tidegate.csv")}>CSV</button>
            <button onClick=${() => keepFile(new Blob([JSON.stringify(objectsOf(table.value), null, 1)], { type: "application/json" }), "tidegate.json")}>JSON</button>`}
        </div>
        <${ErrorNote} error=${action.error} />
      </div>
      ${table.value === null ? !isAsked.value && html`<${Tables} schema=${schema.value} onPick=${(/** @type {string} */ name) => (text.value = `select * from ${name} limit 100`)} />`
        : table.value.rows.length === 0 ? html`<div class="card"><${Empty} title=${say("sql.no_rows")}>${say("sql.no_rows_more")}<//></div>`
        : html`<${Grid} label=${say("sql.rows")} busy=${action.busy} rows=${table.value.rows.map((/** @type {any[]} */ row, /** @type {number} */ place) => ({ row, place }))}
            keyOf=${(/** @type {any} */ one) => String(one.place)} columns=${columnsOf(table.value)} />
          <${GridFoot} count=${table.value.rows.length} sequence=${table.value.sequence} lag=${table.value.lag}>${table.value.truncated && html`<span>${say("usage.cut", { count: number(table.value.rows.length) })}</span>`}<//>`}
    <//>
  `;
}

/** What there is to ask of. @param {{schema: Record<string, string[]>, onPick: (name: string) => void}} props */
const Tables = ({ schema, onPick }) => html`
  <${Card} title=${say("sql.tables")}>
    ${Object.keys(schema).length === 0 ? html`<p class="quiet" role="status">${say("loading")}</p>` : html`
      <ul class="states">${Object.entries(schema).map(([name, columns]) => html`<li style="grid-template-columns: minmax(120px, 200px) minmax(0, 1fr)">
        <span class="cut"><button class="link mono" onClick=${() => onPick(name)}>${name}</button></span><span class="quiet small cut" title=${columns.join(", ")}>${columns.join(", ")}</span></li>`)}</ul>`}
  <//>
`;

/** @param {{columns: string[], rows: any[][]}} table @returns {import("../parts/grid.js").Column<any>[]} */
const columnsOf = (table) =>
  table.columns.map((name, place) => {
    const isNumber = table.rows.some((row) => typeof row[place] === "number");
    const width = table.columns.length > 6 ? "150px" : undefined;
    return { name: `${name}${place}`, label: name, width, kind: isNumber ? "num" : "", cell: ({ row }) => textOf(row[place]), title: ({ row }) => textOf(row[place]) };
  });

/** @param {any} value */
const textOf = (value) => (value === null ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));

/** @param {{columns: string[], rows: any[][]}} table */
const objectsOf = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, place) => [name, row[place]])));

/** RFC 4180; what a spreadsheet would take for a formula has a `'` before it. @param {{columns: string[], rows: any[][]}} table */
export function csvOf({ columns, rows }) {
  const cell = (/** @type {any} */ value) => {
    const text = value === null ? "" : textOf(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}
