// Workers that compute networks at the same time, each on its own thread.

/** Several workers of inference.js, each of which takes the next waiting call as soon as it is free. */
export class Pool {
  #workers = [];
  #free = [];
  #waiting = [];

  /** Start a number of workers. */
  constructor(count) {
    for (let index = 0; index < count; index += 1) {
      const worker = new Worker(new URL("./inference.js", import.meta.url), { type: "module" });
      this.#workers.push(worker);
      this.#free.push(worker);
    }
  }

  /** The number of workers. */
  get size() {
    return this.#workers.length;
  }

  /** Compute the network of a file; the inputs are {data, shape} by name. Return a promise of the output's values. */
  async run(file, inputs) {
    const worker = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      return await this.#ask(worker, file, inputs);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(worker);
      else this.#free.push(worker);
    }
  }

  #ask(worker, file, inputs) {
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { data, error } }) => (error === undefined ? resolve(data) : reject(new Error(error)));
      worker.onerror = (event) => reject(new Error(event.message || "a part of the program cannot be loaded"));
      worker.postMessage({ file, inputs }, Object.values(inputs).map(({ data }) => data.buffer));
    });
  }
}

/**
 * Do work for each item, at most `count` at a time.
 *
 * Only so many inputs are in memory as are computed.
 */
export async function inTurn(items, count, work) {
  const left = items[Symbol.iterator]();
  const lane = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: count }, lane));
}
