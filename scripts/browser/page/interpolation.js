// Values between those of a plane.

/** Return the two of a number of values between which a place lies, and how far it is from the first to the second. */
export function between(place, count) {
  const inside = Math.min(Math.max(place, 0), count - 1);
  const first = Math.floor(inside);
  return [first, Math.min(first + 1, count - 1), inside - first];
}

/** Return the value of a plane at a place, which `between` has found along both axes. */
export function interpolated(values, columns, [upper, lower, down], [left, right, across]) {
  const above = values[upper * columns + left] * (1 - across) + values[upper * columns + right] * across;
  const below = values[lower * columns + left] * (1 - across) + values[lower * columns + right] * across;
  return above * (1 - down) + below * down;
}
