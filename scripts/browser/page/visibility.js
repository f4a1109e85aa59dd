// Where a photo is visibly blurred, in all detail around a place and not in some of it: as
// deblur/estimation/visibility.py, with `local_spreads` of deblur/estimation/estimate.py.

import { between, interpolated } from "./interpolation.js";
import { INPUTS, Windows } from "./spectra.js";
import { mirrorIndex } from "./tiles.js";

const AROUND = 2; // windows to each side of a place whose spectra the spread at the place is estimated from
const SIDE = 2 * AROUND + 1;
const DISTANCE = 240; // px to each side of a place, in which detail counts
const INVISIBLE = 2 / 3; // of the spread of a visible blur, up to which none is visible
const SHARPER = 0.05; // of the detail around a place, that may seem sharper than it is
const STEPS = 8; // between invisible and visible
const BLOCK = 512; // windows that are measured without a pause

/**
 * Return how visible the blur of an image is around each cell, from 0 to 1: an array, row by row.
 *
 * @param image: {height, width, luma}; the last one returns the luma in [0, 1] at an index
 * @param estimator: {file, sizes, spread}: the file of a network, the sizes of its layers, and the spread from which on
 *   a blur is visible [px]
 * @param cell: side of the cells [px]
 */
export async function visibility(image, { file, sizes, spread }, cell) {
  const windows = new Windows(image);
  const { rows, columns, step, center } = windows;
  const { spreads, weights } = await localSpreads(windows, await layersOf(file, sizes));
  const around = Math.max(1, Math.round(DISTANCE / step));
  const most = sums(weights, columns, around).map((sum) => SHARPER * sum);
  const visible = new Float32Array(rows * columns);
  for (let number = 0; number < STEPS; number += 1) {
    const threshold = spread * (INVISIBLE + ((1 - INVISIBLE) * (2 * number + 1)) / (2 * STEPS));
    const sharper = sums(weights.map((weight, at) => (spreads[at] < threshold ? weight : 0)), columns, around);
    for (let at = 0; at < visible.length; at += 1) visible[at] += (sharper[at] <= most[at] ? 1 : 0) / STEPS;
  }
  const places = (side, count) =>
    Array.from({ length: Math.ceil(side / cell) }, (_, index) => between(((index + 0.5) * cell - center) / step, count));
  const across = places(image.width, columns);
  return Float32Array.from(
    places(image.height, rows).flatMap((down) => across.map((place) => interpolated(visible, columns, down, place))),
  );
}

/**
 * Return the layers of a network from its file: [{weights, biases}], where the weights of each output follow each other.
 *
 * @param sizes: number of inputs, and of the outputs of each layer
 */
async function layersOf(file, sizes) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
  const content = await answer.arrayBuffer();
  let at = 0;
  const next = (count) => {
    const values = new Float32Array(content, at, count);
    at += values.byteLength;
    return values;
  };
  return sizes.slice(1).map((outputs, layer) => ({ weights: next(sizes[layer] * outputs), biases: next(outputs) }));
}

/**
 * Estimate the standard deviation of the kernel in its widest direction around each window [px], and return it with the
 * weight of each place: {spreads, weights}.
 *
 * The spectra of few rows are in memory. Other messages are received in between.
 */
async function localSpreads(windows, layers) {
  const { rows, columns } = windows;
  const contrasts = new Float32Array(rows * columns);
  const spreads = new Float32Array(rows * columns);
  const logs = Array.from({ length: Math.min(SIDE, rows) }, () => new Float32Array(columns * INPUTS)); // of the last rows
  let next = 0; // row
  const totals = new Float64Array(columns * INPUTS);
  const shares = new Float64Array(columns);
  const mean = new Float64Array(INPUTS);
  for (let row = 0, count = 0; row < rows; row += 1, count += columns) {
    if (count >= BLOCK) {
      await new Promise((resolve) => setTimeout(resolve));
      count = 0;
    }
    const [first, stop] = [Math.max(0, row - AROUND), Math.min(row + AROUND + 1, rows)];
    for (; next < stop; next += 1) {
      windows.measure(next, logs[next % SIDE], contrasts.subarray(next * columns, (next + 1) * columns));
    }
    totals.fill(0);
    shares.fill(0);
    for (let one = first; one < stop; one += 1) {
      add(logs[one % SIDE], contrasts.subarray(one * columns, (one + 1) * columns), totals, shares);
    }
    for (let column = 0; column < columns; column += 1) {
      averageAround(totals, shares, column, mean);
      spreads[row * columns + column] = Math.exp(output(layers, mean));
    }
  }
  return { spreads, weights: smoothed(contrasts, rows, columns) };
}

/** Add the spectra of a row of windows to totals, times their weights, and the weights to shares. */
function add(logs, weights, totals, shares) {
  for (let column = 0, at = 0; column < weights.length; column += 1) {
    const weight = weights[column];
    shares[column] += weight;
    for (const end = at + INPUTS; at < end; at += 1) totals[at] += weight * logs[at];
  }
}

/** Write the weighted mean of the spectra around a column; beyond the first and the last one, they are mirrored. */
function averageAround(totals, shares, column, mean) {
  const around = Array.from({ length: SIDE }, (_, index) => mirrorIndex(column + index - AROUND, shares.length));
  const share = around.reduce((sum, one) => sum + shares[one], 0);
  mean.fill(0);
  for (const one of around) {
    for (let at = 0, from = one * INPUTS; at < INPUTS; at += 1, from += 1) mean[at] += totals[from] / share;
  }
}

/** Return the only output of a network. */
function output(layers, inputs) {
  let values = inputs;
  layers.forEach(({ weights, biases }, layer) => {
    const found = new Float64Array(biases.length);
    const isLast = layer === layers.length - 1;
    for (let one = 0, at = 0; one < found.length; one += 1) {
      let sum = biases[one];
      for (let input = 0; input < values.length; input += 1, at += 1) sum += values[input] * weights[at];
      found[one] = isLast ? sum : Math.max(sum, 0);
    }
    values = found;
  });
  return values[0];
}

/** Return the mean of the values of a plane in the square of `SIDE` around each; beyond the plane, they are mirrored. */
function smoothed(values, rows, columns) {
  return values.map((_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let down = -AROUND; down <= AROUND; down += 1) {
      const first = mirrorIndex(row + down, rows) * columns;
      for (let across = -AROUND; across <= AROUND; across += 1) sum += values[first + mirrorIndex(column + across, columns)];
    }
    return sum / SIDE ** 2;
  });
}

/** Return the sum of the values of a plane around each, up to a distance along both axes; none lie beyond the plane. */
function sums(values, columns, around) {
  const rows = values.length / columns;
  const wide = columns + 1;
  const above = new Float64Array((rows + 1) * wide); // sums of all values above and to the left
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0, left = 0; column < columns; column += 1) {
      left += values[row * columns + column];
      above[(row + 1) * wide + column + 1] = above[row * wide + column + 1] + left;
    }
  }
  return Float64Array.from(values, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const [top, bottom] = [Math.max(row - around, 0) * wide, Math.min(row + around + 1, rows) * wide];
    const [left, right] = [Math.max(column - around, 0), Math.min(column + around + 1, columns)];
    return above[bottom + right] - above[bottom + left] - above[top + right] + above[top + left];
  });
}
