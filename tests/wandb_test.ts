// The server's answers are written by hand, after what the Python client 0.31.0 asks for and reads:
// no server of wandb was asked.

import assert from "node:assert/strict";
import { DataError } from "../src/errors.ts";
import { parseWandbJson, readWandbRuns } from "../src/wandb.ts";

interface Asked {
  readonly url: string;
  readonly init: RequestInit;
  readonly variables: Record<string, unknown>;
}

type Answer = (asked: Asked) => Response | Promise<Response>;

/** A server that keeps what it was asked. */
function serverOf(answer: Answer) {
  const asked: Asked[] = [];
  const send = async (url: string, init: RequestInit) => {
    const { query, variables } = JSON.parse(init.body as string);
    assert.match(query, /project\(name: \$project, entityName: \$entity\)/);
    asked.push({ url, init, variables });
    return await answer(asked[asked.length - 1]);
  };
  return { send, asked };
}

const page = (edges: unknown[], pageInfo: unknown) =>
  Response.json({ data: { project: { runs: { edges, pageInfo } } } });
const last = { endCursor: null, hasNextPage: false };
const nodeOf = (name: string, more: object = {}) => ({
  name,
  displayName: `run of ${name}`,
  tags: ["l1-3"],
  state: "finished",
  config: "{}",
  summaryMetrics: "{}",
  historyKeys: null,
  ...more,
});

Deno.test("readWandbRuns() reads names, tags, configurations, summaries and history keys", async () => {
  const node = nodeOf("p0hcxgno", {
    config: JSON.stringify({
      _wandb: { value: { cli_version: "0.17.0" } },
      wandb_version: 1,
      checkpoint_path: { value: "checkpoints/p0hcxgno", desc: null },
      model_from_pretrained_kwargs: { value: { checkpoint_index: 153 }, desc: null },
      none: { value: null, desc: null },
      bare: 3,
    }),
    summaryMetrics:
      '{"losses/overall_loss": 142.7, "losses/l1_loss": NaN, "_step": 9, "_wandb": {"runtime": 1}}',
    historyKeys: { lastStep: 9, keys: { "losses/mse_loss": {}, _step: {}, "deep.x": {} } },
  });
  const { send, asked } = serverOf(() => page([{ node, cursor: "a" }], last));
  assert.deepEqual(await readWandbRuns("lab/saes", { send }), [{
    id: "p0hcxgno",
    name: "run of p0hcxgno",
    tags: ["l1-3"],
    state: "finished",
    config: {
      checkpoint_path: "checkpoints/p0hcxgno",
      model_from_pretrained_kwargs: { checkpoint_index: 153 },
      none: null,
      bare: 3,
    },
    summary: { "losses/overall_loss": 142.7, "losses/l1_loss": null, _step: 9 },
    historyKeys: ["_step", "deep.x", "losses/mse_loss"],
  }]);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].url, "https://api.wandb.ai/graphql");
  assert.equal(asked[0].init.method, "POST");
  assert.deepEqual(asked[0].variables, {
    entity: "lab",
    project: "saes",
    filters: "{}",
    after: null,
    first: 50,
  });
  assert.equal(new Headers(asked[0].init.headers).get("authorization"), null);
});

Deno.test("readWandbRuns() asks the server that it is given, with the key", async () => {
  for (const baseUrl of ["http://127.0.0.1:8080", "http://127.0.0.1:8080//"]) {
    const { send, asked } = serverOf(() => page([], last));
    assert.deepEqual(await readWandbRuns("lab/saes", { send, baseUrl, apiKey: "secret" }), []);
    assert.equal(asked[0].url, "http://127.0.0.1:8080/graphql");
    const authorization = new Headers(asked[0].init.headers).get("authorization");
    assert.equal(authorization, `Basic ${btoa("api:secret")}`);
  }
  const { send, asked } = serverOf(() => page([], last));
  await readWandbRuns("lab/saes", { send, baseUrl: "", apiKey: "" }); // variables that are set to nothing
  assert.equal(asked[0].url, "https://api.wandb.ai/graphql");
  assert.equal(new Headers(asked[0].init.headers).get("authorization"), null);
});

