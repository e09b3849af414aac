'use strict';
// express + express-session + connect-redis behind real HTTP requests.
const assert = require('assert');
const express = require('express');
const session = require('express-session');

const MAX_AGE_MS = 3600 * 1000;
const STACKS = [
  ['redis4', 'connect-redis8', 'connect-redis 8 over node-redis 4.7.1'],
  ['redis', 'connect-redis9', 'connect-redis 9 over node-redis 5.12.1'],
  ['ioredis', 'connect-redis8', 'connect-redis 8 over ioredis 5.11.1'],
];

async function client_of(library) {
  if (library === 'ioredis') {
    const Redis = require('ioredis');
    return new Redis({ host: '127.0.0.1', port: Number(process.env.PORT) });
  }
  const { createClient } = require(library);
  const client = createClient({ socket: { host: '127.0.0.1', port: Number(process.env.PORT) } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

function application(store) {
  const app = express();
  app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false, rolling: true,
                    cookie: { maxAge: MAX_AGE_MS } }));
  app.get('/login/:user', (request, response, next) => request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = request.params.user;
    return response.json({ id: request.sessionID });
  }));
  app.get('/me', (request, response) => {
    if (!request.session.user) return response.status(401).json({});
    return response.json({ user: request.session.user });
  });
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits || 0) + 1;
    response.json({ visits: request.session.visits });
  });
  app.get('/logout', (request, response) => request.session.destroy(() => response.json({})));
  return app;
}

class Browser {
  constructor(port) {
    this.port = port;
    this.cookie = '';
  }

  async get(path) {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { cookie: this.cookie } });
    const set = response.headers.get('set-cookie');
    if (set) this.cookie = set.split(';')[0];
    return { status: response.status, body: await response.json() };
  }
}

const promised = (store, method, ...args) => new Promise((resolve, reject) =>
  store[method](...args, (error, value) => (error ? reject(error) : resolve(value))));

async function check(library, connector, prefix) {
  const { RedisStore } = require(connector);
  const client = await client_of(library);
  const store = new RedisStore({ client, prefix });
  const server = application(store).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  const alice = new Browser(port);
  const bob = new Browser(port);

  assert.strictEqual((await alice.get('/me')).status, 401);
  const first = (await alice.get('/login/alice')).body.id;
  assert.deepStrictEqual((await alice.get('/me')).body, { user: 'alice' });
  assert.strictEqual((await alice.get('/visit')).body.visits, 1);
  assert.strictEqual((await alice.get('/visit')).body.visits, 2);
  await bob.get('/login/bob');
  const second = (await alice.get('/login/alice')).body.id;
  assert.notStrictEqual(first, second);
  const stored = await client.get(`${prefix}${first}`);
  assert.strictEqual(stored, null, 'regenerate removes the old session');

  await client.expire(`${prefix}${second}`, 100);
  await alice.get('/me');
  assert.ok((await client.ttl(`${prefix}${second}`)) > 3590, 'a request extends the session');
  assert.strictEqual(await promised(store, 'length'), 2);
  assert.strictEqual((await promised(store, 'all')).length, 2);
  assert.ok((await promised(store, 'ids')).includes(second));

  await alice.get('/logout');
  assert.strictEqual((await alice.get('/me')).status, 401);
  assert.strictEqual((await bob.get('/me')).status, 200);
  await promised(store, 'clear');
  assert.strictEqual((await bob.get('/me')).status, 401);
  server.close();
  if (client.close) await client.close(); else await client.quit();
}

async function main() {
  for (const [library, connector, what] of STACKS) {
    for (const prefix of ['sess:', 'session:']) {
      const name = `express-session + ${what}, prefix ${prefix}`;
      try {
        await check(library, connector, prefix);
        console.log(`ok ${name}`);
      } catch (error) {
        console.log(`FAIL ${name}: ${error.stack.split('\n').slice(0, 3).join(' | ')}`);
      }
    }
  }
}

main().then(() => process.exit(0));
