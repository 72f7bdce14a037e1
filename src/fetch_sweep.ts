/**
 * What a sweep file names on a hub, into the cache: of models and SAEs the files that are read, of
 * a data set the first tokens.
 *
 * @module
 */

import { dirname } from "node:path";
import { DataError } from "./errors.ts";
import { openFile, readJsonObject, resolveFrom } from "./files.ts";
import type { Hub } from "./hub.ts";
import type { Lock } from "./hub_cache.ts";
import { type HubName, isHubName, parseHubName } from "./hub_name.ts";
import { hubPath } from "./hub_path.ts";
import {
  type FetchedWeights,
  fetchModel,
  openRepos,
  type Repo,
  type RepoListener,
} from "./hub_repo.ts";
import { fetchTokens } from "./hub_tokens.ts";
import { blocksBefore, saeFiles, tokenizerFiles } from "./hub_weights.ts";
import { placeSae, type SaePlace } from "./sae.ts";
import type { SaeTold } from "./sae_form.ts";

/** What can be changed about fetching a sweep. */
export interface FetchSweepOptions {
  /** Most tokens of a data set. */
  readonly totalTokens?: number;
  /** Positions of a sequence; the SAEs' own if left out. */
  readonly contextSize?: number | undefined;
  /** How much of a model. */
  readonly weights?: FetchedWeights;
  /** Keeps two processes from fetching one file at once. */
  readonly lock?: Lock;
  /** Told what happens. */
  readonly on?: FetchListener;
}

/** Is told how fetching goes. */
export interface FetchListener extends RepoListener {
  /** All that a name stands for is there: so many bytes came over the network. */
  done?(name: string, place: string, fetchedBytes: number): void;
}

/** What a sweep file names: on a hub, or on this disk. */
interface Named {
  readonly tokens: string | undefined;
  readonly column: string | undefined;
  readonly tokenizer: string | undefined;
  /** What is said of SAEs whose own files are silent. */
  readonly told: SaeTold;
  /** Models, each with the SAEs that read it. */
  readonly saesOf: ReadonlyMap<string, readonly string[]>;
}

/**
 * Fetches what a sweep file names as `hf://…`, if it is not in the cache.
 *
 * Everything is checked on the way: sizes, hashes, paths. A run that was cut goes on where it was.
 * A revision is asked for anew each time, since a branch may have moved.
 *
 * @param path The sweep file; names on this disk are left alone.
 * @param hub Where to ask; without one, what is not in the cache is an error.
 * @param cache Folder of the cache.
 * @param options What can be changed.
 * @returns The places on this disk, by name.
 * @throws {DataError} If something is not there, may not be read, or is not what it should be.
 */
export async function fetchSweep(
  path: string,
  hub: Hub | undefined,
  cache: string,
  options: FetchSweepOptions = {},
): Promise<Map<string, string>> {
  const named = namesOf(await readJsonObject(await openFile(path)));
  const places = new Map<string, string>();
  const repos = hub && openRepos(hub, cache, { lock: options.lock, on: options.on });
  const visit = async (
    name: string | undefined,
    act: (repo: Repo, at: HubName) => Promise<void>,
  ) => {
    if (name === undefined || !isHubName(name)) return;
    const repo = await repos?.open(parseHubName(name));
    if (repo !== undefined) await act(repo, parseHubName(name));
    places.set(name, await hubPath(name, cache));
    options.on?.done?.(name, places.get(name)!, repos?.takeBytes() ?? 0);
  };

  const saePlaces = new Map<string, SaePlace | undefined>();
  for (const name of new Set([...named.saesOf.values()].flat())) {
    await visit(name, (repo, at) => repo.keep(saeFiles(repo.files, at.path, name)));
    const folder = isHubName(name) ? places.get(name)! : resolveFrom(dirname(path), name);
    saePlaces.set(name, await placeSae(folder, named.told).catch(() => undefined));
  }
  for (const [name, saes] of named.saesOf) {
    const blocks = saes.map((sae) => saePlaces.get(sae)).map((place) =>
      place && blocksBefore(place.hook)
    );
    // A folder that is an SAE's as well must be whole.
    const isKnown = options.weights !== "whole" && !blocks.includes(undefined) &&
      !saePlaces.has(name);
    const nBlocks = isKnown ? Math.max(...blocks as number[]) : undefined;
    await visit(name, (repo, at) => fetchModel(repo, at, { nBlocks, weights: options.weights }));
  }
  await visit(named.tokenizer, (repo, at) => repo.keep(tokenizerFiles(repo.files, at.path)));
  await visit(named.tokens, (repo, at) => {
    const size = saePlaces.values().find((place) => place !== undefined)?.contextSize;
    const { column = "input_ids", tokens } = named;
    const { contextSize = size, totalTokens = 640000 } = options;
    if (contextSize === undefined) {
      const expected = "the SAEs' cfg.json, or --context-size";
      throw new DataError("cut", { where: tokens!, expected, got: "neither" });
    }
    return fetchTokens(repo, at, { column, contextSize, totalTokens });
  });
  return places;
}

// Only what is text where it should be; the rest is refused when the sweep is read.
function namesOf(sweep: Readonly<Record<string, unknown>>): Named {
  const object = (value: unknown) => Object(value) as Readonly<Record<string, unknown>>;
  const text = (value: unknown) => typeof value === "string" ? value : undefined;
  const saesOf = new Map<string, string[]>();
  const list = Array.isArray(sweep.checkpoints) ? sweep.checkpoints : [];
  const followed = list.map(object).find(({ step }) => step === sweep.reference);
  for (const item of [...list, ...(sweep.ceiling ? [sweep.ceiling] : [])].map(object)) {
    const model = text(item.model) ?? text((followed ?? object(list.at(-1))).model);
    const sae = text(item.sae);
    if (model === undefined || sae === undefined) continue;
    saesOf.set(model, [...saesOf.get(model) ?? [], sae]);
  }
  return {
    tokens: text(object(sweep.tokens).path),
    column: text(object(sweep.tokens).column),
    tokenizer: text(sweep.tokenizer),
    told: {
      hook: text(sweep.hook),
      contextSize: typeof sweep.context_size === "number" ? sweep.context_size : undefined,
    },
    saesOf,
  };
}
