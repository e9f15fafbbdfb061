// openid-client against one issuer: discovery, a token, introspection, revocation; prints one JSON document.
// Standard input is {issuer, client_id, client_secret, scope, audience, method, algorithm}.
// The first argument is the folder openid-client is installed in. `allowInsecureRequests` is needed for an http
// issuer alone (the test server on loopback); with https leave it out.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const installed = createRequire(pathToFileURL(`${process.argv[2]}/package.json`));
const client = await import(pathToFileURL(installed.resolve("openid-client")));

const ask = JSON.parse(readFileSync(0, "utf8"));
const proof = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost }[ask.method];
const options = { algorithm: ask.algorithm, execute: [client.allowInsecureRequests] };

try {
  const config = await client.discovery(new URL(ask.issuer), ask.client_id, {}, proof(ask.client_secret), options);
  const found = config.serverMetadata();
  const token = await client.clientCredentialsGrant(config, { scope: ask.scope, audience: ask.audience });
  const before = await client.tokenIntrospection(config, token.access_token);
  await client.tokenRevocation(config, token.access_token);
  // Another worker may still hold what it knew: the promise is one second.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = await client.tokenIntrospection(config, token.access_token);
  console.log(JSON.stringify({ issuer: found.issuer, token: { ...token, access_token: undefined }, before, after }));
} catch (error) {
  // A 401 with WWW-Authenticate is a challenge to openid-client; the OAuth error stands in the answer's body.
  const name = error.error ?? (error.response ? (await error.response.json()).error : String(error));
  console.log(JSON.stringify({ error: name, status: error.status }));
}
