'use strict';
// The session flow with each Node client. Prints one line per check: `ok name` or `FAIL name: why`.
const crypto = require('crypto');
const assert = require('assert');
const adapters = require('./adapters');

const has_index = process.env.INDEX === 'yes';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, limit_ms) {
  const deadline = Date.now() + limit_ms;
  while (Date.now() < deadline) {
    if (await condition()) return true;
    await pause(10);
  }
  return false;
}

async function flow(store, prefix) {
  const user = `${prefix}-${crypto.randomUUID()}`;
  const ids = [1, 2, 3].map(() => crypto.randomUUID());
  const json = (id) => JSON.stringify({ user_id: user, session: id, name: 'caf\u00e9 \u2615' });
  for (const id of ids) await store.login(id, user, json(id), 3600);

  await store.shorten(ids[0], 100000);
  assert.strictEqual(await store.validate(ids[0], 3600), json(ids[0]));
  assert.ok((await store.ttl(ids[0])) > 3590, 'sliding expiry extends the deadline');
  assert.strictEqual(await store.validate(crypto.randomUUID(), 3600), null);
  assert.deepStrictEqual((await store.list(user)).sort(), [...ids].sort());
  assert.deepStrictEqual(await store.many(ids), ids.map(json));

  assert.strictEqual(await store.logout(ids[0]), 1);
  assert.strictEqual(await store.validate(ids[0], 3600), null);
  if (has_index) assert.deepStrictEqual((await store.list(user)).sort(), ids.slice(1).sort());

  await store.shorten(ids[1], 60);
  assert.ok(await until(async () => (await store.validate_only(ids[1])) === null, 5000), 'the session expires');
  if (has_index) assert.deepStrictEqual(await store.list(user), [ids[2]]);

  await store.logout_all([ids[2]]);
  if (has_index) assert.deepStrictEqual(await store.list(user), []);
  assert.deepStrictEqual(await store.hash(`session:${ids[0]}`), { name: 'alice', role: 'admin' });
  await store.logout(ids[0]);
}

async function main() {
  for (const [name, make] of Object.entries(adapters)) {
    let store;
    try {
      store = await make();
      store.validate_only = (id) => store.call('GET', `session:${id}`);
      await flow(store, name.replace(/ /g, '-'));
      assert.strictEqual(await store.watch_conflict('session:watched'), 'aborted');
      await assert.rejects(() => store.call('NOSUCHCOMMAND'), /unknown command/);
      console.log(`ok ${name}: session flow`);
    } catch (error) {
      console.log(`FAIL ${name}: session flow: ${error.stack.split('\n').slice(0, 3).join(' | ')}`);
    }
    if (store) await store.close();
  }
}

main().then(() => process.exit(0));