Deno.test("readWandbRuns() asks for the page after the last cursor until there is none", async () => {
  for (const nPerPage of [1, 2, 3, 7, 50]) {
    const names = Array.from({ length: 7 }, (_, i) => `run${i}`);
    const { send, asked } = serverOf(({ variables: { after, first } }) => {
      const start = after === null ? 0 : Number(after) + 1;
      const edges = names.slice(start, start + Number(first))
        .map((name, i) => ({ node: nodeOf(name), cursor: `${start + i}` }));
      return page(edges, {
        endCursor: "unused",
        hasNextPage: start + Number(first) < names.length,
      });
    });
    const runs = await readWandbRuns("lab/saes", { send }, { nPerPage });
    assert.deepEqual(runs.map(({ id }) => id), names);
    assert.equal(asked.length, Math.ceil(names.length / nPerPage));
  }
});

Deno.test("readWandbRuns() asks for a tag, and lets no run without it through", async () => {
  const { send, asked } = serverOf(() =>
    page([
      { node: nodeOf("a"), cursor: "a" },
      { node: nodeOf("b", { tags: ["l1-30"] }), cursor: "b" },
      { node: nodeOf("c", { tags: ["x", "l1-3"] }), cursor: "c" },
      { node: nodeOf("d", { tags: null }), cursor: "d" },
    ], last)
  );
  const runs = await readWandbRuns("lab/saes", { send }, { tag: "l1-3" });
  assert.deepEqual(runs.map(({ id }) => id), ["a", "c"]);
  assert.equal(asked[0].variables.filters, '{"tags":{"$in":["l1-3"]}}');
});

const answers: Record<string, [Answer, RegExp]> = {
  "that cannot be reached": [
    () => Promise.reject(new TypeError("connection refused")),
    /^Cannot read runs of lab\/saes at https:\/\/api\.wandb\.ai: expected an answer, got connection refused$/,
  ],
  "that knows no such key": [
    () => new Response("unauthorized", { status: 401 }),
    /expected a key that may read them, in WANDB_API_KEY, got status 401/,
  ],
  "that forbids": [() => new Response("", { status: 403 }), /in WANDB_API_KEY, got status 403/],
  "that is broken": [
    () => new Response("<html>bad gateway</html>", { status: 502 }),
    /expected JSON, got status 502 and "<html>bad gateway<\/html>"/,
  ],
  "that is broken, in JSON": [
    () => Response.json({ data: {} }, { status: 500 }),
    /expected status 200, got status 500/,
  ],
  "that finds an error in the query": [
    () => Response.json({ errors: [{ message: "no field historyKeys" }], data: null }),
    /expected no errors, got status 200 and "no field historyKeys"/,
  ],
  "without the project": [
    () => Response.json({ data: { project: null } }),
    /expected a project, and for a private one a key in WANDB_API_KEY, got no project/,
  ],
  "that answers with a list": [
    () => Response.json([]),
    /"answer" in .*: expected an object, got \[\]/,
  ],
  "without runs": [
    () => Response.json({ data: { project: {} } }),
    /"runs" in lab\/saes: expected an object, got nothing/,
  ],
  "without edges": [
    () => Response.json({ data: { project: { runs: { pageInfo: last } } } }),
    /"edges" in lab\/saes: expected a list, got nothing/,
  ],
  "with a run without a name": [
    () => page([{ node: { displayName: "x" }, cursor: "a" }], last),
    /"name" in lab\/saes: expected text, got nothing/,
  ],
  "with tags of another kind": [
    () => page([{ node: nodeOf("a", { tags: [1] }), cursor: "a" }], last),
    /"tags" in run a of lab\/saes: expected a list of texts, got \[1\]/,
  ],
  "with a configuration that is no JSON": [
    () => page([{ node: nodeOf("a", { config: "{" }), cursor: "a" }], last),
    /Cannot read "config" in run a of lab\/saes: expected JSON, got "\{"/,
  ],
  "with a summary that is a list": [
    () => page([{ node: nodeOf("a", { summaryMetrics: "[1]" }), cursor: "a" }], last),
    /"summaryMetrics" in run a of lab\/saes: expected an object, got \[1\]/,
  ],
  "whose next page has no cursor": [
    () => page([{ node: nodeOf("a") }], { hasNextPage: true }),
    /"cursor" in lab\/saes: expected text, got nothing/,
  ],
  "whose pages go round": [
    () => page([{ node: nodeOf("a"), cursor: "a" }], { hasNextPage: true }),
    /expected another page, got cursor "a" twice/,
  ],
};

