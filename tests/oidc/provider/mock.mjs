// The npm package oauth2-mock-server: whoever comes is signed in there already and is asked nothing, and all claims are
// in the ID token. Used as `certified.mjs` is.

import { createInterface } from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

/** Who is signed in there, if anybody, and the claims about them. */
let account;

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
server.service.on('beforeTokenSigning', ({ payload }) => {
  Object.assign(payload, account);
});
server.service.on('beforeUserinfo', (answer) => {
  answer.body = { sub: account.sub };
});
server.service.on('beforeResponse', (answer) => {
  if (account) {
    answer.body.expires_in = 60;
  } else {
    answer.statusCode = 400;
    answer.body = { error: 'invalid_grant' };
  }
});
await server.start(0, '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${server.address().port}`;
console.log(server.issuer.url);

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const wish = JSON.parse(line);
  if (wish.account) {
    account = { sub: wish.account, ...wish.claims };
  } else if (wish.close) {
    account = undefined;
  }
  console.log('done');
});
lines.on('close', () => process.exit());
