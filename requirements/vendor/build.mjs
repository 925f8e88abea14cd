// Writes the dashboard's vendor/ anew from node_modules: files, licences, and the list of them.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const vendor = join(here, "../../services/gateway/dashboard/vendor");

const AS_SHIPPED = {
  "preact.js": ["preact", "dist/preact.mjs"],
  "hooks.js": ["preact", "hooks/dist/hooks.mjs"],
  "signals-core.js": ["@preact/signals-core", "dist/signals-core.mjs"],
  "signals.js": ["@preact/signals", "dist/signals.mjs"],
  "htm.js": ["htm", "dist/htm.mjs"],
};
const described = (name) => JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));

rmSync(vendor, { recursive: true, force: true });
mkdirSync(join(vendor, "licences"), { recursive: true });
const packagesOf = {};

for (const [file, [name, path]] of Object.entries(AS_SHIPPED)) {
  const text = readFileSync(join(modules, name, path), "utf8");
  writeFileSync(join(vendor, file), text.replace(/\/\/# sourceMappingURL=\S+/g, "").trimEnd() + "\n");
  packagesOf[file] = [name];
}
const bundled = { bundle: true, minify: true, format: "esm", legalComments: "none", target: "es2022", metafile: true };
for (const [file, entry] of Object.entries({
  "uplot.js": join(modules, "uplot/dist/uPlot.esm.js"),
  "uplot.css": join(modules, "uplot/dist/uPlot.min.css"),
  "editor.js": join(here, "editor.js"),
})) {
  const { metafile } = await build({ ...bundled, entryPoints: [entry], outfile: join(vendor, file) });
  const found = Object.keys(metafile.inputs).map((path) => /node_modules\/((@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  packagesOf[file] = [...new Set(found.filter(Boolean))].sort();
}
for (const name of new Set(Object.values(packagesOf).flat())) {
  const licence = readdirSync(join(modules, name)).find((file) => /^licen[cs]e/i.test(file));
  if (!licence) throw new Error(`${name} comes without a licence text`);
  writeFileSync(
    join(vendor, "licences", `${name.replace("@", "").replace("/", "-")}.txt`),
    readFileSync(join(modules, name, licence)),
  );
}
const files = Object.entries(packagesOf).map(([file, names]) => {
  const bytes = readFileSync(join(vendor, file));
  return {
    file,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    bytes: bytes.length,
    packages: names.map((name) => ({ name, version: described(name).version, licence: described(name).license })),
  };
});
writeFileSync(join(vendor, "vendor.json"), JSON.stringify({ files }, null, 2) + "\n");
if (existsSync(vendor)) console.log(files.map(({ file, bytes }) => `${file} ${bytes}`).join("\n"));
