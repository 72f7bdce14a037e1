import assert from "node:assert/strict";
import { openHub } from "../src/hub.ts";
import { retryDelayMs, shortUrl } from "../src/network.ts";

Deno.test("retryDelayMs() doubles from half a second to thirty", () => {
  const delays = Array.from({ length: 9 }, (_, i) => retryDelayMs(i + 1));
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
});

const headers: Readonly<Record<string, [Record<string, string>, number]>> = {
  "seconds": [{ "retry-after": "3" }, 3000],
  "no wait": [{ "retry-after": "0" }, 0],
  "parts of seconds": [{ "retry-after": " 0.25 " }, 250],
  "a date, by the answer's own clock": [{
    "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT",
    "date": "Wed, 21 Oct 2015 07:28:00 GMT",
  }, 30_000],
  "a date that is past": [{
    "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT",
    "date": "Wed, 21 Oct 2015 07:28:30 GMT",
  }, 0],
  "a date without a clock": [{ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, 500],
  "words": [{ "retry-after": "soon", "date": "now" }, 500],
  "a hub's rate limit": [{ "ratelimit": '"api";r=0;t=51' }, 51_000],
  "a rate limit without a time": [{ "ratelimit": '"api";r=0' }, 500],
};
for (const [what, [given, expected]] of Object.entries(headers)) {
  Deno.test(`retryDelayMs() knows ${what}`, () => {
    assert.equal(retryDelayMs(1, new Headers(given)), expected);
  });
}

Deno.test("shortUrl() leaves out names, signatures and fragments", () => {
  assert.equal(shortUrl("http://u:p@host:8080/a/b%20c?x=secret#y"), "http://host:8080/a/b%20c");
});

Deno.test("openHub() takes addresses of http and https alone", () => {
  for (
    const [endpoint, expected] of Object.entries({
      "https://huggingface.co/": "https://huggingface.co",
      "http://127.0.0.1:1234/mirror//": "http://127.0.0.1:1234/mirror",
    })
  ) {
    assert.equal(openHub({ endpoint }).endpoint, expected);
  }
  assert.equal(openHub({}).endpoint, "https://huggingface.co");
  for (const endpoint of ["", "huggingface.co", "file:///a", "https://u:p@host", "https://h/?a"]) {
    assert.throws(() => openHub({ endpoint }), {
      name: "RangeError",
      message: `Cannot ask the hub at ${JSON.stringify(endpoint)}: ` +
        "expected an address of http or https alone",
    });
  }
});
