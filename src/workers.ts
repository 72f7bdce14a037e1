/**
 * Threads that do as they are told: the one file that starts workers.
 *
 * Each has a module of its own, which calls {@linkcode serve}. What a worker is told it does in
 * order, one thing after another; every task is answered by its result or its error.
 *
 * @module
 */

import { DataError, errorFromPlain, errorToPlain, type PlainError } from "./errors.ts";

/** The part of a `Worker` that is used. */
export type WorkerLike = Pick<
  Worker,
  "postMessage" | "terminate" | "onmessage" | "onmessageerror" | "onerror"
>;

/** A worker, from the thread that started it. */
export interface Member<Task> {
  /** Tasks that have no answer yet. */
  readonly nWaiting: number;
  /**
   * Tells it something.
   *
   * @param task Anything that can be cloned; shared memory is shared.
   * @returns What came of it.
   * @throws {Error} What it threw, or why it ended.
   */
  ask(task: Task): Promise<unknown>;
  /** Ends it; what is under way, and all that it is told from then on, fails with this error. */
  end(error: Error): void;
}

interface Request<Task> {
  readonly id: number;
  readonly task: Task;
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: PlainError;
}

/**
 * Starts a worker.
 *
 * @param url Its module.
 * @returns The worker.
 */
export function startWorker(url: URL): Worker {
  return new Worker(url, { type: "module" });
}

/**
 * Makes a member of a worker. Its death is the error of all that wait for it.
 *
 * @param worker The worker.
 * @param what What it is for, in the message of its death.
 * @returns The member; end it when done.
 */
export function enlist<Task>(worker: WorkerLike, what: string): Member<Task> {
  type Waiting = { resolve(value: unknown): void; reject(error: Error): void };
  const waiting = new Map<number, Waiting>();
  let nAsked = 0;
  let ended: Error | undefined;
  const end = (error: Error) => {
    ended ??= error;
    worker.terminate();
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  const died = (got: string) =>
    end(
      new DataError("run", {
        where: `a worker of the ${what}`,
        expected: "it to live",
        got,
        fix: "use --workers 1 to see where it fails",
      }),
    );
  worker.onmessage = ({ data: { id, value, error } }: MessageEvent<Reply>) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(errorFromPlain(error));
  };
  worker.onmessageerror = () => died("an answer that cannot be read");
  worker.onerror = (event) => {
    event.preventDefault();
    died(event.message.split("\n")[0]);
  };
  return {
    get nWaiting() {
      return waiting.size;
    },
    ask: (task) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        const id = nAsked++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, task } satisfies Request<Task>);
      }),
    end,
  };
}

/**
 * Waits for all, so that none is left to itself, and throws the first error.
 *
 * @param promises What to wait for.
 * @returns What they came to.
 */
export async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const values: T[] = [];
  for (const result of await Promise.allSettled(promises)) {
    if (result.status === "rejected") throw result.reason;
    values.push(result.value);
  }
  return values;
}

/** The thread of a worker. */
interface Scope {
  onmessage: ((event: { readonly data: Request<never> }) => void) | null;
  postMessage(reply: Reply, transfer: readonly ArrayBufferLike[]): void;
}

/**
 * In a worker: does what it is told, in order.
 *
 * @param act Does one task.
 * @param transfer Buffers of a result that need not be copied to the thread that asked.
 */
export function serve<Task, Result>(
  act: (task: Task) => Result | Promise<Result>,
  transfer: (result: Result) => readonly ArrayBufferLike[] = () => [],
): void {
  const scope = globalThis as unknown as Scope;
  let last = Promise.resolve();
  scope.onmessage = ({ data: { id, task } }) => {
    last = last.then(async () => {
      const value = await act(task);
      scope.postMessage({ id, value }, transfer(value));
    }).catch((error) => scope.postMessage({ id, error: errorToPlain(error) }, []));
  };
}
