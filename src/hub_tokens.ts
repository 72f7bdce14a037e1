/**
 * The first tokens of a data set on a hub, in a safetensors file of our own.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { type ByteSource, exists, openFile, writeFile } from "./files.ts";
import { type HubName, isHubName, showHubName } from "./hub_name.ts";
import { ownFolder, ownPath, snapshotPath } from "./hub_path.ts";
import type { Repo } from "./hub_repo.ts";
import { readTokens, type TokenOptions, type Tokens } from "./tokens.ts";
import { encodeTensors, readTensors } from "./write_safetensors.ts";

/**
 * Fetches the first tokens of a data set, of which no more is read than they need, as a safetensors
 * file of our own.
 *
 * @param repo Its repository.
 * @param at Which file of it.
 * @param options What to take.
 * @throws {DataError} If there is no such file, or it has no such tokens.
 */
export async function fetchTokens(
  repo: Repo,
  at: HubName,
  options: Required<Pick<TokenOptions, "column" | "contextSize" | "totalTokens">>,
): Promise<void> {
  const { cache, name, commit, files, hub } = repo;
  const { column, contextSize, totalTokens } = options;
  const file = files.find(({ path }) => path === at.path);
  if (file === undefined) {
    const [expected, got] = ["a file", "none of this path"];
    throw new DataError("fetch", { where: showHubName(at), expected, got });
  }
  if (await exists(snapshotPath(cache, name, commit, at.path))) return;
  const path = `${ownPath(cache, name, commit, at.path)}.safetensors`;
  const before = await exists(path) ? await openFile(path) : undefined;
  const { nRows, nCols, isAll } = await readKept(before, column);
  if (nCols >= contextSize && (isAll || nRows * contextSize >= totalTokens)) return;

  // No less than was there: another sweep may want it.
  const T = Math.max(contextSize, nCols);
  const nWanted = Math.max(Math.ceil(totalTokens / contextSize), nRows);
  const whole = hub.open({ repo: name, commit, file });
  const source = {
    ...whole,
    read(start: number, end: number) {
      repo.count(end - start);
      return whole.read(start, end);
    },
  };
  const tokens = await readTokens(source, { column, contextSize: T, totalTokens: nWanted * T });
  const shape = [tokens.nSequences, T];
  const bytes = new Uint8Array(tokens.ids.buffer);
  const kept = before && await readTensors(before);
  const others = kept?.tensors.filter((tensor) => tensor.name !== column) ?? [];
  const all = encodeTensors([...others, { name: column, dtype: "I32", shape, bytes }], {
    ...kept?.metadata,
    [column]: `${nWanted}`,
  });
  await writeFile(path, (sink) => sink.write(all));
}

// What a file of ours has of a column: its metadata says how many rows were asked for.
async function readKept(source: ByteSource | undefined, column: string) {
  const { tensors = [], metadata = {} } = source ? await readTensors(source) : {};
  const [nRows = 0, nCols = 0] = tensors.find(({ name }) => name === column)?.shape ?? [];
  return { nRows, nCols, isAll: nRows < Number(metadata[column] ?? 0) };
}

/**
 * Whether only the first tokens of a data set on a hub are here.
 *
 * @param tokens As a sweep names them, and where they are.
 * @returns Whether the name is one on a hub, and the place a file of {@linkcode fetchTokens}.
 */
export function isPartOfHub(
  { name, path }: { readonly name: string; readonly path: string },
): boolean {
  return isHubName(name) && path.includes(`/${ownFolder}/`);
}

/**
 * Refuses the tokens of a data set on a hub of which too few were fetched, since fewer tokens than
 * asked for are no error where a file has no more.
 *
 * @param source What they were read from.
 * @param tokens They.
 * @param options What was asked for.
 * @throws {DataError} If the data set has more.
 */
export async function checkFetched(
  source: ByteSource,
  { nTokens }: Pick<Tokens, "nTokens">,
  { column, totalTokens }: { readonly column: string; readonly totalTokens: number },
): Promise<void> {
  if (nTokens >= totalTokens || (await readKept(source, column)).isAll) return;
  throw new DataError("read tokens of", {
    where: source.name,
    expected: `${totalTokens} tokens`,
    got: `${nTokens} that were fetched`,
    fix: `run \`deno task fetch --total-tokens ${totalTokens} …\``,
  });
}
