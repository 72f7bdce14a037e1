/**
 * Runs of Weights & Biases, by its GraphQL interface: names, tags, configurations, summaries.
 *
 * Nothing here reaches the network: requests go through a function that is handed in.
 *
 * @see {@link https://docs.wandb.ai/ref/python/public-api/runs | wandb.Api().runs}
 *
 * @module
 */

import { DataError, refuseMember, show } from "./errors.ts";

type Json = Readonly<Record<string, unknown>>;

/** One run, from the server or from a file. */
export interface WandbRun {
  /** Its id, of a few letters and digits. */
  readonly id: string;
  /** Its name on pages. */
  readonly name: string;
  /** Its tags. */
  readonly tags: readonly string[];
  /** "finished", "failed", "crashed", "running", … */
  readonly state: string;
  /** Its configuration, without wandb's own members. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The last values of what it logged, losses among them. NaN is null. */
  readonly summary: Readonly<Record<string, unknown>>;
  /** The names under which it logged, sorted; those within objects as "a.b". */
  readonly historyKeys: readonly string[];
}

/** How to reach a server. */
export interface WandbAccess {
  /** Sends a request, as `fetch` does. */
  readonly send: (url: string, init: RequestInit) => Promise<Response>;
  /** The server, as in WANDB_BASE_URL; that of Weights & Biases if left out or empty. */
  readonly baseUrl?: string | undefined;
  /** As in WANDB_API_KEY; left out, only what is public can be read. */
  readonly apiKey?: string | undefined;
}

/** Which runs to read. */
export interface WandbQuery {
  /** Only runs with this tag; all if left out. */
  readonly tag?: string | undefined;
  /** Runs to ask for at a time. */
  readonly nPerPage?: number;
  /** The most runs to read; more are an error. */
  readonly nMost?: number;
}

const query = `
query Runs($entity: String!, $project: String!, $filters: JSONString, $after: String, $first: Int) {
  project(name: $project, entityName: $entity) {
    runs(filters: $filters, after: $after, first: $first, order: "+created_at") {
      edges { cursor node { name displayName tags state config summaryMetrics historyKeys } }
      pageInfo { endCursor hasNextPage }
    }
  }
}`;

/**
 * Reads the runs of a project, oldest first, a page at a time.
 *
 * The tag is asked of the server and looked at again here, so that no other run comes through.
 *
 * Cost: a request for every `nPerPage` runs.
 *
 * @param path "entity/project".
 * @param access How to reach the server.
 * @param options Which runs.
 * @returns The runs.
 * @throws {RangeError} If `path` is not of two parts. @throws {DataError} If the server refuses, or
 *   answers otherwise than it should; the key is in no message.
 *
 * @example A server that knows one run
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const node = { name: "p0hc", displayName: "step 512", tags: ["l1-3"], state: "finished" };
 * const runs = { edges: [{ node, cursor: "a" }], pageInfo: { hasNextPage: false } };
 * const send = () => Promise.resolve(Response.json({ data: { project: { runs } } }));
 *
 * assert.deepEqual((await readWandbRuns("lab/saes", { send })).map(({ id }) => id), ["p0hc"]);
 * ```
 */
export async function readWandbRuns(
  path: string,
  access: WandbAccess,
  { tag, nPerPage = 50, nMost = 10_000 }: WandbQuery = {},
): Promise<readonly WandbRun[]> {
  const [entity, project, ...more] = path.split("/");
  if (!entity || !project || more.length > 0) {
    throw new RangeError(
      `Cannot read runs of ${show(path)}: expected "entity/project", got ${show(path)}`,
    );
  }
  const runs: WandbRun[] = [];
  const cursors = new Set<string>();
  let nSeen = 0;
  const filters = JSON.stringify(tag === undefined ? {} : { tags: { $in: [tag] } });
  for (let after: string | null = null;;) {
    const answer = await ask(path, { entity, project, filters, after, first: nPerPage }, access);
    const { edges, next } = pageOf(answer, path);
    nSeen += edges.length;
    for (const { node } of edges) {
      const run = runOf(asObject(node, path, "node"), path);
      if (tag === undefined || run.tags.includes(tag)) runs.push(run);
    }
    if (next === undefined || edges.length === 0) return runs;
    if (cursors.has(next) || nSeen > nMost) {
      throw new DataError("read runs of", {
        where: path,
        expected: cursors.has(next) ? "another page" : `at most ${nMost} runs`,
        got: cursors.has(next) ? `cursor ${show(next)} twice` : `${nSeen} and more`,
      });
    }
    cursors.add(next);
    after = next;
  }
}

