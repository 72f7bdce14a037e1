/**
 * What lies on a hub: revisions, commits, lists of files, and their bytes.
 *
 * These are five addresses of its documented API, asked directly. The npm package @huggingface/hub
 * (2.17.5: 6.6 MB with the two that it wants, most of it for uploads) begins a cut file anew, checks
 * no hash, lists no branches and follows redirects by itself, so that all of ours would still be needed.
 *
 * @see {@link https://huggingface.co/docs/hub/api | The API}
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { getBytes, openUrl } from "./hub_bytes.ts";
import type { CachedFile } from "./hub_cache.ts";
import { type HubFile, isRepoPath } from "./hub_name.ts";
import { isCommit } from "./hub_path.ts";
import { getJson, type NetworkOptions, type Refusal } from "./network.ts";

/** A branch or a tag. */
export interface HubRevision {
  /** What it is called: "step512". */
  readonly name: string;
  /** What it points to: 40 hexadecimal digits. */
  readonly commit: string;
}

/** A commit of a branch. */
export interface HubCommit {
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** The first line of its message. */
  readonly title: string;
}

/** A server of models and data sets, called "owner/name" and "datasets/owner/name". */
export interface Hub {
  /** Its address, without a slash at the end. */
  readonly endpoint: string;
  /** Lists branches, then tags, in the server's order. */
  revisions(repo: string): Promise<HubRevision[]>;
  /** Lists the commits of a revision, the latest first. */
  commits(repo: string, revision: string): Promise<HubCommit[]>;
  /** Asks which commit a revision is. */
  commit(repo: string, revision: string): Promise<string>;
  /** Lists all files of a revision. */
  files(repo: string, revision: string): Promise<HubFile[]>;
  /** Opens a file for reading in parts, of which none is kept. */
  open(place: CachedFile): ByteSource;
  /** Gets the bytes of a file, in order, from one on. */
  download(
    place: CachedFile,
    start: number,
    write: (bytes: Uint8Array) => void,
  ): Promise<void>;
}

/** Which hub, and how it is asked. */
export interface HubOptions extends Omit<NetworkOptions, "authorization" | "explain"> {
  /** Its address; the Hugging Face Hub if left out. */
  readonly endpoint?: string | undefined;
  /** An access token; none is needed for what is public. It is sent to the hub alone. */
  readonly token?: string | undefined;
}

const maxPages = 10_000;

/**
 * A hub to ask.
 *
 * Every answer is checked: a path that leads out of its folder, an id that is none, or pages in a
 * circle are refused.
 *
 * @param options Which hub, and how it is asked.
 * @returns The hub; nothing has been asked yet.
 * @throws {RangeError} If the address is not one of http or https.
 */
