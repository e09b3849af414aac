'use strict';
// Each Node client as a subscriber: channels, patterns, the expired event of a session.
const assert = require('assert');

const port = Number(process.env.PORT);

async function within(promise, limit_ms, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what}: too late`)), limit_ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// {listen(channel, fn), listen_all(pattern, fn), stop(channel), call(...), close()}
async function node_redis(library, options) {
  const { createClient } = require(library);
  const client = createClient({ socket: { host: '127.0.0.1', port }, ...options });
  client.on('error', () => {});
  await client.connect();
  const subscriber = client.duplicate();
  subscriber.on('error', () => {});
  await subscriber.connect();
  const end = (one) => (one.close ? one.close() : one.quit());
  return {
    listen: (channel, fn) => subscriber.subscribe(channel, (message) => fn(message)),
    listen_all: (pattern, fn) => subscriber.pSubscribe(pattern, (message, channel) => fn(channel, message)),
    stop: (channel) => subscriber.unsubscribe(channel),
    call: (...args) => client.sendCommand(args.map(String)),
    close: async () => { await end(subscriber); await end(client); },
  };
}

async function ioredis() {
  const Redis = require('ioredis');
  const client = new Redis({ host: '127.0.0.1', port });
  const subscriber = new Redis({ host: '127.0.0.1', port });
  return {
    listen: async (channel, fn) => {
      subscriber.on('message', (from, message) => { if (from === channel) fn(message); });
      await subscriber.subscribe(channel);
    },
    listen_all: async (pattern, fn) => {
      subscriber.on('pmessage', (of, channel, message) => { if (of === pattern) fn(channel, message); });
      await subscriber.psubscribe(pattern);
    },
    stop: (channel) => subscriber.unsubscribe(channel),
    call: (...args) => client.call(...args),
    close: async () => { await subscriber.quit(); await client.quit(); },
  };
}

async function flow(client) {
  const got = [];
  let all;
  const complete = new Promise((resolve) => { all = resolve; });
  await client.listen('news', (message) => { got.push(message); if (got.length === 50) all(); });
  for (let n = 0; n < 50; ++n) assert.strictEqual(Number(await client.call('PUBLISH', 'news', n)), 1);
  await within(complete, 5000, 'messages');
  assert.deepStrictEqual(got, [...Array(50).keys()].map(String));
  await client.stop('news');
  assert.strictEqual(Number(await client.call('PUBLISH', 'news', 'to nobody')), 0);

  await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'Ex');
  let tell;
  const expired = new Promise((resolve) => { tell = resolve; });
  await client.listen_all('__keyevent@0__:*', (channel, key) => tell([channel, key]));
  await client.call('SET', 'session:soon', 'x', 'PX', 50);
  assert.deepStrictEqual(await within(expired, 5000, 'expired'), ['__keyevent@0__:expired', 'session:soon']);
}

async function main() {
  const clients = {
    'node-redis 4.7.1': () => node_redis('redis4', {}),
    'node-redis 5.12.1': () => node_redis('redis', {}),
    'node-redis 5.12.1 RESP3': () => node_redis('redis', { RESP: 3 }),
    'ioredis 5.11.1': ioredis,
  };
  for (const [name, make] of Object.entries(clients)) {
    try {
      const client = await make();
      await flow(client);
      await client.close();
      console.log(`ok ${name}: subscriber`);
    } catch (error) {
      console.log(`FAIL ${name}: subscriber: ${error.stack.split('\n').slice(0, 3).join(' | ')}`);
    }
  }
}

main().then(() => process.exit(0));
