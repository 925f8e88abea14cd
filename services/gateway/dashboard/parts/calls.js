// A call of a client, and the same as one would write it: curl, Python, Node.
import { addressOf } from "../base/api.js";

/** @typedef {{path: string, body: Record<string, any>}} Call */

/** The paths that every client of this trade knows. @type {Record<string, {path: string, bodyOf: (model: string, prompt: string) => Record<string, any>}>} */
export const KINDS = {
  image: {
    path: "/v1/images/generations",
    bodyOf: (model, prompt) => ({ model, prompt, response_format: "b64_json" }),
  },
  video: { path: "/v1/videos/generations", bodyOf: (model, prompt) => ({ model, prompt }) },
  chat: {
    path: "/v1/chat/completions",
    bodyOf: (model, prompt) => ({ model, messages: [{ role: "user", content: prompt }] }),
  },
};

/** @param {Call} call */
export const asCurl = ({ path, body }) =>
  `curl -s ${addressOf(path)} \\
  -H "Authorization: Bearer $KEY" \\
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify(body).replaceAll("'", `'\\''`)}'`;

/** @param {Call} call */
export function asPython({ path, body }) {
  const { response_format: format, ...rest } = body;
  const given = [...Object.entries(rest), ...(format ? [["response_format", format]] : [])].map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const begin = `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${addressOf("/v1")}", api_key=os.environ["KEY"])\n`;
  if (path.endsWith("/images/generations")) return `${begin}answer = client.images.generate(${given.join(", ")})\nprint(answer.data[0])`;
  if (path.endsWith("/chat/completions")) return `${begin}answer = client.chat.completions.create(${given.join(", ")})\nprint(answer.choices[0].message.content)`;
  return `${begin}answer = client.post("${path.replace(/^\/v1/, "")}", body=${JSON.stringify(body)}, cast_to=object)\nprint(answer)`;
}

/** @param {Call} call */
export const asNode = ({ path, body }) =>
  `const answer = await fetch("${addressOf(path)}", {
  method: "POST",
  headers: { Authorization: \`Bearer \${process.env.KEY}\`, "Content-Type": "application/json" },
  body: JSON.stringify(${JSON.stringify(body)}),
});
console.log(answer.status, await answer.json());`;
