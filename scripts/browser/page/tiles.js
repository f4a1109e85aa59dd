// Parts of an image that give, side by side, what the network gives for the whole image: as deblur/inference/tiles.py.

/** Return which pixel of a row of `size` shows at a position of its half-sample symmetric continuation (cba|abc|cba). */
export function mirrorIndex(position, size) {
  const inPeriod = ((position % (2 * size)) + 2 * size) % (2 * size);
  return Math.min(inPeriod, 2 * size - 1 - inPeriod);
}

/**
 * Return the tiles that share a row of `size` pixels evenly: {start, stop} of one length, at multiples of the divisor.
 * The last one may extend beyond the row.
 */
export function partsOf(size, tile, divisor) {
  const units = Math.ceil(size / divisor);
  const most = Math.max(1, Math.floor(tile / divisor));
  const side = Math.ceil(units / Math.ceil(units / most)) * divisor;
  const parts = [];
  for (let start = 0; start < size; start += side) {
    const begin = Math.min(start, units * divisor - side);
    parts.push({ start: begin, stop: begin + side });
  }
  return parts;
}

/** Return all tiles of an image, {rows, columns}. */
export function tilesOf(height, width, tile, divisor) {
  const across = partsOf(width, tile, divisor);
  return partsOf(height, tile, divisor).flatMap((rows) => across.map((columns) => ({ rows, columns })));
}

/**
 * Cut a tile and its surroundings out of planes; beyond the image, these are its mirror image.
 *
 * @param {(number) => Float32Array} values: converts the value of a pixel at an index of the image, by plane
 */
export function cut(planes, height, width, { rows, columns }, halo) {
  const [high, wide] = [rows.stop - rows.start + 2 * halo, columns.stop - columns.start + 2 * halo];
  const across = Int32Array.from({ length: wide }, (_, x) => mirrorIndex(columns.start - halo + x, width));
  const data = new Float32Array(planes.length * high * wide);
  let at = 0;
  for (const plane of planes) {
    for (let y = 0; y < high; y += 1) {
      const row = mirrorIndex(rows.start - halo + y, height) * width;
      for (let x = 0; x < wide; x += 1, at += 1) data[at] = plane(row + across[x]);
    }
  }
  return { data, shape: [1, planes.length, high, wide] };
}
