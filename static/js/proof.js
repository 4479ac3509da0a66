// Checks the proof of an entry in the page itself, with nothing but the browser's cryptography.
// Enhancement only: without it the proof and the verifier can be downloaded.
const encoder = new TextEncoder();
const fromHex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(parts.flatMap((part) => [...part]))));

// RFC 8785 for texts, whole numbers and nulls: the order of keys is that of their characters.
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${pairs.join(",")}}`;
};

// RFC 6962: from the leaf to the root, nearest neighbor first.
const rootByPath = async (leaf, index, size, path) => {
  let root = leaf;
  let place = index;
  let last = size - 1;
  const up = () => { place = Math.floor(place / 2); last = Math.floor(last / 2); };
  for (const sibling of path) {
    if (last === 0) return null;
    if (place % 2 || place === last) {
      root = await sha256([1], sibling, root);
      while (place && place % 2 === 0) up();
    } else {
      root = await sha256([1], root, sibling);
    }
    up();
  }
  return last === 0 ? root : null;
};

const isSigned = async ({ checkpoint, signature, public_key: key }) => {
  const imported = await crypto.subtle.importKey("raw", fromHex(key), "Ed25519", false, ["verify"]);
  const message = encoder.encode(canonical(checkpoint));
  return crypto.subtle.verify("Ed25519", imported, fromHex(signature), message);
};

export const holds = async (proof, keys) => {
  const { checkpoint, sequence, public_key: key } = proof;
  if (!keys.includes(key) || sequence < 1 || sequence > checkpoint.tree_size) return false;
  const leaf = await sha256([0], encoder.encode(canonical(proof.leaf)));
  const root = await rootByPath(leaf, sequence - 1, checkpoint.tree_size, proof.path.map(fromHex));
  return root !== null && toHex(root) === checkpoint.root && isSigned(proof);
};

const read = async (url) => {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  return { status: answer.status, body: await answer.json() };
};

const check = async (panel) => {
  const { file, keys, held, broken, young, unable } = panel.dataset;
  const say = (text, state) => {
    const told = panel.querySelector("[data-proof-result]");
    told.textContent = text;
    told.dataset.state = state;
  };
  try {
    const [proof, listed] = await Promise.all([read(file), read(keys)]);
    if (proof.status === 409) return say(young, "young");
    const known = listed.body.keys.map((each) => each.key);
    return await holds(proof.body, known) ? say(held, "held") : say(broken, "broken");
  } catch {
    // Older browsers know no Ed25519; the verifier to download does.
    return say(unable, "unable");
  }
};

const show = () => {
  for (const button of document.querySelectorAll("[data-proof-check]")) button.hidden = !crypto.subtle;
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-proof-check]");
  if (button) check(button.closest("[data-file]"));
});
for (const name of ["htmx:afterSwap", "htmx:after:swap"]) document.addEventListener(name, show);
show();
