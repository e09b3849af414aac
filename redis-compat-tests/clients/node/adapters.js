'use strict';
// One small session interface over each client library: get, save, touch, end, sessions of a user.
// `multi` runs a list of commands inside MULTI/EXEC.

async function node_redis(library, options) {
  const { createClient } = require(library);
  const client = createClient({ socket: { host: '127.0.0.1', port: Number(process.env.PORT) }, ...options });
  client.on('error', () => {});
  await client.connect();
  return {
    close: () => (client.close ? client.close() : client.quit()),
    call: (...args) => client.sendCommand(args),
    login: (id, user, json, ttl_s) =>
      client.multi().setEx(`session:${id}`, ttl_s, json).sAdd(`user_sessions:${user}`, id).exec(),
    validate: (id, ttl_s) => client.getEx(`session:${id}`, { EX: ttl_s }),
    ttl: (id) => client.ttl(`session:${id}`),
    shorten: (id, ms) => client.pExpire(`session:${id}`, ms),
    list: async (user) => [...(await client.sMembers(`user_sessions:${user}`))],
    logout: (id) => client.del(`session:${id}`),
    logout_all: (ids) => client.del(ids.map((id) => `session:${id}`)),
    many: (ids) => client.mGet(ids.map((id) => `session:${id}`)),
    hash: async (key) => {
      await client.hSet(key, { name: 'alice', role: 'admin' });
      return { ...(await client.hGetAll(key)) };
    },
    watch_conflict: (key) => watch_conflict(library, options, key),
  };
}

async function watch_conflict(library, options, key) {
  const { createClient } = require(library);
  const make = async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: Number(process.env.PORT) }, ...options });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const first = await make();
  const second = await make();
  await first.watch(key);
  await second.set(key, 'other');
  let outcome = 'executed';
  try {
    const result = await first.multi().set(key, 'mine').exec();
    if (result === null) outcome = 'aborted';
  } catch (error) {
    outcome = error.constructor.name === 'WatchError' ? 'aborted' : String(error);
  }
  for (const client of [first, second]) await (client.close ? client.close() : client.quit());
  return outcome;
}

async function ioredis() {
  const Redis = require('ioredis');
  const make = () => new Redis({ host: '127.0.0.1', port: Number(process.env.PORT), connectionName: 'web' });
  const client = make();
  await client.ping();
  return {
    close: () => client.quit(),
    call: (...args) => client.call(...args),
    login: (id, user, json, ttl_s) =>
      client.multi().setex(`session:${id}`, ttl_s, json).sadd(`user_sessions:${user}`, id).exec(),
    validate: (id, ttl_s) => client.getex(`session:${id}`, 'EX', ttl_s),
    ttl: (id) => client.ttl(`session:${id}`),
    shorten: (id, ms) => client.pexpire(`session:${id}`, ms),
    list: (user) => client.smembers(`user_sessions:${user}`),
    logout: (id) => client.del(`session:${id}`),
    logout_all: (ids) => client.del(...ids.map((id) => `session:${id}`)),
    many: (ids) => client.mget(...ids.map((id) => `session:${id}`)),
    hash: async (key) => {
      await client.hset(key, { name: 'alice', role: 'admin' });
      return client.hgetall(key);
    },
    watch_conflict: async (key) => {
      const other = make();
      await client.watch(key);
      await other.set(key, 'other');
      const result = await client.multi().set(key, 'mine').exec();
      await other.quit();
      return result === null ? 'aborted' : 'executed';
    },
  };
}

module.exports = {
  'node-redis 4.7.1': () => node_redis('redis4', {}),
  'node-redis 5.12.1': () => node_redis('redis', {}),
  'node-redis 5.12.1 RESP3': () => node_redis('redis', { RESP: 3 }),
  'ioredis 5.11.1': ioredis,
};
