// An editor for DuckDB's SQL with completion, in a shadow root: its styles stay its own.
import { html, useEffect, useRef } from "../base/html.js";
import { theme } from "../base/look.js";
import { say } from "../base/words.js";

const KEYWORDS =
  "select from where group by order having limit offset with recursive as join left right full outer inner cross on using union all except intersect distinct case when then else end and or not in is null like ilike between exists values qualify window over partition rows range unpivot pivot asof lateral sample describe summarize show explain analyze filter exclude replace columns asc desc nulls first last true false cast try_cast interval grouping sets rollup cube";
const BUILTIN =
  "count sum avg min max median mode quantile_cont quantile_disc approx_quantile approx_count_distinct arg_max arg_min any_value list string_agg histogram stddev corr date_trunc date_part date_diff epoch_ms now today strftime strptime coalesce nullif greatest least round floor ceil abs length lower upper trim split_part regexp_matches regexp_extract regexp_replace starts_with contains unnest struct_pack list_filter list_transform json_extract json_extract_string row_number rank dense_rank lag lead first_value last_value ntile generate_series range";
const TYPES = "integer bigint hugeint double varchar boolean date time timestamp timestamptz interval decimal json struct map list uuid blob";

/** What the editor completes: columns by table. @typedef {Record<string, string[]>} Schema */

/** @param {{text: {value: string}, schema: Schema, onRun: () => void}} props */
export function SqlEditor({ text, schema, onRun }) {
  const host = useRef(/** @type {HTMLElement | null} */ (null));
  const view = useRef(/** @type {any} */ (null));
  const parts = useRef(/** @type {any} */ (null));
  useEffect(() => {
    let over = false;
    import("editor").then((cm) => {
      const box = /** @type {HTMLElement} */ (host.current);
      if (over || !box) return;
      const root = box.shadowRoot ?? box.attachShadow({ mode: "open" });
      root.replaceChildren();
      const language = new cm.Compartment();
      const look = new cm.Compartment();
      const dialect = cm.SQLDialect.define({ keywords: KEYWORDS, builtin: BUILTIN, types: TYPES, doubleQuotedStrings: false });
      const sqlOf = (/** @type {Schema} */ tables) => cm.sql({ dialect, schema: tables, upperCaseKeywords: false });
      view.current = new cm.EditorView({
        parent: root,
        root,
        state: cm.EditorState.create({
          doc: text.value,
          extensions: [
            cm.lineNumbers(), cm.history(), cm.bracketMatching(), cm.closeBrackets(), cm.autocompletion(), cm.EditorView.lineWrapping,
            cm.placeholder(say("sql.hint")),
            cm.keymap.of([{ key: "Mod-Enter", run: () => (onRun(), true) }, ...cm.closeBracketsKeymap, ...cm.completionKeymap, ...cm.historyKeymap, ...cm.defaultKeymap]),
            cm.EditorView.domEventHandlers({ beforeinput: (/** @type {InputEvent} */ event, /** @type {any} */ editor) => typeOver(cm, editor, event) }),
            language.of(sqlOf(schema)),
            look.of(lookOf(cm)),
            cm.EditorView.updateListener.of((/** @type {any} */ update) => update.docChanged && (text.value = update.state.doc.toString())),
            cm.EditorView.contentAttributes.of({ "aria-label": say("sql.statement") }),
          ],
        }),
      });
      parts.current = { cm, language, look, sqlOf };
    });
    return () => {
      over = true;
      view.current?.destroy();
      view.current = null;
    };
  }, []);
  useEffect(() => {
    if (view.current) view.current.dispatch({ effects: parts.current.language.reconfigure(parts.current.sqlOf(schema)) });
  }, [schema]);
  useEffect(() => {
    if (view.current) view.current.dispatch({ effects: parts.current.look.reconfigure(lookOf(parts.current.cm)) });
  }, [theme.value]);
  useEffect(() => {
    const doc = view.current?.state.doc;
    if (doc && doc.toString() !== text.value) view.current.dispatch({ changes: { from: 0, to: doc.length, insert: text.value } });
  }, [text.value]);
  return html`<div class="editor-host" ref=${host}></div>`;
}

/**
 * Type over what is selected by the editor's own means: Chromium's would set styles where colours meet, which the
 * page's policy refuses. @param {any} cm @param {any} editor @param {InputEvent} event
 */
function typeOver(cm, editor, event) {
  const { from, to } = editor.state.selection.main;
  const text = event.data;
  if (event.inputType !== "insertText" || !text || from === to || editor.state.selection.ranges.length > 1) return false;
  const change = () => editor.state.update({ changes: { from, to, insert: text }, selection: { anchor: from + text.length }, scrollIntoView: true, userEvent: "input.type" });
  const handlers = editor.state.facet(cm.EditorView.inputHandler);
  if (!handlers.some((/** @type {any} */ handle) => handle(editor, from, to, text, change))) editor.dispatch(change());
  event.preventDefault();
  return true;
}

/** The page's colours. @param {any} cm */
function lookOf(cm) {
  const isDark = theme.value === "dark";
  const { tags } = cm;
  const words = cm.HighlightStyle.define([
    { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
    { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
    { tag: [tags.number, tags.bool, tags.null], color: "var(--type-4)" },
    { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
    { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--type-2)" },
  ]);
  const ground = cm.EditorView.theme(
    {
      "&": { fontSize: "13px", color: "var(--text)", backgroundColor: "var(--surface)" },
      ".cm-scroller": { fontFamily: "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace", minHeight: "140px", maxHeight: "320px", overflow: "auto" },
      ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--muted)", border: "none" },
      ".cm-content": { caretColor: "var(--text)", padding: "10px 0" },
      "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
      ".cm-placeholder": { color: "var(--muted)" },
      ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)" },
      ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--text)" },
      ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "var(--accent-soft)" },
    },
    { dark: isDark },
  );
  return [ground, cm.syntaxHighlighting(words)];
}
