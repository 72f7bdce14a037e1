// What may go wrong on the way from a hub, on a loopback server.

import assert from "node:assert/strict";
import { openUrl } from "../../src/hub_bytes.ts";
import { getJson } from "../../src/network.ts";
import { randomFrom } from "../../src/random.ts";
import { clientOf, commit, fetchInto, files, placeOf, smallHub } from "./_client.ts";
import { cutAfter, type Fault, type Loopback, once } from "./_loopback.ts";
import { inTempDir } from "../_files.ts";

async function withHub(act: (hub: Loopback, cache: string) => Promise<void>): Promise<void> {
  const hub = smallHub();
  try {
    await inTempDir((cache) => act(hub, cache));
  } finally {
    await hub.close();
  }
}

const large = "model.safetensors";
const isLarge: (asked: { server: string }) => boolean = ({ server }) => server === "store";
const status = (status: number, headers: HeadersInit = {}) =>
  new Response(null, { status, headers });

Deno.test("openHub() lists revisions, commits, and all pages of files with their hashes", async () => {
  await withHub(async (hub) => {
    const client = clientOf(hub);
    assert.deepEqual(await client.revisions("owner/name"), [
      { name: "main", commit },
      { name: "v1", commit },
    ]);
    assert.equal(await client.commit("owner/name", "v1"), commit);
    assert.deepEqual(await client.commits("owner/name", "main"), [
      { commit, title: "Step of main" },
    ]);
    const list = await client.files("owner/name", "main");
    assert.deepEqual(list.map(({ path }) => path), Object.keys(files));
    assert.deepEqual(list.map(({ size }) => size), Object.values(files).map((f) => f.length));
    assert.deepEqual(list.map(({ sha256 }) => sha256 !== undefined), [false, false, false, true]);
  });
});

Deno.test("a file within git, an empty one and one outside git come as they are", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    for (const [path, bytes] of Object.entries(files)) {
      const at = await fetchInto(cache, client, await placeOf(client, path));
      assert.deepEqual(await Deno.readFile(at), bytes, path);
      assert.equal(at, `${cache}/models--owner--name/snapshots/${commit}/${path}`);
      assert.match(await Deno.readLink(at), /^(\.\.\/)+blobs\/[0-9a-f]+$/);
    }
    const before = hub.asked.length;
    await fetchInto(cache, client, { ...await placeOf(client, large) });
    assert.equal(hub.asked.slice(before).filter(isLarge).length, 0, "it is there already");
  });
});

Deno.test("parts read by address are those of the file, in 100 random ranges", async () => {
  await withHub(async (hub) => {
    const client = clientOf(hub);
    const source = client.open(await placeOf(client, large));
    const random = randomFrom(3);
    for (let i = 0; i < 100; i++) {
      const [a, b] = [random(), random()].map((x) => Math.floor(x * (files[large].length + 1)));
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      assert.deepEqual(await source.read(start, end), files[large].slice(start, end), `${a} ${b}`);
    }
  });
});

Deno.test("a download that is cut goes on at the byte where it was cut", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    const cut: Fault = (asked, answer) => isLarge(asked) ? cutAfter(answer(), 70_000) : undefined;
    hub.faults.push(cut); // every time
    const at = await fetchInto(cache, client, await placeOf(client, large));
    assert.deepEqual(await Deno.readFile(at), files[large]);
    const starts = hub.asked.filter(isLarge).map(({ range }) => Number(range?.match(/\d+/) ?? 0));
    assert(starts.length >= 4, "several cuts");
    assert.deepEqual(starts, starts.toSorted((a, b) => a - b));
    assert.deepEqual(
      new Set(client.waits),
      new Set([500]),
      "getting further begins the waits anew",
    );
  });
});

Deno.test("a run that was ended goes on from what it left", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub, { nTries: 1 });
    hub.faults.push(
      once((asked, answer) => isLarge(asked) ? cutAfter(answer(), 100_000) : undefined),
    );
    const place = await placeOf(client, large);
    await assert.rejects(fetchInto(cache, client, place), /1 times$/);
    const beside = `${cache}/models--owner--name/blobs/${place.file.sha256}.incomplete`;
    const { size } = await Deno.stat(beside);
    assert(size > 0);

    const at = await fetchInto(cache, client, place);
    assert.deepEqual(await Deno.readFile(at), files[large]);
    assert.equal(hub.asked.findLast(isLarge)!.range, `bytes=${size}-299999`);
    await assert.rejects(Deno.stat(beside), Deno.errors.NotFound);
  });
});

Deno.test("what an ended run left spoiled is fetched anew", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    const place = await placeOf(client, large);
    const blobs = `${cache}/models--owner--name/blobs`;
    await Deno.mkdir(blobs, { recursive: true });
    await Deno.writeFile(`${blobs}/${place.file.sha256}.incomplete`, new Uint8Array(1000));
    const at = await fetchInto(cache, client, place);
    assert.deepEqual(await Deno.readFile(at), files[large]);
  });
});

Deno.test("429 is tried again after as long as the server asks for, 503 after doubling pauses", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    const place = await placeOf(client, large);
    const answers = [status(429, { "retry-after": "7" }), status(503), status(503), status(502)];
    hub.faults.push((asked) => isLarge(asked) ? answers.shift() : undefined);
    await fetchInto(cache, client, place);
    assert.deepEqual(client.waits, [7000, 1000, 2000, 4000]);
  });
});

