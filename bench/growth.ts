// How the time and memory of ours grow with what they are given.

import { makePair, measureOurs, rounded } from "./_measure.ts";

/** Time and memory at one end of a curve, and at the other. */
export interface Growth {
  readonly what: string;
  readonly from: { readonly seconds: number; readonly peak_mb: number };
  readonly to: { readonly seconds: number; readonly peak_mb: number };
  /** How many times longer the second takes. */
  readonly times: number;
}

/**
 * Measures the ends of every curve, one run each.
 *
 * @param python Python, to measure with.
 * @param sweep The sweep of the extraction.
 * @param folder Where activations to match are made.
 * @returns The curves.
 */
export async function growth(python: string, sweep: string, folder: string): Promise<Growth[]> {
  await makePair(`${folder}/match`);
  await makePair(`${folder}/few-tokens`, "--tokens 64000");
  await makePair(`${folder}/few-features`, "--d-sae 2048");
  await makePair(`${folder}/small-l0`, "--l0 12");
  await makePair(`${folder}/wide`, "--d-sae 131072");

  const point = async (script: string, args: string) => {
    const { seconds, peak_mb } = await measureOurs(python, script, args);
    return { seconds: rounded(seconds), peak_mb: rounded(Number(peak_mb)) };
  };
  const curve = async (what: string, script: string, from: string, to: string): Promise<Growth> => {
    const ends = { from: await point(script, from), to: await point(script, to) };
    return { what, ...ends, times: rounded(ends.to.seconds / ends.from.seconds) };
  };
  const extract = (rest: string) => `--sweep ${sweep} --out ${folder}/grown ${rest}`;
  const match = (of: string, rest = "--workers 2") =>
    `--folder ${folder}/${of} --reference 1 ${rest}`;
  const [ours, theirs] = ["ours_extract.ts", "ours_match.ts"];
  return [
    await curve(
      "extraction: 16,384 to 163,840 tokens",
      ours,
      extract("--tokens 16384"),
      extract("--tokens 163840"),
    ),
    await curve(
      "extraction: 2 workers to 1",
      ours,
      extract("--tokens 32768 --workers 2"),
      extract("--tokens 32768 --workers 1"),
    ),
    await curve("match: 64,000 to 640,000 tokens", theirs, match("few-tokens"), match("match")),
    await curve("match: 2,048 to 8,192 features", theirs, match("few-features"), match("match")),
    await curve("match: 8,192 to 131,072 features", theirs, match("match"), match("wide")),
    await curve("match: L0 12 to 47, both sides", theirs, match("small-l0"), match("match")),
    await curve("match: 2 workers to 1", theirs, match("match"), match("match", "--workers 1")),
    await curve(
      "match: 2 to 20 checkpoints",
      theirs,
      match("match", "--workers 2 --pairs 2"),
      match("match", "--workers 2 --pairs 20"),
    ),
    await curve(
      "match: 2 GiB to 400 MiB of memory",
      theirs,
      match("match"),
      match("match", "--workers 2 --memory 400M"),
    ),
  ];
}
