// openid-client's device flow against one issuer: asks, prints what a person is told, polls until it has its token.
// Standard input is {issuer, client_id, client_secret, scope}; the first argument is where openid-client is installed.
// Prints one JSON document a line: the invitation, then the token or the error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const client = await import(pathToFileURL(installed.resolve("openid-client")));

const ask = JSON.parse(readFileSync(0, "utf8"));
const options = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };

try {
  const proof = client.ClientSecretBasic(ask.client_secret);
  const config = await client.discovery(new URL(ask.issuer), ask.client_id, {}, proof, options);
  const invitation = await client.initiateDeviceAuthorization(config, { scope: ask.scope });
  console.log(JSON.stringify({ ...invitation, device_code: undefined }));
  const token = await client.pollDeviceAuthorizationGrant(config, invitation);
  console.log(JSON.stringify({ ...token, access_token: undefined, refresh_token: undefined }));
} catch (error) {
  console.log(JSON.stringify({ error: error.error ?? String(error) }));
}
