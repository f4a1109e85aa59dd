// A worker that computes networks with onnxruntime, one call after the other.

import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more need a server that sends headers of isolation; several such workers need none
ort.env.wasm.wasmPaths = { wasm: new URL("./ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.logLevel = "error";

/** Sessions of onnxruntime by the address of their file. */
const sessions = new Map();

/** Return the session of a file, which is opened by the first call. */
function sessionOf(file) {
  if (!sessions.has(file)) {
    sessions.set(file, ort.InferenceSession.create(new URL(file, import.meta.url).href, { executionProviders: ["wasm"] }));
  }
  return sessions.get(file);
}

/**
 * Compute a network. The message is {file, inputs}, where each input is {data, shape} by name; the reply is {data} of
 * the only output, or {error}.
 */
onmessage = async ({ data: { file, inputs } }) => {
  try {
    const session = await sessionOf(file);
    const tensors = Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)]);
    const results = await session.run(Object.fromEntries(tensors));
    const data = Float32Array.from(results[session.outputNames[0]].data); // a copy: the other memory is not ours
    postMessage({ data }, [data.buffer]);
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
};
