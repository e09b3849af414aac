#include "server/family/admin/server_handlers.h"

namespace cloakroom::server {
namespace {

void refuse(Context& ctx) { ctx.reply.error("ERR This instance has cluster support disabled"); }

constexpr const char* kGroup = "cluster";

constexpr CommandRow kRows[] = {
    {"cluster|addslots", -3, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(N) where N is the total number of hash slot arguments", "Gives slots to the node.",
     "slot...", kNoTrait, refuse},
    {"cluster|addslotsrange", -4, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "7.0.0", "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
     "Gives ranges of slots to the node.", "start-slot_end-slot(start-slot end-slot)...", kNoTrait, refuse},
    {"cluster|bumpepoch", 2, "admin stale no_async_loading", "", "@admin @slow @dangerous",
     "nondeterministic_output", kGroup, "3.0.0", "O(1)", "Advances the configuration's epoch.", "", kNoTrait,
     refuse},
    {"cluster|count-failure-reports", 3, "admin stale", "", "@admin @slow @dangerous",
     "nondeterministic_output", kGroup, "3.0.0", "O(N) where N is the number of failure reports",
     "Counts reports that a node has failed.", "node-id", kNoTrait, refuse},
    {"cluster|countkeysinslot", 3, "stale", "", "@slow", "", kGroup, "3.0.0", "O(1)",
     "Counts the keys of a slot.", "slot", kNoTrait, refuse},
    {"cluster|delslots", -3, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(N) where N is the total number of hash slot arguments", "Takes slots from the node.",
     "slot...", kNoTrait, refuse},
    {"cluster|delslotsrange", -4, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "7.0.0", "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
     "Takes ranges of slots from the node.", "start-slot_end-slot(start-slot end-slot)...", kNoTrait, refuse},
    {"cluster|failover", -2, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Makes a replica take over from its master.", "[options<FORCE | TAKEOVER>]", kNoTrait,
     refuse},
    {"cluster|flushslots", 2, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Takes all slots from the node.", "", kNoTrait, refuse},
    {"cluster|forget", 3, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup, "3.0.0",
     "O(1)", "Removes a node.", "node-id", kNoTrait, refuse},
    {"cluster|getkeysinslot", 4, "stale", "", "@slow", "nondeterministic_output", kGroup, "3.0.0",
     "O(log(N)) where N is the number of requested keys", "Answers keys of a slot.", "slot count", kNoTrait,
     refuse},
    {"cluster|help", 2, "loading stale", "", "@slow", "", kGroup, "5.0.0", "O(1)", "Lists the subcommands.",
     "", kNoTrait, refuse},
    {"cluster|info", 2, "stale", "", "@slow", "nondeterministic_output", kGroup, "3.0.0", "O(1)",
     "Describes the cluster's state.", "", kNoTrait, refuse},
    {"cluster|keyslot", 3, "stale", "", "@slow", "", kGroup, "3.0.0",
     "O(N) where N is the number of bytes in the key", "Answers a key's slot.", "key{string}", kNoTrait,
     refuse},
    {"cluster|links", 2, "stale", "", "@slow", "nondeterministic_output", kGroup, "7.0.0",
     "O(N) where N is the total number of Cluster nodes", "Lists the links between nodes.", "", kNoTrait,
     refuse},
    {"cluster|meet", -4, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup, "3.0.0",
     "O(1)", "Introduces another node.", "ip port [cluster_bus_port{since=4.0.0}]", kNoTrait, refuse},
    {"cluster|myid", 2, "stale", "", "@slow", "", kGroup, "3.0.0", "O(1)", "Answers the node's id.", "",
     kNoTrait, refuse},
    {"cluster|nodes", 2, "stale", "", "@slow", "nondeterministic_output", kGroup, "3.0.0",
     "O(N) where N is the total number of Cluster nodes", "Describes the nodes.", "", kNoTrait, refuse},
    {"cluster|replicas", 3, "admin stale", "", "@admin @slow @dangerous", "nondeterministic_output", kGroup,
     "5.0.0", "O(1)", "Lists a node's replicas.", "node-id", kNoTrait, refuse},
    {"cluster|replicate", 3, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Makes the node a replica of another.", "node-id", kNoTrait, refuse},
    {"cluster|reset", -2, "admin noscript stale", "", "@admin @slow @dangerous", "", kGroup, "3.0.0",
     "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
     "Makes the node forget the cluster.", "[hard_soft<HARD | SOFT>]", kNoTrait, refuse},
    {"cluster|saveconfig", 2, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Saves the node's configuration.", "", kNoTrait, refuse},
    {"cluster|set-config-epoch", 3, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Sets a new node's epoch.", "config-epoch", kNoTrait, refuse},
    {"cluster|setslot", -4, "admin stale no_async_loading", "", "@admin @slow @dangerous", "", kGroup,
     "3.0.0", "O(1)", "Says who has a slot.",
     "slot subcommand<IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>", kNoTrait, refuse},
    {"cluster|shards", 2, "stale", "", "@slow", "nondeterministic_output", kGroup, "7.0.0",
     "O(N) where N is the total number of cluster nodes", "Maps shards to nodes.", "", kNoTrait, refuse},
    {"cluster|slaves", 3, "admin stale", "", "@admin @slow @dangerous", "nondeterministic_output", kGroup,
     "3.0.0", "O(1)", "Lists a node's replicas.", "node-id", kNoTrait, refuse},
    {"cluster|slots", 2, "stale", "", "@slow", "nondeterministic_output", kGroup, "3.0.0",
     "O(N) where N is the total number of Cluster nodes", "Maps slots to nodes.", "", kNoTrait, refuse},
};

}  // namespace

CommandRows cluster_rows() { return kRows; }

}  // namespace cloakroom::server
