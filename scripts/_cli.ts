// Options, progress and errors of every script: the one file that prints.
// deno-lint-ignore-file no-console

import { Command, Option } from "npm:@commander-js/extra-typings@15.1.0";
import { CommanderError, InvalidArgumentError } from "npm:commander@15.1.0";
import { type Device, devices } from "../src/device.ts";

export { Command, Option };

/** What every script over a sweep is told. */
export type SweepOptions = {
  /** The sweep file. */
  readonly sweep: string;
  /** Folder to write in. */
  readonly out: string;
  /** Training steps; all if left out. */
  readonly steps?: number[] | undefined;
  /** Whether to make finished files again. */
  readonly force: boolean;
};

/** The options that the scripts over a sweep share. */
export function sweepCommand(name: string, about: string): Command<[], SweepOptions> {
  return new Command(name)
    .description(about)
    .requiredOption("--sweep <file>", "the sweep file")
    .requiredOption("--out <folder>", "folder to write in")
    .option("--steps <list>", "only these training steps: 0,2,8", counts)
    .option("--force", "make finished files again", false);
}

/** `--device`, one of onnxruntime's. */
export function deviceOption(): Option<
  "--device <name>",
  undefined,
  Device,
  undefined,
  false,
  Device
> {
  return new Option("--device <name>", "what runs the model").choices(devices).default("auto");
}

/** Prints one line of warning, beside what is said. */
export function warn(line: string): void {
  endProgress();
  console.error(`warning: ${line}`);
}

/** Reads a count of at least 1. */
export function positive(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1) {
    throw new InvalidArgumentError("expected a count of at least 1");
  }
  return Number(text);
}

/** Reads an integer of at least 0. */
export function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected a count");
  return Number(text);
}

/** Reads a number that is not negative. */
export function size(text: string): number {
  if (text.trim() === "" || !(Number(text) >= 0)) {
    throw new InvalidArgumentError("expected a number of at least 0");
  }
  return Number(text);
}

/** Reads bytes: a number, with K, M or G for powers of 1,024. */
export function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMG]?)i?B?$/i.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("expected bytes, such as 2G or 800M");
  return Math.floor(Number(number) * 1024 ** ["", "K", "M", "G"].indexOf(unit.toUpperCase()));
}

/** Reads a name, of those that are known. */
export function choice<N extends string>(known: readonly N[]): (text: string) => N {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found === undefined) throw new InvalidArgumentError(`expected one of ${known.join(", ")}`);
    return found;
  };
}

/** Reads a list of names, of those that are known. */
export function choices<N extends string>(known: readonly N[]): (text: string) => N[] {
  return (text) => text.split(",").map(choice(known));
}

/** Reads a list of integers of at least 0. */
export function counts(text: string): number[] {
  return text.split(",").map(count);
}

/**
 * Runs a script. An error is one line and exit code 1, with its stack if `--debug` is given; an
 * interrupt is exit code 130.
 */
export async function run<O extends Record<string, unknown>>(
  command: Command<[], O>,
  main: (options: O) => Promise<void>,
): Promise<void> {
  const isDebug = () => command.getOptionValue("debug") === true;
  command.option("--debug", "print the stack of an error", false).allowExcessArguments(false);
  command.exitOverride().configureOutput({
    writeErr: () => {}, // an error is printed below, in one line
    getOutHasColors: () => false, // else commander asks the environment
    getErrHasColors: () => false,
  });
  Deno.addSignalListener("SIGINT", () => {
    endProgress();
    console.error("interrupted: finished files are kept");
    Deno.exit(130);
  });
  const args = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
  try {
    command.parse(args, { from: "user" });
    await main(command.opts());
  } catch (error) {
    endProgress();
    if (error instanceof CommanderError && error.exitCode === 0) return; // --help, printed already
    if (isDebug() || !(error instanceof Error)) throw error;
    console.error(`error: ${error.message.replace(/^error: /, "").replaceAll("\n", " ")}`);
    Deno.exit(1);
  }
}

/** Prints one line. */
export function say(line: string): void {
  endProgress();
  console.log(line);
}

let progressLength = 0;

/** Draws a bar with the rate and the time left, where there is a terminal to draw on. */
export function drawProgress(label: string, done: number, total: number, startMs: number): void {
  if (!Deno.stderr.isTerminal()) return;
  const seconds = (performance.now() - startMs) / 1000;
  const rate = done / Math.max(seconds, 1e-3);
  const bar = "█".repeat(Math.round((20 * done) / total)).padEnd(20, "░");
  const line = `${label} ${bar} ${Math.round(rate)} tokens/s, ${
    Math.ceil((total - done) / rate)
  } s left`;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r${line.padEnd(progressLength)}`));
  progressLength = line.length;
}

function endProgress(): void {
  if (progressLength === 0) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r${" ".repeat(progressLength)}\r`));
  progressLength = 0;
}
