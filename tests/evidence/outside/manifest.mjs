// Checks a C2PA sidecar with npm's @trustnxt/c2pa-ts, which shares no code with the library that makes ours:
//   node manifest.mjs NODE_MODULES FILM SIDECAR
// It asks for hashes and signatures only: this reader does not check who stands behind a certificate.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18 has it under another name
const [modules, film, sidecar] = process.argv.slice(2);
const part = (name) =>
  import(pathToFileURL(join(modules, '@trustnxt/c2pa-ts/dist', name, 'index.js')).href);
const [{ BMFF }, { SuperBox }, { ManifestStore, ValidationResult }] =
  await Promise.all(['asset', 'jumbf', 'manifest'].map(part));
// Its reader of ISO media files knows pictures by their brands; films are the same boxes under these.
for (const brand of ['isom', 'iso2', 'mp41', 'mp42', 'avc1', 'qt  ']) BMFF.canReadBrands.add(brand);

let found;
try {
  const store = ManifestStore.read(SuperBox.fromBuffer(readFileSync(sidecar)));
  found = await store.validate(new BMFF(readFileSync(film)));
} catch (error) {
  found = ValidationResult.fromError(error);
}
const codes = (good) => found.statusEntries.filter((one) => one.success === good).map((one) => one.code);
const needed = ['claimSignature.validated', 'assertion.bmffHash.match', 'assertion.hashedURI.match'];
const lacking = needed.filter((one) => !codes(true).includes(one));
if (found.isValid && lacking.length === 0) {
  console.log('accepted');
} else {
  console.error('refused:', [...codes(false), ...lacking.map((one) => `no ${one}`)].join(', '));
  process.exit(1);
}
