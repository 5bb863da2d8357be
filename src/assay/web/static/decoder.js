// A worker: the images of a block as bitmaps; null for one that cannot be shown. 64 of them take a page 20 ms.

onmessage = async ({data: {number, buffer, n}}) => {
  let at = 4 * n;
  const bitmaps = await Promise.all(Array.from(new Uint32Array(buffer, 0, n), length => {
    const blob = new Blob([new Uint8Array(buffer, at, length)]);
    at += length;
    return length ? createImageBitmap(blob).catch(() => null) : null;
  }));
  postMessage({number, bitmaps}, bitmaps.filter(bitmap => bitmap));
};