export function openHub({ endpoint = "https://huggingface.co", token, ...how }: HubOptions): Hub {
  const base = endpoint.replace(/\/+$/, "");
  if (!/^https?:\/\/[^/?#@]+(\/[^?#@]*)?$/.test(base) || !URL.canParse(base)) {
    throw new RangeError(
      `Cannot ask the hub at ${show(endpoint)}: expected an address of http or https alone`,
    );
  }
  const options: NetworkOptions = {
    ...how,
    explain: (status, headers) => explain(status, headers.get("x-error-code") ?? "", base),
    ...(token ? { authorization: `Bearer ${token}` } : {}),
  };
  const api = (repo: string, rest: string) =>
    `${base}/api/${repo.startsWith("datasets/") ? "" : "models/"}${repo}/${rest}`;
  const fileUrl = ({ repo, commit, file }: CachedFile) =>
    `${base}/${repo}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;

  async function ask(url: string): Promise<Json> {
    return asObject((await getJson({ url }, options)).value, url);
  }
  async function askAll(url: string): Promise<Json[]> {
    const all: Json[] = [];
    const seen = new Set<string>();
    for (let page: string | undefined = url; page !== undefined;) {
      // The token goes along, hence to the hub only.
      const isOurs = new URL(page).origin === new URL(base).origin;
      if (!isOurs || seen.has(page) || seen.size === maxPages) {
        refuseAnswer(url, "pages of its own, each once", isOurs ? "a circle" : show(page));
      }
      seen.add(page);
      const { value, next } = await getJson({ url: page }, options);
      if (!Array.isArray(value)) refuseAnswer(url, "a list", show(value));
      for (const item of value) all.push(asObject(item, url));
      page = next;
    }
    return all;
  }

  return {
    endpoint: base,
    async revisions(repo) {
      const url = api(repo, "refs");
      const refs = await ask(url);
      return [refs.branches ?? [], refs.tags ?? []].flatMap((list) => {
        if (!Array.isArray(list)) refuseAnswer(url, "lists of branches and tags", show(list));
        return list.map((item) => {
          const { name, targetCommit } = asObject(item, url);
          return { name: text(name, url), commit: commitId(targetCommit, url) };
        });
      });
    },
    async commits(repo, revision) {
      const url = api(repo, `commits/${encodeURIComponent(revision)}`);
      return (await askAll(url)).map(({ id, title }) => ({
        commit: commitId(id, url),
        title: text(title, url),
      }));
    },
    async commit(repo, revision) {
      if (isCommit(revision)) return revision;
      const url = api(repo, `revision/${encodeURIComponent(revision)}`);
      return commitId((await ask(url)).sha, url);
    },
    async files(repo, revision) {
      const url = api(repo, `tree/${encodeURIComponent(revision)}?recursive=true`);
      const items = await askAll(url);
      return items.filter(({ type }) => type === "file").map((item) => toFile(item, url));
    },
    open: (place) => openUrl(fileUrl(place), place.file.size, options),
    download: (place, start, write) => {
      const { size } = place.file;
      return getBytes(fileUrl(place), { start, end: size, byteLength: size }, write, options);
    },
  };
}

type Json = Readonly<Record<string, unknown>>;

function toFile({ path, size, oid, lfs }: Json, url: string): HubFile {
  const where = text(path, url);
  if (!isRepoPath(where)) refuseAnswer(url, "paths within the repository", show(where));
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    refuseAnswer(url, `a size of ${where}`, show(size));
  }
  const file = { path: where, size: size as number, oid: commitId(oid, url) };
  if (lfs === undefined || lfs === null) return file;
  const { oid: sha256 } = asObject(lfs, url);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    refuseAnswer(url, `a sha256 of ${where}`, show(sha256));
  }
  return { ...file, sha256 };
}

function explain(status: number, code: string, endpoint: string): Refusal | undefined {
  const expected = "a public repository, or a token that may read it";
  if (status === 403 || code === "GatedRepo") {
    const fix =
      `accept its conditions on ${endpoint}, and set HF_TOKEN to a token that may read it`;
    return { expected, got: `${status}, no access`, fix };
  }
  if (status === 401) {
    return {
      expected,
      got: "401, no such repository or no access",
      fix: "check the name, and HF_TOKEN",
    };
  }
  if (status !== 404) return undefined;
  const what = code === "RevisionNotFound"
    ? "revision"
    : code === "EntryNotFound"
    ? "file"
    : "repository";
  return { expected: `a ${what} that is there`, got: `404, no such ${what}` };
}

function asObject(value: unknown, url: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuseAnswer(url, "an object", show(value));
  }
  return value as Json;
}

function text(value: unknown, url: string): string {
  if (typeof value !== "string") refuseAnswer(url, "text", show(value));
  return value;
}

function commitId(value: unknown, url: string): string {
  if (typeof value !== "string" || !isCommit(value)) {
    refuseAnswer(url, "an id of 40 hexadecimal digits", show(value));
  }
  return value;
}

function refuseAnswer(where: string, expected: string, got: string): never {
  throw new DataError("read the answer of", { where, expected, got });
}
