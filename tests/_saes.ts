// Folders of SAEs, copied from the fixtures and changed.

import { encodeSafetensors, type Tensor } from "../src/safetensors.ts";
import { inTempDir } from "./_files.ts";
import { npyHeader, npyOf, zipOf } from "./_zip.ts";

/** Where the SAEs of five collections are. */
export const fixtures = new URL("../fixtures/sae_formats/", import.meta.url).pathname;
/** Where all of them read. */
export const hook = "blocks.0.hook_resid_post";
/** What is said of those whose files are silent. */
export const told = { hook, contextSize: 16 };

/** Changes the files of a folder. */
export type Edit = (folder: string) => void;

/** Copies an SAE of the fixtures, and changes what is asked for. */
export async function withCopy(of: string, edit: Edit, act: (folder: string) => Promise<void>) {
  await inTempDir(async (within) => {
    const folder = `${within}/${of.replaceAll("/", "_")}`;
    copy(fixtures + of, folder);
    edit(folder);
    await act(folder);
  });
}

/** Copies a folder. */
export function copy(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copy(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Changes members of a JSON file; one that is undefined goes. */
export function json(file: string, more: object): Edit {
  return (folder) => {
    const path = `${folder}/${file}`;
    const value = JSON.parse(Deno.readTextFileSync(path));
    Deno.writeTextFileSync(path, JSON.stringify({ ...value, ...more }));
  };
}

/** Changes the trainer that config.json tells of. */
export function trainer(more: object): Edit {
  return (folder) => {
    const { trainer } = JSON.parse(Deno.readTextFileSync(`${folder}/config.json`));
    json("config.json", { trainer: { ...trainer, ...more } })(folder);
  };
}

/** Writes a safetensors file. */
export function tensors(file: string, of: Record<string, Tensor>): Edit {
  return (folder) => Deno.writeFileSync(`${folder}/${file}`, encodeSafetensors(of));
}

/** Writes params.npz of ones, 3 features of 2 dimensions, with other arrays in place of some. */
export function npz(more: Record<string, Uint8Array>): Edit {
  const names = { W_enc: [2, 3], W_dec: [3, 2], b_enc: [3], b_dec: [2], threshold: [3] };
  const arrays = Object.entries(names).map(([name, shape]) => {
    const n = shape.reduce((n, d) => n * d, 1);
    const bytes = npyOf(
      npyHeader("<f4", shape),
      new Uint8Array(new Float32Array(n).fill(1).buffer),
    );
    return [name, bytes] as const;
  });
  const all = Object.entries({ ...Object.fromEntries(arrays), ...more });
  const bytes = zipOf(all.map(([name, bytes]) => ({ name: `${name}.npy`, bytes })));
  return (folder) => Deno.writeFileSync(`${folder}/params.npz`, bytes);
}

/** Writes ae.pt, a pickle that would run a program. */
export const evil: Edit = (folder) => {
  const bytes = new TextEncoder().encode("cos\nsystem\n(X\x04\0\0\0harmtR.");
  const data = [{ name: "x/data.pkl", bytes }];
  Deno.writeFileSync(`${folder}/ae.pt`, zipOf(data));
};

/** A tensor of one value. */
export const floats = (shape: number[], value = 1): Tensor => ({
  shape,
  data: new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(value),
});
/** An SAE of dictionary_learning. */
export const topk = "dictionary_learning/AutoEncoderTopK";
/** An SAE of Gemma Scope, stored. */
export const gemma = `gemma_scope/layer_0/gemma_stored/${
  [...Deno.readDirSync(`${fixtures}gemma_scope/layer_0/gemma_stored`)][0].name
}`;
