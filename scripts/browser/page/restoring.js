// A worker that restores an image: it cuts tiles, has them computed by others, and blends the image with the result.

import { interpolate, weigh } from "./gate.js";
import { inTurn, Pool } from "./pool.js";
import { cut, tilesOf } from "./tiles.js";
import { visibility } from "./visibility.js";

const TILE = 512; // px; larger ones have less surroundings that are computed twice, and need more memory
const BT601 = [0.299, 0.587, 0.114];
const GATE_SHARE = 0.1; // of the progress
const UNITS = Float32Array.from({ length: 256 }, (_, level) => level / 255);

/** The image and what was made of it: {width, height, before, after, isGray, cells}; levels of RGBA. */
let current = null;
let pool = null;

onmessage = async ({ data: { kind, ...content } }) => {
  try {
    if (kind === "restore") await restore(content);
    postBlend(content.strength, content.isGated);
  } catch (error) {
    postMessage({ kind: "error", text: String(error?.message ?? error) });
  }
};

/** Restore an image by the network, and weigh the correction by the gate and by how visible the blur is. */
async function restore({ width, height, pixels, network, workers }) {
  pool ??= new Pool(workers);
  const before = new Uint8ClampedArray(pixels);
  current = { width, height, before, after: before.slice(), isGray: isGray(before), gate: network.gate, cells: null };
  const tiles = tilesOf(height, width, TILE, network.sizeDivisor);
  let fraction = 0;
  const advance = (part) => {
    fraction += part;
    postMessage({ kind: "progress", fraction });
  };
  const share = network.gate ? 1 - GATE_SHARE : 1;
  const restored = inTurn(tiles, pool.size, async (tile) => {
    const surrounded = cut(planesOf(network.channels), height, width, tile, network.halo);
    const size = surrounded.shape.slice(2);
    paint(await pool.run(network.file, { [network.input]: surrounded }), size, tile, network);
    advance(share / tiles.length);
  });
  // Meanwhile, this worker has nothing else to do.
  const [visible] = await Promise.all([network.visibility ? visibilityOf(network) : null, restored]);
  if (network.gate) {
    const image = { width, height, before: lumaOf(current.before), after: lumaOf(current.after) };
    current.cells = await weigh(image, network.gate, pool, (part) => advance(GATE_SHARE * part));
    const { weights } = current.cells;
    visible?.forEach((factor, at) => {
      weights[at] *= factor;
    });
  }
}

/** Return how visible the blur of the image is in each cell of the gate. */
function visibilityOf(network) {
  const { width, height, before } = current;
  return visibility({ width, height, luma: lumaOf(before) }, network.visibility, network.gate.cell);
}

function isGray(pixels) {
  for (let at = 0; at < pixels.length; at += 4) {
    if (pixels[at] !== pixels[at + 1] || pixels[at] !== pixels[at + 2]) return false;
  }
  return true;
}

/** Return functions from an index of the image to its values in [0, 1]: one of its luma, or three of its colors. */
function planesOf(channels) {
  if (channels === 1) return [lumaOf(current.before)];
  return [0, 1, 2].map((channel) => (index) => UNITS[current.before[4 * index + channel]]);
}

function lumaOf(pixels) {
  if (current.isGray) return (index) => UNITS[pixels[4 * index]];
  return (index) => {
    const at = 4 * index;
    return Math.fround(BT601[0] * UNITS[pixels[at]] + BT601[1] * UNITS[pixels[at + 1]] + BT601[2] * UNITS[pixels[at + 2]]);
  };
}

/** Write the result of a tile into the restored image; assignments to its array round and clip. */
function paint(values, [high, wide], { rows, columns }, { halo, channels }) {
  const { width, height, before, after } = current;
  const plane = high * wide;
  const luma = lumaOf(before);
  for (let y = rows.start; y < Math.min(rows.stop, height); y += 1) {
    for (let x = columns.start; x < Math.min(columns.stop, width); x += 1) {
      const from = (y - rows.start + halo) * wide + (x - columns.start + halo);
      const index = y * width + x;
      const at = 4 * index;
      if (!Number.isFinite(values[from])) throw new Error("the network gives values that are no numbers");
      if (channels === 1) {
        const change = (clipped(values[from]) - luma(index)) * 255;
        for (let channel = 0; channel < 3; channel += 1) after[at + channel] = before[at + channel] + change;
      } else {
        for (let channel = 0; channel < 3; channel += 1) after[at + channel] = 255 * values[channel * plane + from];
        if (current.isGray) after.fill(255 * grayOf(values, from, plane), at, at + 3);
      }
    }
  }
}

/** Return the luma of a pixel of three planes. */
function grayOf(values, from, plane) {
  return BT601.reduce((sum, weight, channel) => sum + weight * clipped(values[channel * plane + from]), 0);
}

function clipped(value) {
  return Math.min(Math.max(value, 0), 1);
}

/** Send the image with a fraction of its correction, which the gate lowers at places that are sharp. */
function postBlend(strength, isGated) {
  const { width, height, before, after, cells, gate } = current;
  const pixels = before.slice();
  const weights = new Float32Array(width).fill(1);
  for (let y = 0, at = 0; y < height; y += 1) {
    if (isGated && cells) interpolate(cells, gate.cell, y, weights);
    for (let x = 0; x < width; x += 1, at += 4) {
      const weight = strength * weights[x];
      for (let channel = at; channel < at + 3; channel += 1) {
        pixels[channel] = before[channel] + weight * (after[channel] - before[channel]);
      }
    }
  }
  postMessage({ kind: "restored", pixels: pixels.buffer, width, height, strength, isGated }, [pixels.buffer]);
}
