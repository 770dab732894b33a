/**
 * Philox 4x32-10 in WGSL (util/philox.ts): `philox(block, step, seed, stream)` is the four words at positions 4 block .. 4 block + 3,
 * `uniform` the number in [0, 1) of a word. WGSL has no product of 64 bits, so the upper half comes from 16-bit halves.
 */
export const philox = `
fn upperProduct(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}
fn philox(block: u32, step: i32, seed: i32, stream: i32) -> vec4u {
  var counter = vec4u(block, u32(step), 0u, 0u);
  var key = vec2u(u32(seed), u32(stream));
  for (var round = 0; round < 10; round++) {
    counter = vec4u(
      upperProduct(0xcd9e8d57u, counter.z) ^ counter.y ^ key.x, 0xcd9e8d57u * counter.z,
      upperProduct(0xd2511f53u, counter.x) ^ counter.w ^ key.y, 0xd2511f53u * counter.x,
    );
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return counter;
}
fn uniform4(words: vec4u) -> vec4f { return vec4f(words >> vec4u(8u)) * ${2 ** -24}; }
`;