for (const [name, [answer, message]] of Object.entries(answers)) {
  Deno.test(`readWandbRuns() refuses a server ${name}, and says no key`, async () => {
    const { send } = serverOf(answer);
    await assert.rejects(readWandbRuns("lab/saes", { send, apiKey: "secret" }), (error) => {
      assert(error instanceof DataError, String(error));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret|YXBpOnNlY3JldA/);
      return true;
    });
  });
}

Deno.test("readWandbRuns() asks for no page twice of a server whose pages go round", async () => {
  const { send, asked } = serverOf(({ variables: { after } }) =>
    page([{ node: nodeOf("a"), cursor: after === "a" ? "b" : "a" }], { hasNextPage: true })
  );
  await assert.rejects(readWandbRuns("lab/saes", { send }), /got cursor "a" twice/);
  assert.deepEqual(asked.map(({ variables }) => variables.after), [null, "a", "b"]);
});

Deno.test("readWandbRuns() hands on what a sender refuses in its own words", async () => {
  const error = new DataError("fetch", { where: "a", expected: "b", got: "c" });
  const { send } = serverOf(() => Promise.reject(error));
  await assert.rejects(readWandbRuns("lab/saes", { send }), (thrown) => thrown === error);
});

Deno.test("readWandbRuns() ends with a server whose pages do not, though it hides its runs", async () => {
  let n = 0;
  const { send, asked } = serverOf(() =>
    page([{ node: nodeOf("a", { tags: [] }), cursor: `${n++}` }], { hasNextPage: true })
  );
  await assert.rejects(
    readWandbRuns("lab/saes", { send }, { tag: "l1-3", nMost: 20 }),
    /expected at most 20 runs, got 21 and more/,
  );
  assert.equal(asked.length, 21);
});

Deno.test("readWandbRuns() ends at an empty page, whatever it says of the next", async () => {
  const { send } = serverOf(() => page([], { hasNextPage: true, endCursor: "a" }));
  assert.deepEqual(await readWandbRuns("lab/saes", { send }), []);
});

Deno.test("readWandbRuns() refuses a path that is not of an entity and a project", async () => {
  const { send, asked } = serverOf(() => page([], last));
  for (const path of ["", "saes", "lab/", "/saes", "lab/saes/runs"]) {
    await assert.rejects(readWandbRuns(path, { send }), (error) => {
      assert(error instanceof RangeError);
      assert.equal(
        error.message,
        `Cannot read runs of "${path}": expected "entity/project", got "${path}"`,
      );
      return true;
    });
  }
  assert.equal(asked.length, 0);
});

Deno.test("parseWandbJson() leaves words within texts as they are", () => {
  const cases: Record<string, unknown> = {
    "NaN": null,
    "Infinity": Infinity,
    "-Infinity": -Infinity,
    "[NaN,-Infinity,1e3]": [null, -Infinity, 1000],
    '"NaN \\"Infinity\\" \\\\"': 'NaN "Infinity" \\',
    '{"Infinity":"\\u004eaN"}': { Infinity: "NaN" },
    "null": null,
  };
  for (const [text, value] of Object.entries(cases)) {
    assert.deepEqual(parseWandbJson(text, "a run"), value, text);
  }
  for (const text of ["", "NaN2", "nan", '{"a":NaN', "--Infinity", "[1e]", "[".repeat(1e5)]) {
    assert.throws(() => parseWandbJson(text, "a run"), DataError, text.slice(0, 9));
  }
});
