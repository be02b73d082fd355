// Checks a Sigstore bundle with npm's @sigstore/verify: node bundle.js BUNDLE KEY.pem KEYID [TSA-CHAIN.pem]
// With a chain, leaf first, one RFC 3161 time stamp is demanded.
const fs = require('fs');
const crypto = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');

const [bundleFile, keyFile, keyId, chainFile] = process.argv.slice(2);
const key = crypto.createPublicKey(fs.readFileSync(keyFile));
const certificates = (pem) => pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) || [];
const authorities = chainFile === undefined ? [] : [{
  subject: undefined,
  uri: '',
  certChain: {
    certificates: certificates(fs.readFileSync(chainFile, 'ascii')).map((one) => ({
      rawBytes: new crypto.X509Certificate(one).raw,
    })),
  },
  validFor: { start: new Date(0), end: new Date('9999-01-01') },
}];
const root = {
  mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: authorities,
};
try {
  const finder = (hint) => {
    if (hint !== keyId) throw new Error(`the bundle asks for the key ${hint}`);
    return { publicKey: key, validFor: () => true };
  };
  const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(bundleFile)));
  const verifier = new Verifier(toTrustMaterial(root, finder), {
    ctlogThreshold: 0, tlogThreshold: 0, tsaThreshold: chainFile === undefined ? 0 : 1,
  });
  verifier.verify(toSignedEntity(bundle));
  console.log('accepted');
} catch (error) {
  console.error('refused:', error.message);
  process.exit(1);
}
