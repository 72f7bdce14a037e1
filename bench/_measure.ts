// Processes that print what they measured as their last line, one JSON object.

import { exists } from "../src/files.ts";

/** What a process measured, by name. */
export type Measured = Readonly<Record<string, unknown>> & { readonly seconds: number };

/** Prints what this process measured. */
export function print(measured: Measured): void {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(measured));
}

/** Runs a program to its end, and reads its last line. */
export async function measure(program: string, ...args: readonly string[]): Promise<Measured> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  const text = new TextDecoder();
  const last = text.decode(stdout).trim().split("\n").at(-1)!;
  if (success) return JSON.parse(last);
  const said = text.decode(stderr).trim().split("\n").at(-1);
  throw new Error(`Cannot run ${program} ${args.join(" ")}: ${last} ${said}`);
}

/** Runs a script of this folder, with its processor time and peak memory as Python knows them. */
export function measureOurs(python: string, script: string, args: string): Promise<Measured> {
  const command = `deno run -q -P=activations bench/${script} ${args}`;
  return measure(python, "bench/peers/peak.py", ...command.split(" "));
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Three significant digits. */
export function rounded(number: number): number {
  return Number(number.toPrecision(3));
}

/** Runs every way once a round, in turns, so that all see the same machine. */
export async function inTurns<Name extends string>(
  rounds: number,
  ways: Readonly<Record<Name, () => Promise<Measured>>>,
  say: (line: string) => void,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(ways) as Name[];
  const all = Object.fromEntries(names.map((name) => [name, [] as Measured[]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const measured = await ways[name]();
      all[name].push(measured);
      say(`  ${name}: ${rounded(measured.seconds)} s`);
    }
  }
  return all as Record<Name, Measured[]>;
}

/** How many times longer one way takes than another: the median of the rounds' ratios. */
export function ratio(way: readonly Measured[], to: readonly Measured[]): number {
  return rounded(median(way.map(({ seconds }, round) => seconds / to[round].seconds)));
}

/** Makes activations to match, unless they are there. */
export async function makePair(out: string, args = ""): Promise<void> {
  if (await exists(`${out}/sweep.json`)) return;
  const command = `run -q -P=activations bench/pair.ts --out ${out} ${args}`.trim();
  const { success } = await new Deno.Command("deno", { args: command.split(" ") }).output();
  if (!success) throw new Error(`Cannot run deno ${command}`);
}
