// The gate, which decides at each place how much of the correction is applied: as deblur/inference/gating.py.

import { between, interpolated } from "./interpolation.js";
import { inTurn } from "./pool.js";

const STRIP_PIXELS = 2 ** 19; // weighed at once, without their surroundings

/**
 * Return the weights of the cells of an image: {weights, columns}.
 *
 * @param image: {height, width, before, after}; the last two return the luma, in [0, 1], of the image and of the
 *   restored one at an index
 * @param gate: {file, cell, halo} [px]
 * @param done: called after each strip with the fraction of the image that it covers
 */
export async function weigh({ height, width, before, after }, gate, pool, done) {
  const columns = Math.ceil(width / gate.cell);
  const weights = new Float32Array(Math.ceil(height / gate.cell) * columns);
  const high = Math.max(1, Math.floor(STRIP_PIXELS / (width * gate.cell))) * gate.cell;
  const tops = Array.from({ length: Math.ceil(height / high) }, (_, index) => index * high);
  await inTurn(tops, pool.size, async (top) => {
    const bottom = Math.min(top + high, height);
    const first = Math.max(top - gate.halo, 0);
    const last = Math.min(bottom + gate.halo, height);
    const shape = [1, 1, Math.ceil((last - first) / gate.cell) * gate.cell, columns * gate.cell];
    const image = new Float32Array(shape[2] * shape[3]);
    const correction = new Float32Array(shape[2] * shape[3]);
    for (let y = 0, at = 0; y < shape[2]; y += 1) {
      const row = Math.min(first + y, last - 1) * width; // incomplete cells are continued by the last row and column
      for (let x = 0; x < shape[3]; x += 1, at += 1) {
        const index = row + Math.min(x, width - 1);
        image[at] = before(index);
        correction[at] = after(index) - image[at];
      }
    }
    const found = await pool.run(gate.file, { image: { data: image, shape }, correction: { data: correction, shape } });
    const [skipped, kept] = [(top - first) / gate.cell, Math.ceil((bottom - top) / gate.cell)];
    weights.set(found.subarray(skipped * columns, (skipped + kept) * columns), (top / gate.cell) * columns);
    done((bottom - top) / height);
  });
  return { weights, columns };
}

/** Write the weights of the pixels of a row into an array, interpolated between the centers of the cells. */
export function interpolate({ weights, columns }, cell, y, row) {
  const place = (position, count) => between((position + 0.5) / cell - 0.5, count);
  const down = place(y, weights.length / columns);
  for (let x = 0; x < row.length; x += 1) row[x] = interpolated(weights, columns, down, place(x, columns));
}