// Asks the server; what it answers as data.
async function ask(
  path: string,
  variables: Json,
  { send, baseUrl, apiKey }: WandbAccess,
): Promise<Json> {
  const server = (baseUrl || "https://api.wandb.ai").replace(/\/+$/, "");
  const where = `${path} at ${server}`;
  const refuse = (expected: string, got: string, cause?: unknown): never => {
    throw new DataError("read runs of", { where, expected, got }, { cause });
  };
  let status = 0;
  let text = "";
  try {
    const response = await send(`${server}/graphql`, {
      method: "POST",
      redirect: "error",
      headers: {
        "content-type": "application/json",
        ...(apiKey ? { authorization: `Basic ${btoa(`api:${apiKey}`)}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
    });
    status = response.status;
    text = await response.text();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    refuse("an answer", cause instanceof Error ? cause.message : show(cause), cause);
  }
  if (status === 401 || status === 403) {
    refuse("a key that may read them, in WANDB_API_KEY", `status ${status}`);
  }
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    refuse("JSON", `status ${status} and ${show(text.slice(0, 40))}`, cause);
  }
  const { data, errors } = asObject(answer, where, "answer");
  if (Array.isArray(errors) && errors.length > 0) {
    refuse("no errors", `status ${status} and ${show(errors[0]?.message ?? errors[0])}`);
  }
  if (status !== 200) refuse("status 200", `status ${status}`);
  const { project } = asObject(data, where, "data");
  if (project === null || project === undefined) {
    refuse("a project, and for a private one a key in WANDB_API_KEY", "no project");
  }
  return asObject(project, where, "project");
}

function pageOf(project: Json, where: string) {
  const runs = asObject(project.runs, where, "runs");
  const { endCursor, hasNextPage } = asObject(runs.pageInfo, where, "pageInfo");
  if (!Array.isArray(runs.edges)) refuseMember(where, "edges", "a list", runs.edges);
  const edges = runs.edges.map((edge) => asObject(edge, where, "edge"));
  if (hasNextPage !== true) return { edges, next: undefined };
  const next = edges.at(-1)?.cursor ?? endCursor; // as the Python client does
  if (typeof next !== "string") refuseMember(where, "cursor", "text", next);
  return { edges, next };
}

function runOf(node: Json, where: string): WandbRun {
  const id = node.name;
  if (typeof id !== "string") refuseMember(where, "name", "text", id);
  const within = `run ${id} of ${where}`;
  const tags = node.tags ?? [];
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
    refuseMember(within, "tags", "a list of texts", tags);
  }
  const { keys } = jsonOf(node.historyKeys, within, "historyKeys");
  return {
    id,
    name: String(node.displayName ?? id),
    tags,
    state: String(node.state ?? "unknown"),
    config: ownConfig(jsonOf(node.config, within, "config")),
    summary: withoutOwn(jsonOf(node.summaryMetrics, within, "summaryMetrics")),
    historyKeys: Object.keys(asObject(keys ?? {}, within, "historyKeys")).sort(),
  };
}

// Members of a configuration, which the server wraps as { value, desc }.
function ownConfig(config: Json): Json {
  return Object.fromEntries(
    Object.entries(withoutOwn(config)).map(([key, value]) => {
      const isWrapped = typeof value === "object" && value !== null && "value" in value;
      return [key, isWrapped ? value.value : value];
    }),
  );
}

/**
 * A configuration or summary without what wandb keeps in it for itself.
 *
 * @param members All members.
 * @returns Those of the user, and `_step`, `_runtime` and `_timestamp`.
 *
 * @example What is left out
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(withoutOwn({ lr: 1, _wandb: {}, wandb_version: 1 }), { lr: 1 });
 * ```
 */
export function withoutOwn(
  members: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(members).filter(([key]) => key !== "_wandb" && key !== "wandb_version"),
  );
}

// A JSON object, or the text of one; none if there is none.
function jsonOf(value: unknown, where: string, key: string): Json {
  if (value === null || value === undefined) return {};
  return asObject(
    typeof value === "string" ? parseWandbJson(value, `"${key}" in ${where}`) : value,
    where,
    key,
  );
}

/**
 * Parses JSON as wandb writes it, with bare NaN and Infinity among the numbers.
 *
 * @param text JSON.
 * @param where Where it stands, for a message.
 * @returns The value; NaN is null.
 * @throws {DataError} If it is not JSON otherwise.
 *
 * @example A loss that went wrong
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseWandbJson('{"l1": NaN, "mse": Infinity, "NaN": "NaN"}', "run a"), {
 *   l1: null,
 *   mse: Infinity,
 *   NaN: "NaN",
 * });
 * ```
 */
export function parseWandbJson(text: string, where: string): unknown {
  const withoutBare = (token: string) =>
    token === "NaN" ? "null" : token === "Infinity" ? "1e999" : token;
  try {
    return JSON.parse(text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|NaN|Infinity/g, withoutBare));
  } catch (cause) {
    throw new DataError(
      "read",
      { where, expected: "JSON", got: show(text.slice(0, 40)) },
      { cause },
    );
  }
}

function asObject(value: unknown, where: string, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuseMember(where, key, "an object", value);
  }
  return value as Json;
}
