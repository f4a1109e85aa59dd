// The page: takes a photo, shows the restored one beside it, and offers it as a download. A worker computes.

const MOST_WORKERS = 4; // each needs about 200 MB of memory
const JPEG_QUALITY = 0.95;
const KINDS = { png: "image/png", jpeg: "image/jpeg" };
// The smallest module that uses a vector instruction: browsers without them cannot compute the network.
const VECTORS = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

const at = (id) => document.getElementById(id);

let network = null; // content of network.json
let worker = null; // of restoring.js; null if none is running or has a result
let name = ""; // of the photo, without its ending

/** Show what is going on; an error replaces it. */
function say(text) {
  at("status").textContent = text;
  at("error").hidden = true;
}

/** Show what is wrong, in a sentence, and what to do. */
function complain(text) {
  at("status").textContent = "";
  at("error").textContent = text;
  at("error").hidden = false;
  at("running").hidden = true;
}

/** Return why this browser cannot restore; an empty text if it can. */
function missing() {
  if (location.protocol === "file:") return "Open this page through a web server, such as `python -m http.server`: browsers load no network from a file.";
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(new Uint8Array(VECTORS))) {
    return "This browser cannot compute the network, for want of WebAssembly with vectors: take a newer one, or switch WebAssembly on.";
  }
  return typeof Worker === "undefined" ? "This browser has no workers, which compute the network: take a newer one." : "";
}

async function start() {
  const reason = missing();
  if (reason) return complain(reason);
  try {
    const answer = await fetch("network.json");
    if (!answer.ok) throw new Error(`network.json: ${answer.status}`);
    network = await answer.json();
  } catch (error) {
    return complain(`The network of this page cannot be loaded (${error.message}): load the page again.`);
  }
  at("about").textContent = network.about;
  at("gate").checked = Boolean(network.gate);
  at("gate").parentElement.hidden = !network.gate;
  at("ungated").hidden = Boolean(network.gate);
  at("file").disabled = false;
  return say("");
}

/** Decode a file as it is to be seen: turned as its metadata say, in the colors of sRGB, transparent parts on white. */
async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${file.name} is no image that this browser can read, or is damaged: give a JPEG, PNG or WebP file.`);
  }
  const { width, height } = bitmap;
  if (width * height > network.maxMegapixels * 1e6) {
    bitmap.close();
    throw new Error(
      `${file.name} has ${(width * height / 1e6).toFixed(0)} megapixels, more than the ${network.maxMegapixels} that fit into the memory of a page: reduce it, or use deblur.restore.`,
    );
  }
  const canvas = at("before");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  try {
    return context.getImageData(0, 0, width, height);
  } catch {
    throw new Error(`${file.name} is too large for the memory of this browser: reduce it, or use deblur.restore.`);
  }
}

/** Decode and restore a file that was chosen or dropped. */
async function restore(file) {
  stop();
  at("result").hidden = true;
  say(`Reading ${file.name}…`);
  let image;
  try {
    image = await decoded(file);
  } catch (error) {
    return complain(error.message);
  }
  name = file.name.replace(/\.[^.]*$/, "") || "photo";
  at("progress").value = 0;
  at("running").hidden = false;
  const [width, height] = [image.width, image.height];
  say(`Restoring ${file.name}, ${width} × ${height} pixels…`);
  const began = performance.now();
  worker = new Worker(new URL("./restoring.js", import.meta.url), { type: "module" });
  worker.onerror = () => complain("A part of this page cannot be loaded: load the page again.");
  worker.onmessage = ({ data }) => {
    if (data.kind === "progress") at("progress").value = data.fraction;
    else if (data.kind === "error") complain(`The photo cannot be restored (${data.text}): reduce it, or load the page again.`);
    else show(data, file.name, (performance.now() - began) / 1000);
  };
  const workers = Math.min(navigator.hardwareConcurrency || 1, MOST_WORKERS);
  const pixels = image.data.buffer;
  return worker.postMessage({ kind: "restore", width, height, pixels, network, workers, ...blend() }, [pixels]);
}

/** Return the settings of how much of the correction is applied. */
function blend() {
  return { strength: at("strength").value / 100, isGated: at("gate").checked };
}

/** Show the restored image, or that of new settings. */
function show({ pixels, width, height, strength, isGated }, file, seconds) {
  const canvas = at("after");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
  canvas.dataset.shown = `${strength} ${isGated}`; // what is shown may lag behind the controls
  if (at("result").hidden) {
    at("running").hidden = true;
    at("result").hidden = false;
    say(`${file} is restored, in ${seconds.toFixed(1)} seconds.`);
  }
}

/** Apply new settings to an image that is restored. */
function update() {
  at("shown-strength").textContent = `${at("strength").value} %`;
  if (worker && !at("result").hidden) worker.postMessage({ kind: "blend", ...blend() });
}

/** End what is running. */
function stop() {
  worker?.terminate();
  worker = null;
  at("running").hidden = true;
}

function download(ending) {
  at("after").toBlob(
    (blob) => {
      if (!blob) return complain("This browser cannot write the image: reduce the photo.");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name}-restored.${ending === "jpeg" ? "jpg" : ending}`;
      link.click();
      return setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    },
    KINDS[ending],
    JPEG_QUALITY,
  );
}

at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  if (file) restore(file);
  at("file").value = ""; // so that the same file can be chosen again
});
at("cancel").addEventListener("click", () => {
  stop();
  say("Canceled.");
});
at("strength").addEventListener("input", update);
at("gate").addEventListener("change", update);
at("split").addEventListener("input", () => at("compare").style.setProperty("--split", `${at("split").value}%`));
for (const ending of Object.keys(KINDS)) at(ending).addEventListener("click", () => download(ending));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // the browser would leave the page and open the file
    at("drop").classList.toggle("over", kind === "dragover");
    const file = kind === "drop" ? event.dataTransfer.files[0] : null;
    if (file && network) restore(file);
  });
}

start();
