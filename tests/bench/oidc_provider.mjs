// oidc-provider: client_credentials with JWT access tokens (RS256), two processes. Such tokens are kept nowhere, and an
// adapter that would be asked to keep one says so. BENCH_PORT, BENCH_CLIENT and BENCH_SECRET come from the run.
import cluster from 'node:cluster';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const { BENCH_PORT, BENCH_CLIENT, BENCH_SECRET, BENCH_WORKERS } = process.env;

class KeepsNothing {
  async find() { return undefined; }
  async upsert() { throw new Error('a JWT access token was to be stored'); }
}

function serve() {
  const provider = new Provider(`http://127.0.0.1:${BENCH_PORT}`, {
    adapter: KeepsNothing,
    jwks: { keys: [{ ...JSON.parse(process.env.BENCH_KEY), use: 'sig', alg: 'RS256', kid: 'bench' }] },
    clients: [{
      client_id: BENCH_CLIENT, client_secret: BENCH_SECRET, grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], scope: 'agents:read',
    }],
    scopes: ['agents:read'],
    cookies: { keys: ['bench'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'agents:read', audience: 'bench', accessTokenTTL: 3600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  provider.on('server_error', (_context, error) => console.error(error));
  provider.listen(Number(BENCH_PORT), '127.0.0.1');
}

if (cluster.isPrimary) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = JSON.stringify(privateKey.export({ format: 'jwk' }));
  for (let number = 0; number < Number(BENCH_WORKERS); number += 1) cluster.fork({ BENCH_KEY: key });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  serve();
}
