#include "tests/storage/commands.h"

#include "storage/base/number.h"

namespace cloakroom::storage::test {

std::optional<std::string> Commands::text_at(std::string_view name) {
  const Found found = access.read(key(name));
  if (!found || found->type() != Type::kString) return std::nullopt;
  char digits[kI64Chars];
  return std::string(string_bytes(*found.entry, digits));
}

void Commands::report_set(const KeyRef& ref, const Found& found, std::string_view value) {
  if (found->deadline_ms() == 0) {
    access.changed(ref, EventClass::kString, "set", {"SET", ref.raw(), value});
  } else {
    const std::string deadline = std::to_string(found->deadline_ms());
    access.changed(ref, EventClass::kString, "set", {"SET", ref.raw(), value, "PXAT", deadline});
  }
}

void Commands::put(std::string_view name, std::string_view value, int64_t deadline_ms, bool keep) {
  const KeyRef ref = key(name);
  Found found = access.write(ref);
  string_set(access, found, ref, {value}, keep || deadline_ms != 0 ? Deadline::kKeep : Deadline::kClear);
  if (deadline_ms != 0) access.set_deadline(found, ref, deadline_ms);
  report_set(ref, found, value);
}

void Commands::end_if_empty(Found& found, const KeyRef& ref) {
  const size_t left = is_set(found) ? set_size(*found.entry) : hash_size(*found.entry);
  if (left == 0) access.end(found, ref, EndCause::kDeleted);
}

std::optional<std::string> Commands::get(std::string_view name) {
  return run({name}, kReads, [&] { return text_at(name); });
}

std::set<std::string> Commands::members(std::string_view name) {
  return run({name}, kReads, [&] {
    std::set<std::string> out;
    const Found found = access.read(key(name));
    if (found && is_set(found)) set_visit(*found.entry, [&](std::string_view m) { out.emplace(m); });
    return out;
  });
}

bool Commands::exists(std::string_view name) {
  return run({name}, kReads, [&] { return static_cast<bool>(access.read(key(name))); });
}

void Commands::set(std::string_view name, std::string_view value, int64_t deadline_ms, bool keep) {
  run({name}, kChanges, [&] { put(name, value, deadline_ms, keep); });
}

bool Commands::set_if_absent(std::string_view name, std::string_view value, int64_t deadline_ms) {
  return run({name}, kChanges, [&] {
    if (access.write(key(name))) return false;
    put(name, value, deadline_ms, false);
    return true;
  });
}

int64_t Commands::increment(std::string_view name, int64_t by) {
  return run({name}, kChanges, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (found && found->type() != Type::kString) return int64_t{0};
    const auto sum = string_increment(access, found, ref, by);
    if (sum) report_set(ref, found, std::to_string(sum.value));
    return sum.value;
  });
}

bool Commands::del(std::string_view name) {
  return run({name}, kEnds, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (!found) return false;
    access.end(found, ref, EndCause::kDeleted);
    return true;
  });
}

bool Commands::sadd(std::string_view name, std::string_view member) {
  return run({name}, kChanges,
             [&] {
               const KeyRef ref = key(name);
               Found found = access.write(ref);
               if ((found && !is_set(found)) || !set_add(access, found, ref, member)) return false;
               access.changed(ref, EventClass::kSet, "sadd", {"SADD", name, member});
               return true;
             },
             {&member, 1});
}

bool Commands::srem(std::string_view name, std::string_view member) {
  return run({name}, kEnds,
             [&] {
               const KeyRef ref = key(name);
               Found found = access.write(ref);
               if (!found || !is_set(found) || !set_remove(access, found, ref, member)) return false;
               access.changed(ref, EventClass::kSet, "srem", {"SREM", name, member});
               end_if_empty(found, ref);
               return true;
             },
             {&member, 1});
}

bool Commands::hset(std::string_view name, std::string_view field, std::string_view value) {
  return run({name}, kChanges, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (found && found->type() != Type::kHash) return false;
    const std::string_view pair[] = {field, value};
    hash_set(access, found, ref, pair);
    access.changed(ref, EventClass::kHash, "hset", {"HSET", name, field, value});
    return true;
  });
}

bool Commands::hdel(std::string_view name, std::string_view field) {
  return run({name}, kEnds, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (!found || found->type() != Type::kHash || hash_remove(access, found, ref, {&field, 1}) == 0)
      return false;
    access.changed(ref, EventClass::kHash, "hdel", {"HDEL", name, field});
    end_if_empty(found, ref);
    return true;
  });
}

bool Commands::expire_at(std::string_view name, int64_t deadline_ms) {
  return run({name}, kEnds, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (!found) return false;
    if (deadline_ms <= access.now_ms()) {
      access.end(found, ref, EndCause::kDeleted);
    } else {
      access.set_deadline(found, ref, deadline_ms);
      const std::string text = std::to_string(deadline_ms);
      access.changed(ref, EventClass::kGeneric, "expire", {"PEXPIREAT", name, text});
    }
    return true;
  });
}

