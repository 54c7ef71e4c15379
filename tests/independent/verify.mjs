// Reads {document, jwt, did, list} from standard input and prints what each library finds. The DID
// document comes from the input: nothing is fetched.
import {readFileSync} from 'node:fs';
import {defaultDocumentLoader, verifyCredential} from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {compactVerify, importJWK} from 'jose';

const given = JSON.parse(readFileSync(0, 'utf8'));

async function documentLoader(url) {
  const answer = document => ({documentUrl: url, document, contextUrl: null});
  if (url === given.did.id) return answer(given.did);
  const key = given.did.verificationMethod.find(method => method.id === url);
  if (key) return answer({'@context': 'https://w3id.org/security/multikey/v1', ...key});
  return defaultDocumentLoader(url);
}

async function checkStatus({credential}) {
  const list = given.list.credentialSubject.encodedList;
  const packed = Uint8Array.from(Buffer.from(list.slice(1), 'base64url'));
  const bits = new Uint8Array(await new Response(
    new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
  const place = Number(credential.credentialStatus.statusListIndex);
  const ended = (bits[place >> 3] & (0x80 >> (place & 7))) !== 0;
  return {verified: !ended, error: ended ? new Error('revoked') : undefined};
}

async function proof(credential) {
  const suite = new DataIntegrityProof({cryptosuite});
  const options = {credential, suite, documentLoader};
  const result = await verifyCredential(credential.credentialStatus ? {...options, checkStatus} : options);
  return {verified: result.verified, error: String(result.error?.errors?.[0]?.message ?? result.error?.message ?? '')};
}

async function token(jwt) {
  try {
    const header = JSON.parse(Buffer.from(jwt.split('.')[0], 'base64url'));
    const method = given.did.verificationMethod.find(found => found.id === header.kid);
    const {payload} = await compactVerify(jwt, await importJWK(method.publicKeyJwk));
    return {verified: true, content: JSON.parse(new TextDecoder().decode(payload))};
  } catch (error) {
    return {verified: false, error: String(error.message)};
  }
}

console.log(JSON.stringify({
  document: await proof(given.document), list: await proof(given.list), jwt: await token(given.jwt),
}));