Deno.test("what does not pass is given up, and nothing is left under a final name", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub, { nTries: 3 });
    const place = await placeOf(client, "config.json");
    hub.faults.push(() => status(500));
    await assert.rejects(fetchInto(cache, client, place), {
      message: `Cannot fetch ${hub.url}/owner/name/resolve/${commit}/config.json: ` +
        "expected an answer, got status 500, 3 times",
    });
    assert.deepEqual(client.waits, [500, 1000]);
    hub.faults.push(() => status(429, { "retry-after": "4000" }));
    await assert.rejects(
      fetchInto(cache, client, place),
      /got status 429 and the wish to wait 4000 s; try again after that time$/,
    );
  });
});

Deno.test("a server that falls silent, or is not there, is given up", async () => {
  await withHub(async (hub) => {
    const client = clientOf(hub, { nTries: 2, silenceMs: 30 });
    let release = () => {};
    const held = new Promise<void>((done) => release = done);
    hub.faults.push(() =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await held;
            controller.close();
          },
        }),
      )
    );
    await assert.rejects(client.commit("owner/name", "main"), /got silence for 30 ms, 2 times$/);
    release();
  });
  const gone = smallHub();
  await gone.close();
  await assert.rejects(clientOf(gone, { nTries: 2 }).commit("owner/name", "main"), /, 2 times$/);
});

Deno.test("slow is not silent, and silence in the middle is a cut", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub, { silenceMs: 300 });
    const place = await placeOf(client, large);
    const bytes = files[large];
    const headers = { "content-length": `${bytes.length}` };
    hub.faults.push(once((asked) => {
      if (!isLarge(asked)) return undefined;
      let at = 0;
      const body = new ReadableStream({
        async pull(controller) {
          // Nine parts in 450 ms, and then nothing.
          await new Promise((done) => setTimeout(done, at < 9000 ? 50 : 2000));
          controller.enqueue(bytes.subarray(at, at += 1000));
        },
      });
      return new Response(body, { headers });
    }));
    const at = await fetchInto(cache, client, place);
    assert.deepEqual(await Deno.readFile(at), bytes);
    assert.deepEqual(client.waits, [500]);
    assert.equal(hub.asked.findLast(isLarge)!.range, "bytes=9000-299999");
  });
});

Deno.test("bytes of another hash are refused, and go", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    for (const path of [large, "config.json"]) {
      const place = await placeOf(client, path);
      const wrong = files[path].map((byte) => byte ^ 1);
      hub.faults.push((asked) =>
        asked.path.includes(path) || isLarge(asked) ? new Response(wrong) : undefined
      );
      const kind = path === large ? "sha256" : "git's id";
      await assert.rejects(
        fetchInto(cache, client, place),
        new RegExp(
          `^DataError: Cannot fetch hf://owner/name@${commit}/${path}: ` +
            `expected ${kind} [0-9a-f]+, got ${kind} [0-9a-f]+$`,
        ),
      );
      const left = [...Deno.readDirSync(`${cache}/models--owner--name/blobs`)];
      assert.deepEqual(left, []);
      hub.faults.pop();
    }
  });
});

const lies: Readonly<Record<string, [Response, RegExp]>> = {
  "more than it listed": [
    new Response(new Uint8Array(300_001)),
    /expected 300000 bytes, got 300001$/,
  ],
  "less than it listed": [new Response(new Uint8Array(10)), /expected 300000 bytes, got 10$/],
  "more in chunks of no said size": [
    new Response(ReadableStream.from([new Uint8Array(300_000), new Uint8Array(9)])),
    /expected 300000 bytes, got more$/,
  ],
};
for (const [what, [answer, message]] of Object.entries(lies)) {
  Deno.test(`a server that sends ${what} is refused`, async () => {
    await withHub(async (hub, cache) => {
      const client = clientOf(hub);
      const place = await placeOf(client, large);
      hub.faults.push((asked) => isLarge(asked) ? answer : undefined);
      await assert.rejects(fetchInto(cache, client, place), message);
      assert.deepEqual(client.waits, []);
    });
  });
}

Deno.test("a range of another file, or no range at all, is refused", async () => {
  await withHub(async (hub) => {
    const options = { wait: () => Promise.resolve() };
    const source = openUrl(`${hub.url}/x`, 100, options);
    hub.faults.push(() =>
      new Response(new Uint8Array(10), {
        status: 206,
        headers: { "content-range": "bytes 0-9/200" },
      })
    );
    await assert.rejects(source.read(0, 10), /expected bytes 0-9\/100, got "bytes 0-9\/200"$/);
    hub.faults.push(() => new Response(new Uint8Array(100)));
    await assert.rejects(
      source.read(0, 10),
      /expected a server that gives ranges of bytes, got the whole$/,
    );
    assert.deepEqual(await source.read(90, 100), new Uint8Array(10), "the rest of the whole");
  });
});

Deno.test("redirects in a circle, too many, or to a less safe place are refused", async () => {
  await withHub(async (hub) => {
    const to = (location: string) => () => status(302, { location });
    const ask = () => getJson({ url: `${hub.url}/a` }, { nTries: 1 });
    const cases: [Fault, RegExp][] = [
      [to("/a"), /expected at most 10 redirects, got a circle of them$/],
      [
        ({ path }) => status(307, { location: path === "/b" ? "/a" : "/b" }),
        /got a circle of them$/,
      ],
      [
        ({ path }) => status(308, { location: `${path}b` }),
        /expected at most 10 redirects, got more$/,
      ],
      [
        to("file:///etc/passwd"),
        /expected a redirect to an address as safe, got "null\/etc\/passwd"$/,
      ],
      [to("http://"), /expected a redirect to an address as safe, got "http:\/\/"$/],
    ];
    for (const [fault, message] of cases) {
      hub.faults.push(fault);
      await assert.rejects(ask(), message);
    }
  });
});
