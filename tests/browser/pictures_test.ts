// Pictures of the figures of a report.

import assert from "node:assert/strict";
import { writePictures } from "../../src/pictures.ts";
import { writeReport } from "../../src/write_report.ts";
import {
  addressOf,
  drawnFigures,
  openDrawn,
  pageTest,
  temporaryFolder,
  testThatSomethingRan,
  tiny,
} from "./_pages.ts";

testThatSomethingRan();

let written: Promise<string> | undefined;

function report(): Promise<string> {
  return written ??= tiny().then(({ summary, out }) =>
    writeReport(summary, out, { appearingAt: 128 })
  );
}

pageTest(
  "writePictures() writes every figure as SVG, with its text, the same in two runs",
  async (page, browser) => {
    const out = await temporaryFolder();
    const paths = await writePictures(await report(), `${out}/a`, { format: "svg", browser });
    await openDrawn(page, addressOf(await report()));
    const figures = await drawnFigures(page);
    assert(figures.length >= 8);
    assert.deepEqual(paths, figures.map(({ name }) => `${out}/a/${name}.svg`));
    for (const [f, { name, width, height, ticks }] of figures.entries()) {
      const text = Deno.readTextFileSync(paths[f]);
      assert(text.startsWith(`<svg class="main-svg" xmlns="http://www.w3.org/2000/svg"`), name);
      assert(text.includes(`width="${width}" height="${height}"`), `size of ${name}`);
      assert(ticks.every((tick) => text.includes(`>${tick}</text>`)), `ticks of ${name}`);
      assert.match(text, /system-ui/);
    }
    const again = await writePictures(await report(), `${out}/b`, { format: "svg", browser });
    assert.deepEqual(again.map(Deno.readTextFileSync), paths.map(Deno.readTextFileSync));
  },
);

pageTest(
  "writePictures() writes every figure as PNG of twice its size, as a picture that is not blank",
  async (page, browser) => {
    const out = await temporaryFolder();
    const paths = await writePictures(await report(), out, { format: "png", browser });
    await openDrawn(page, addressOf(await report()));
    const figures = await drawnFigures(page);
    assert.deepEqual(paths, figures.map(({ name }) => `${out}/${name}.png`));
    await page.goto("about:blank"); // whose policy is none
    for (const [f, path] of paths.entries()) {
      const { width, height, name } = figures[f];
      const seen = await page.evaluate<readonly number[]>(`(async () => {
        const image = new Image();
        image.src = "data:image/png;base64,${Deno.readFileSync(path).toBase64()}";
        await image.decode();
        const { width, height } = image;
        const context = new OffscreenCanvas(width, height).getContext("2d");
        context.drawImage(image, 0, 0);
        const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
        return [width, height, pixels[0], new Set(pixels).size];
      })()`);
      assert.deepEqual(seen.slice(0, 3), [2 * width, 2 * height, 0xffffffff], name);
      assert(seen[3] > 20, `${name} has ${seen[3]} colours`);
    }
  },
);

const figure = (name: string, script = "") =>
  `<!doctype html><figure data-figure="${name}"><div class="plot"></div></figure>
  <script>${script}</script>`;

const refused: Readonly<Record<string, readonly [page: string, got: RegExp]>> = {
  "without figures": ["<!doctype html><p>nothing", /got no figure$/],
  "whose figure would be written elsewhere": [figure("../a"), /got "\.\.\/a"$/],
  "that does not draw": [figure("a", "throw Error('b')"), /got "exception: Error: b/],
  "without plotly.js": [figure("a"), /got ReferenceError: Plotly is not defined$/],
};

for (const [what, [text, got]] of Object.entries(refused)) {
  pageTest(`writePictures() refuses a page ${what}, and writes nothing`, async (_, browser) => {
    const folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder}/page.html`, text);
    await assert.rejects(
      writePictures(`${folder}/page.html`, `${folder}/out`, { format: "svg", browser }),
      { name: "DataError", message: got },
    );
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["page.html"]);
  });
}

pageTest("writePictures() says that there is no page", async (_, browser) => {
  await assert.rejects(writePictures("/not/there.html", "/not", { format: "png", browser }), {
    message: "Cannot open /not/there.html: expected a file, got nothing there",
  });
});
