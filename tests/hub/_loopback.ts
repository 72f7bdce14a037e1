/**
 * A hub on this machine, for our own client and for Python's huggingface_hub: two servers, one of
 * names and small files, and one that holds what is kept outside git, as a content network does.
 */

import { createHash } from "node:crypto";

/** Files of a commit, by path. */
export type Files = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

/** A repository: what its branches and tags point to. */
export interface Repository {
  readonly commits: Readonly<Record<string, Files>>;
  readonly branches: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
}

/** What was asked. */
export interface Asked {
  readonly method: string;
  /** Which server: that of names, or that of bytes. */
  readonly server: "hub" | "store";
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Answers in place of the hub, or leaves it to it. */
export type Fault = (asked: Asked, answer: () => Response) => Response | undefined;

/** The running hub. */
export interface Loopback {
  readonly url: string;
  readonly storeUrl: string;
  /** All that was asked so far. */
  readonly asked: Asked[];
  /** Asked first, the last first. */
  readonly faults: Fault[];
  /** Bytes of bodies sent so far. */
  sentBytes(): number;
  close(): Promise<void>;
}

/** Whether a file is kept outside git. */
const isLarge = (path: string) => /\.(safetensors|parquet|bin|pt|npz)$/.test(path);

export const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
export const gitIdOf = (bytes: Uint8Array) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/** Commits of these names. */
export const commitOf = (name: string) => createHash("sha1").update(name).digest("hex");

/** Starts a hub of these repositories; a list of files has pages of `pageSize`. */
export function startHub(
  repositories: Readonly<Record<string, Repository>>,
  pageSize = 3,
): Loopback {
  const asked: Asked[] = [];
  const faults: Fault[] = [];
  const stored = new Map<string, Uint8Array<ArrayBuffer>>();
  let sent = 0;
  for (const { commits } of Object.values(repositories)) {
    for (const files of Object.values(commits)) {
      for (const [path, bytes] of Object.entries(files)) {
        if (isLarge(path)) stored.set(hashOf(bytes), bytes);
      }
    }
  }

  function bytesOf(request: Request, bytes: Uint8Array<ArrayBuffer>, more: HeadersInit): Response {
    const headers = new Headers(more);
    headers.set("accept-ranges", "bytes");
    headers.set("content-type", "application/octet-stream");
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
    const start = Number(first ?? 0);
    const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
    if (first !== undefined && start >= bytes.length) return new Response(null, { status: 416 });
    const part = bytes.slice(start, end);
    headers.set("content-length", `${part.length}`);
    if (first !== undefined) {
      headers.set("content-range", `bytes ${start}-${end - 1}/${bytes.length}`);
    }
    const isHead = request.method === "HEAD";
    if (!isHead) sent += part.length;
    return new Response(isHead ? null : part, { status: first === undefined ? 200 : 206, headers });
  }

  function answer(request: Request): Response {
    const url = new URL(request.url);
    const [, kind, name, what, revision] =
      /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(\w+)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    if (name !== undefined) {
      const repository = repositories[kind === "models" ? name : `${kind}/${name}`];
      if (repository === undefined) return missing("Repo");
      const { commits, branches, tags = {} } = repository;
      if (what === "refs") return Response.json({ branches: refs(branches), tags: refs(tags) });
      const asked = decodeURIComponent(revision ?? "main");
      const commit = branches[asked] ?? tags[asked] ?? asked;
      const files = commits[commit];
      if (files === undefined) return missing("Revision");
      if (what === "revision") return Response.json({ id: name, sha: commit, siblings: [] });
      if (what === "commits") return Response.json([{ id: commit, title: `Step of ${asked}` }]);
      if (what === "tree") {
        const items = Object.entries(files).map(([path, bytes]) => itemOf(path, bytes));
        const at = Number(url.searchParams.get("cursor") ?? 0);
        const next = new URL(url);
        next.searchParams.set("cursor", `${at + pageSize}`);
        const more = at + pageSize < items.length;
        const headers = more ? { link: `<${next}>; rel="next"` } : undefined;
        return Response.json(items.slice(at, at + pageSize), headers ? { headers } : {});
      }
      return missing("Entry");
    }

    const [, repo, at, path] =
      /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
    const repository = repositories[repo];
    if (repository === undefined) return missing("Repo");
    const asked = decodeURIComponent(at);
    const commit = repository.branches[asked] ?? repository.tags?.[asked] ?? asked;
    const bytes = repository.commits[commit]?.[decodeURIComponent(path)];
    if (bytes === undefined) return missing(repository.commits[commit] ? "Entry" : "Revision");
    const about = { "x-repo-commit": commit };
    if (!isLarge(path)) return bytesOf(request, bytes, { ...about, etag: `"${gitIdOf(bytes)}"` });
    const hash = hashOf(bytes);
    const location = `${storeUrl}/${hash}?signature=secret`;
    const linked = { "x-linked-etag": `"${hash}"`, "x-linked-size": `${bytes.length}` };
    return new Response(null, { status: 302, headers: { ...about, ...linked, location } });
  }

  const serve = (server: Asked["server"], act: (request: Request) => Response) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
      await request.body?.cancel();
      const { pathname, search } = new URL(request.url);
      const one: Asked = {
        method: request.method,
        server,
        path: pathname + search,
        range: request.headers.get("range") ?? undefined,
        authorization: request.headers.get("authorization") ?? undefined,
      };
      asked.push(one);
      for (const fault of faults.toReversed()) {
        const instead = fault(one, () => act(request));
        if (instead !== undefined) return instead;
      }
      return act(request);
    });
  const store = serve("store", (request) => {
    const bytes = stored.get(new URL(request.url).pathname.slice(1));
    return bytes ? bytesOf(request, bytes, {}) : missing("Entry");
  });
  const storeUrl = `http://127.0.0.1:${store.addr.port}`;
  const hub = serve("hub", answer);
  return {
    url: `http://127.0.0.1:${hub.addr.port}`,
    storeUrl,
    asked,
    faults,
    sentBytes: () => sent,
    async close() {
      await hub.shutdown();
      await store.shutdown();
    },
  };
}

function missing(what: string): Response {
  return new Response(null, { status: 404, headers: { "x-error-code": `${what}NotFound` } });
}

function refs(of: Readonly<Record<string, string>>) {
  return Object.entries(of).map(([name, targetCommit]) => ({ name, ref: name, targetCommit }));
}

function itemOf(path: string, bytes: Uint8Array) {
  const about = { type: "file", path, size: bytes.length };
  if (!isLarge(path)) return { ...about, oid: gitIdOf(bytes) };
  const lfs = { oid: hashOf(bytes), size: bytes.length, pointerSize: 134 };
  return { ...about, oid: commitOf(`pointer to ${lfs.oid}`), lfs };
}

/** Acts once, then never again. */
export function once(act: Fault): Fault {
  let isDone = false;
  return (asked, answer) => {
    if (isDone) return undefined;
    const instead = act(asked, answer);
    isDone = instead !== undefined;
    return instead;
  };
}

/** An answer whose connection ends before all bytes that it promises are sent. */
export function cutAfter(answer: Response, nBytes: number): Response {
  let left = nBytes;
  const body = answer.body!.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        if (left > 0) controller.enqueue(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) controller.terminate();
      },
    }),
  );
  const { status, headers } = answer;
  return new Response(body, { status, headers });
}
