import assert from "node:assert/strict";
import { DataError } from "../src/errors.ts";
import { enlist, settled, startWorker } from "../src/workers.ts";

const url = new URL("./_dying_worker.ts", import.meta.url);

async function withMember(act: (member: ReturnType<typeof enlist<string>>) => Promise<void>) {
  const member = enlist<string>(startWorker(url), "test");
  try {
    await act(member);
  } finally {
    member.end(new Error("over"));
  }
}

Deno.test("a worker answers what it is told, in order", () =>
  withMember(async (member) => {
    const order: unknown[] = [];
    const asked = ["later", "echo", "later"].map((task) =>
      member.ask(task).then((value) => order.push(value))
    );
    assert.equal(member.nWaiting, 3);
    await settled(asked);
    assert.deepEqual(order, ["later", "echo", "later"]);
    assert.equal(member.nWaiting, 0);
  }));

Deno.test("an error of a worker comes over with its class and words, and the worker lives on", () =>
  withMember(async (member) => {
    await assert.rejects(member.ask("refuse"), (error) => {
      assert(error instanceof DataError);
      assert.equal(error.message, "Cannot read there: expected this, got that; look");
      return true;
    });
    await assert.rejects(member.ask("throw"), { name: "RangeError", message: "Cannot count" });
    assert.equal(await member.ask("echo"), "echo");
  }));

Deno.test("the death of a worker is the error of all that wait, and of all that come after", () =>
  withMember(async (member) => {
    const message = "Cannot run a worker of the test: expected it to live, got " +
      "Uncaught Error: out of memory; use --workers 1 to see where it fails";
    const waiting = ["die", "echo"].map((task) => member.ask(task));
    for (const asked of waiting) await assert.rejects(asked, { name: "DataError", message });
    await assert.rejects(member.ask("echo"), { message });
  }));

Deno.test("a worker that is ended answers nothing more", () =>
  withMember(async (member) => {
    const asked = member.ask("later");
    member.end(new Error("enough"));
    await assert.rejects(asked, { message: "enough" });
    await assert.rejects(member.ask("echo"), { message: "enough" });
  }));

Deno.test("a worker whose module is missing dies", async () => {
  const member = enlist<string>(startWorker(new URL("./none.ts", import.meta.url)), "test");
  await assert.rejects(member.ask("echo"), {
    name: "DataError",
    message: /expected it to live, got/,
  });
});

Deno.test("settled() waits for all before it throws the first error", async () => {
  let isDone = false;
  const slow = new Promise<void>((resolve) =>
    setTimeout(() => {
      isDone = true;
      resolve();
    }, 10)
  );
  await assert.rejects(settled([slow, Promise.reject(new Error("first"))]), { message: "first" });
  assert(isDone);
});