bool Commands::persist(std::string_view name) {
  return run({name}, kChanges, [&] {
    const KeyRef ref = key(name);
    Found found = access.write(ref);
    if (!found || found->deadline_ms() == 0) return false;
    access.set_deadline(found, ref, 0);
    access.changed(ref, EventClass::kGeneric, "persist", {"PERSIST", name});
    return true;
  });
}

void Commands::set_hooks(const KeyRef& ref, bool arrives) {
  const Found found = access.find_raw(ref, false);
  if (!found || !SessionIndex::concerns(access, ref) || !is_set(found)) return;
  set_for_each_id(*found.entry, [&](PackedId id) {
    arrives ? SessionIndex::member_added(access, ref, id) : SessionIndex::member_removed(access, ref, id);
  });
}

void Commands::put_in(const KeyRef& ref, DetachedValue&& value) {
  set_hooks(ref, false);
  Found found = access.find_raw(ref, false);
  access.attach(found, ref, std::move(value));
  set_hooks(ref, true);
}

bool Commands::rename(std::string_view from_name, std::string_view to_name) {
  return run_all({from_name, to_name}, [&] {
    const KeyRef from = key(from_name);
    const KeyRef to = key(to_name);
    if (!access.write(from) || from_name == to_name) return false;
    access.write(to);
    if (!access.peek(from)) return false;
    set_hooks(from, false);
    Found found = access.find_raw(from, false);
    access.restate(found, from);
    put_in(to, access.detach(found, from));
    access.changed(from, EventClass::kGeneric, "rename_from", {"RENAME", from_name, to_name});
    access.changed(to, EventClass::kGeneric, "rename_to", {});
    return true;
  });
}

bool Commands::copy(std::string_view from_name, uint32_t to_db, std::string_view to_name) {
  const uint32_t db = access.db();
  const bool done = run_all(
      {from_name, to_name},
      [&] {
        const KeyRef from = key(from_name);
        const KeyRef to = key(to_name);
        if (db == to_db && from_name == to_name) return false;
        access.select(to_db);
        access.write(to);
        access.select(db);
        const Found source = access.find_raw(from, false);
        if (!source) return false;
        DetachedValue value = access.copy(source);
        const std::string db_text = std::to_string(to_db);
        access.restate(source, from);
        access.effect({"COPY", from_name, to_name, "DB", db_text, "REPLACE"});
        access.select(to_db);
        put_in(to, std::move(value));
        access.changed(to, EventClass::kGeneric, "copy_to", {});
        return true;
      },
      to_db);
  access.select(db);
  return done;
}

bool Commands::move(std::string_view name, uint32_t to_db) {
  const uint32_t db = access.db();
  const bool done = run_all(
      {name},
      [&] {
        const KeyRef ref = key(name);
        access.select(to_db);
        const bool taken = static_cast<bool>(access.write(ref));
        access.select(db);
        Found found = access.write(ref);
        if (db == to_db || taken || !found) return false;
        access.restate(found, ref);
        set_hooks(ref, false);
        DetachedValue value = access.detach(found, ref);
        access.select(to_db);
        put_in(ref, std::move(value));
        access.select(db);
        const std::string db_text = std::to_string(to_db);
        access.changed(ref, EventClass::kGeneric, "move_from", {"MOVE", name, db_text});
        return true;
      },
      to_db);
  access.select(db);
  return done;
}

bool Commands::store(std::string_view to_name, std::string_view from_name) {
  return run_all({to_name, from_name}, [&] {
    const Found from = access.read(key(from_name));
    if (!from || !is_set(from) || to_name == from_name) return false;
    SetDraft draft(access);
    std::vector<std::string> kept;
    set_visit(*from.entry, [&](std::string_view m) {
      draft.add(m);
      kept.emplace_back(m);
    });
    const KeyRef to = key(to_name);
    Found found = access.write(to);
    const bool replaces = static_cast<bool>(found);
    draft.store(found, to);
    if (replaces) access.effect({"DEL", to_name});
    access.changed(to, EventClass::kSet, "sunionstore", {});
    for (const std::string& member : kept) access.effect({"SADD", to_name, member});
    return true;
  });
}

void Commands::flush_db() {
  run_all({}, [&] { storage::flush_db(access); });
}
void Commands::flush_all() {
  run_all({}, [&] { storage::flush_all(access); });
}
void Commands::swap_dbs(uint32_t a, uint32_t b) {
  run_all({}, [&] { swap_databases(access, a, b); });
}

}  // namespace cloakroom::storage::test
