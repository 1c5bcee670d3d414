// Texts are packed with zlib in data blocks of the page, and unpacked when they are looked at.
const KEPT_PAGES = 40;
const canUnpack = typeof DecompressionStream === "function";

const unpack = async (id) => {
  const packed = atob(byId(id).textContent.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
};

const pages = new Map();
const unpackPage = (number) => {
  if (!pages.has(number)) {
    if (pages.size >= KEPT_PAGES) pages.delete(pages.keys().next().value);
    pages.set(number, unpack(`packed-${number}`).then((text) => {
      const page = JSON.parse(text);
      page.samples.forEach((sample, i) => { sample.passage = page.passages[page.rests[i]]; });
      return page.samples;
    }));
  }
  return pages.get(number);
};
