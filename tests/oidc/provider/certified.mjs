// The npm package oidc-provider, with accounts, a sign-in page and a consent page of our own.
//
// Arguments: the client's id, its secret, and where it lets people be sent back to. The first line that is written is the
// issuer. Each line that is read is a wish in JSON, and each is answered by a line; with the end of them the provider ends.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

// It would tell every time that this is no set-up for production.
console.info = console.warn = () => {};
const { Provider } = await import('oidc-provider');

const [clientId, clientSecret, redirectUri] = process.argv.slice(1);
const PASSWORD = 'secret at the provider';

/** The claims about each account, by its name, which is its subject. */
const accounts = new Map();
const server = createServer((request, response) => handle(request, response));
server.listen(0, '127.0.0.1', () => {
  renewKeys();
  console.log(issuer());
});

const issuer = () => `http://127.0.0.1:${server.address().port}`;
let handle;

/** Begins anew with another key and without the old one. Only the accounts stay. */
function renewKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
  const provider = new Provider(issuer(), {
    clients: [{
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
    }],
    jwks: { keys: [key] },
    cookies: { keys: ['signs the cookies'] },
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'picture', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    findAccount: (_context, name) => account(name),
    issueRefreshToken: () => true,
    // Each is good for one use: used again, all that it led to is void.
    rotateRefreshToken: true,
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    // In seconds.
    ttl: { AccessToken: 60, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 86400, Session: 86400 },
  });
  provider.on('server_error', (_context, error) => console.error(error));
  provider.use(interact(provider));
  handle = provider.callback();
}

function account(name) {
  const claims = accounts.get(name);
  return claims && { accountId: name, claims: () => ({ sub: name, ...claims }) };
}

/** The pages that people see. */
const interact = (provider) => async (context, next) => {
  if (!context.path.startsWith('/interaction/')) {
    return next();
  }
  const { req, res, method } = context;
  const interaction = await provider.interactionDetails(req, res);
  const isAsked = method === 'GET';
  const form = isAsked ? undefined : await read(req);
  if (interaction.prompt.name === 'login') {
    if (!isAsked && accounts.has(form.get('name')) && form.get('password') === PASSWORD) {
      return finish({ login: { accountId: form.get('name') } });
    }
    return page('Sign in', '<input name="name" value=""><input type="password" name="password" value="">');
  }
  if (isAsked) {
    return page('Allow', '<input name="allowed" value="yes">');
  }
  if (form.get('allowed') !== 'yes') {
    return finish({ error: 'access_denied', error_description: 'They would rather not.' });
  }
  return finish({ consent: { grantId: await grant(interaction) } });

  function page(title, fields) {
    context.type = 'text/html; charset=utf-8';
    context.body = `<!doctype html><title>${title}</title>
<form method="post" action="${context.path}">${fields}<button>${title}</button></form>\n`;
  }

  async function finish(result) {
    context.redirect(await provider.interactionResult(req, res, result, { mergeWithLastSubmission: true }));
    context.status = 303;
  }

  async function grant({ grantId, session, params, prompt }) {
    const given = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    given.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
    given.addOIDCClaims(prompt.details.missingOIDCClaims ?? []);
    return given.save();
  }
};

async function read(request) {
  let text = '';
  for await (const piece of request) {
    text += piece;
  }
  return new URLSearchParams(text);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const wish = JSON.parse(line);
  if (wish.account) {
    accounts.set(wish.account, wish.claims);
  } else if (wish.close) {
    accounts.delete(wish.close);
  } else if (wish.renewKeys) {
    renewKeys();
  }
  console.log('done');
});
lines.on('close', () => process.exit());
