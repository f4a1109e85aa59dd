// Spectra of windows of an image: as deblur/estimation/network.py.

import { mirrorIndex } from "./tiles.js";

const FIELD = 32; // px, side of a window
const HALF = FIELD / 2 + 1; // frequencies along a row; the others are those of its mirror image
const STEP = 16; // px between windows
const MOST_WINDOWS = 16_000; // of a larger image, they lie further apart
const WEAKEST = (0.5 / 255) ** 2; // power that is added: noise and rounding are not weaker
const LEAST_WEIGHT = 1e-4;
const MOST_WEIGHT = 0.1; // standard deviation in [0, 1] from which on a window has full weight

/** Values of a spectrum. */
export const INPUTS = FIELD * HALF;

const HANN = Float64Array.from({ length: FIELD }, (_, place) => (1 - Math.cos((2 * Math.PI * place) / FIELD)) / 2);
const SHARE = HANN.map((value) => value / HANN.reduce((sum, one) => sum + one));
const TAPER = HANN.map((value) => value / Math.sqrt(HANN.reduce((sum, one) => sum + one ** 2)));
const COSINES = Float64Array.from({ length: FIELD / 2 }, (_, index) => Math.cos((2 * Math.PI * index) / FIELD));
const SINES = Float64Array.from({ length: FIELD / 2 }, (_, index) => Math.sin((2 * Math.PI * index) / FIELD));
const REVERSED = Uint8Array.from({ length: FIELD }, (_, index) =>
  Array.from({ length: Math.log2(FIELD) }).reduce((found, _, bit) => 2 * found + ((index >> bit) & 1), 0),
);

/** The windows of an image, row by row. An image of less than a window is continued by its mirror image. */
export class Windows {
  #image;
  #strip; // luma of the pixels of a row of windows
  #across; // index of each of its columns in the image
  #window = new Float64Array(FIELD ** 2);
  #plane = { real: new Float64Array(FIELD ** 2), imaginary: new Float64Array(FIELD ** 2) };
  #half = { real: new Float64Array(INPUTS), imaginary: new Float64Array(INPUTS) };

  /** Take an image: {height, width, luma}; the last one returns the luma in [0, 1] at an index. */
  constructor(image) {
    this.#image = image;
    const wide = Math.max(image.width, FIELD);
    const counts = (step) => [image.height, image.width].map((side) => Math.floor(Math.max(side - FIELD, 0) / step) + 1);
    this.step = STEP; // px between windows
    while (counts(this.step).reduce((product, count) => product * count) > MOST_WINDOWS) this.step += STEP;
    [this.rows, this.columns] = counts(this.step);
    this.center = FIELD / 2; // of the first window [px]
    this.#strip = new Float32Array(FIELD * wide);
    this.#across = Int32Array.from({ length: wide }, (_, x) => mirrorIndex(x - missing(image.width), image.width));
  }

  /** Write the logarithms of the power of a row of windows, `INPUTS` each, and their weights into arrays. */
  measure(row, logs, weights) {
    this.#read(row * this.step);
    for (let column = 0; column < this.columns; column += 1) {
      weights[column] = this.#cut(column * this.step);
      this.#transform(logs, column * INPUTS);
    }
  }

  /** Read the luma of the pixels of a row of windows. */
  #read(top) {
    const { height, width, luma } = this.#image;
    for (let y = 0, at = 0; y < FIELD; y += 1) {
      const first = mirrorIndex(top + y - missing(height), height) * width;
      for (let x = 0; x < this.#across.length; x += 1, at += 1) this.#strip[at] = luma(first + this.#across[x]);
    }
  }

  /** Cut out a window, subtract its mean, taper it, and return its weight. */
  #cut(left) {
    const [strip, window, wide] = [this.#strip, this.#window, this.#across.length];
    let mean = 0;
    for (let y = 0, at = 0; y < FIELD; y += 1) {
      for (let x = 0; x < FIELD; x += 1, at += 1) {
        window[at] = strip[y * wide + left + x];
        mean += window[at] * SHARE[y] * SHARE[x];
      }
    }
    let variance = 0;
    for (let y = 0, at = 0; y < FIELD; y += 1) {
      for (let x = 0; x < FIELD; x += 1, at += 1) {
        const value = window[at] - mean;
        variance += value ** 2 * SHARE[y] * SHARE[x];
        window[at] = value * TAPER[y] * TAPER[x];
      }
    }
    return Math.min(Math.max(Math.sqrt(variance), LEAST_WEIGHT), MOST_WEIGHT);
  }

  /** Write the logarithms of the power of the window: two of its rows are transformed as one row of complex numbers. */
  #transform(logs, start) {
    const [window, plane, half] = [this.#window, this.#plane, this.#half];
    for (let y = 0; y < FIELD; y += 2) {
      const first = y * FIELD;
      plane.real.set(window.subarray(first, first + FIELD), first);
      plane.imaginary.set(window.subarray(first + FIELD, first + 2 * FIELD), first);
      transform(plane, first, 1);
      for (let x = 0; x < HALF; x += 1) {
        const [one, other, to] = [first + x, first + ((FIELD - x) % FIELD), y * HALF + x];
        half.real[to] = (plane.real[one] + plane.real[other]) / 2;
        half.imaginary[to] = (plane.imaginary[one] - plane.imaginary[other]) / 2;
        half.real[to + HALF] = (plane.imaginary[one] + plane.imaginary[other]) / 2;
        half.imaginary[to + HALF] = (plane.real[other] - plane.real[one]) / 2;
      }
    }
    for (let x = 0; x < HALF; x += 1) transform(half, x, HALF);
    for (let at = 0; at < INPUTS; at += 1) {
      logs[start + at] = Math.log(half.real[at] ** 2 + half.imaginary[at] ** 2 + WEAKEST);
    }
  }
}

/** Return how many pixels are added before the first one of a side that is shorter than a window. */
function missing(side) {
  return Math.floor(Math.max(FIELD - side, 0) / 2);
}

/** Replace `FIELD` complex numbers, the first one of which is at an index, by their Fourier transform. */
function transform({ real, imaginary }, first, stride) {
  for (let index = 0; index < FIELD; index += 1) {
    const [one, other] = [first + index * stride, first + REVERSED[index] * stride];
    if (one < other) {
      [real[one], real[other]] = [real[other], real[one]];
      [imaginary[one], imaginary[other]] = [imaginary[other], imaginary[one]];
    }
  }
  for (let half = 1; half < FIELD; half *= 2) {
    for (let index = 0; index < FIELD / 2; index += 1) {
      const within = index % half;
      const [cosine, sine] = [COSINES[(within * FIELD) / 2 / half], SINES[(within * FIELD) / 2 / half]];
      const one = first + (2 * index - within) * stride;
      const other = one + half * stride;
      const turnedReal = cosine * real[other] + sine * imaginary[other];
      const turnedImaginary = cosine * imaginary[other] - sine * real[other];
      real[other] = real[one] - turnedReal;
      imaginary[other] = imaginary[one] - turnedImaginary;
      real[one] += turnedReal;
      imaginary[one] += turnedImaginary;
    }
  }
}
