/**
 * The figures of a finished page, as pictures.
 *
 * @module
 */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "./browser.ts";
import { DataError, show } from "./errors.ts";
import { openFile, writeFile } from "./files.ts";

/** Forms in which pictures are written. */
export const pictureFormats = ["png", "svg"] as const;

/** One of {@linkcode pictureFormats}. */
export type PictureFormat = typeof pictureFormats[number];

/** How {@linkcode writePictures} writes. */
export interface PictureOptions {
  /** PNG, with two pixels in a CSS pixel, or SVG, whose text is text in the reader's fonts. */
  readonly format: PictureFormat;
  /** What draws; it stays open. */
  readonly browser: Browser;
}

/**
 * Writes every figure of a page, each as wide as on a window of 1,280 pixels, in light colours and on the
 * first scale of training steps.
 *
 * The same page and browser give the same bytes.
 *
 * @param page Path of a page with figures: `report/index.html`.
 * @param out Folder to write in.
 * @param options What to write, and with what.
 * @returns Paths of the pictures, `<out>/<figure>.<format>`, in the order of the page.
 * @throws {DataError} If there is no such page, it complains or has no figures, or the disk refuses.
 */
export async function writePictures(
  page: string,
  out: string,
  { format, browser }: PictureOptions,
): Promise<string[]> {
  await openFile(page); // a missing one is told better here than by the browser
  const opened = await browser.newPage();
  try {
    await opened.goto(pathToFileURL(resolve(page)).href);
    await opened.evaluate(allDrawn);
    const names = await figureNames(opened, page);
    await opened.evaluate(sameNumbers);
    const paths: string[] = [];
    for (const name of names) {
      const picture = await opened.evaluate<string>(drawing(name, format));
      const path = `${out}/${name}.${format}`;
      await writeFile(path, (sink) => sink.write(bytesOf(picture)));
      paths.push(path);
    }
    return paths;
  } finally {
    await opened.close();
  }
}

async function figureNames(page: Page, where: string): Promise<string[]> {
  const names = await page.evaluate<string[]>(
    'Array.from(document.querySelectorAll("figure[data-figure]"), (f) => f.dataset.figure)',
  );
  const odd = names.find((name) => !/^[a-z0-9-]+$/.test(name)); // it becomes the name of a file
  const got = page.messages[0] ?? odd;
  if (names.length > 0 && got === undefined) return names;
  throw new DataError("draw the figures of", {
    where,
    expected: "figures with names of lower-case letters, and a page that draws them",
    got: got === undefined ? "no figure" : show(got),
  });
}

// A report draws its figures one after another.
const allDrawn = `new Promise((done) => {
  if (document.documentElement.dataset.figures !== "waiting") done();
  else document.addEventListener("figures-drawn", () => done());
})`;

// plotly.js names parts of a picture by chance. From here on chance is the same in every run.
const sameNumbers = `(() => {
  let x = 1;
  Object.assign(Math, { random: () => (x = (x * 48271) % 2147483647) / 2147483647 });
})()`;

// In the page: a figure as a data URL.
function drawing(name: string, format: PictureFormat): string {
  return `(() => {
    const plot = document.querySelector('figure[data-figure="${name}"] .plot');
    const { width, height } = plot.getBoundingClientRect();
    const scale = ${format === "png" ? 2 : 1};
    return Plotly.toImage(plot, { format: "${format}", width, height, scale });
  })()`;
}

// A browser writes the style of an element before or after its other attributes, as it happens.
const styledTag = /(<[\w:]+(?: [\w:-]+="[^"]*")*?)( style="[^"]*")((?: [\w:-]+="[^"]*")*)/g;

function bytesOf(dataUrl: string): Uint8Array {
  const text = dataUrl.slice(dataUrl.indexOf(",") + 1);
  return dataUrl.startsWith("data:image/png;base64,")
    ? Uint8Array.fromBase64(text)
    : new TextEncoder().encode(decodeURIComponent(text).replace(styledTag, "$1$3$2"));
}
