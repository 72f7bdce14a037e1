// A worker that does as it is told: answers, refuses, or dies.

import { DataError } from "../src/errors.ts";
import { serve } from "../src/workers.ts";

serve((task: "echo" | "refuse" | "throw" | "die" | "later") => {
  switch (task) {
    case "echo":
      return task;
    case "refuse":
      throw new DataError("read", { where: "there", expected: "this", got: "that", fix: "look" });
    case "throw":
      throw new RangeError("Cannot count");
    case "die":
      setTimeout(() => {
        throw new Error("out of memory");
      });
      return new Promise(() => {});
    case "later":
      return new Promise((resolve) => setTimeout(() => resolve(task), 20));
  }
});
