"""What is compared: lines of files, arguments, CONFIG SET pairs."""

# One line each, for a file.
LINES = r'''
save 1
save 1 x
save 0 1
save 1 -1
save ""
save "60 1"
save 60 1 300 10
save
client-output-buffer-limit master 1 1 1
client-output-buffer-limit Normal 1x 1 1
client-output-buffer-limit normal 1 1 -1
client-output-buffer-limit normal 1 1 1x
client-output-buffer-limit normal 1mb 1 1 slave 0 0 0
client-output-buffer-limit "normal 1mb 1 1"
notify-keyspace-events Q
notify-keyspace-events AKE x
notify-keyspace-events
oom-score-adj-values 1
oom-score-adj-values 1 x 3
oom-score-adj-values 300 200 3
oom-score-adj-values -3000 200 3
oom-score-adj-values "1 2 3"
bind
bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17
bind ""
bind "" 1
replicaof a
replicaof a b
replicaof no one
replicaof a 70000
latency-tracking-info-percentiles 101
latency-tracking-info-percentiles x
latency-tracking-info-percentiles -1 5
latency-tracking-info-percentiles ""
latency-tracking-info-percentiles
latency-tracking-info-percentiles 1 nan
latency-tracking-info-percentiles inf
shutdown-on-sigint zz
shutdown-on-sigint default now
shutdown-on-sigint save nosave
shutdown-on-sigint
shutdown-on-sigterm now FORCE
proc-title-template {zz}
proc-title-template "{title"
proc-title-template ""
proc-title-template "x {port}"
dbfilename a/b
dbfilename ""
appendfilename a/b
appendfilename ""
appenddirname a/b
appenddirname ""
cluster-announce-hostname "a b"
cluster-announce-hostname ok-host.example
dir /nope
dir ""
dir
dir a b
include
include /nope/*.conf
include a b
rename-command
rename-command foo bar
rename-command get
rename-command get set
rename-command GET ""
user
loadmodule
a.b
sentinel monitor x
list-max-ziplist-entries 1
list-max-ziplist-entries
list-max-ziplist-value 4 5
lua-replicate-commands yes
port "6379
port '6379'x
port "6379"
PORT "\x36379"
port '63\'79'
"" x
"port" 1
maxmemory 1kb
maxmemory 1KB
maxmemory 1tb
maxmemory -1
maxmemory ""
maxmemory b
maxmemory 1 b
maxmemory 1.5gb
maxmemory-clients 5%
maxmemory-clients 101%
maxmemory-clients -5%
maxmemory-clients %
maxmemory-clients 5x
maxmemory-policy LRU
maxmemory-policy AllKeys-LRU
loglevel DEBUG
protected-mode YES
unixsocketperm 999
unixsocketperm 1777
unixsocketperm 0777
unixsocketperm -1
unixsocketperm " 7"
tcp-keepalive 007
databases +5
hz 0
hz 100000
enable-debug-command local
activedefrag yes
nonsense
nonsense 1 2
	port	x
port x # comment
#port x
'''.strip("\n").split("\n")

# Given to every directive, as the rest of a line.
ARGUMENTS = ["zz", '""', "0", "-1", "9223372036854775808", "1 2", "", "yes"]

# Command lines; each ends the start.
COMMAND_LINES = [
    ["--port", "zz"], ["--port"], ["--port", "--loglevel", "debug"], ["--loglevel", "debug", "--port", "zz"],
    ["--save", "--port", "zz"], ["--port zz"], ["--port", "zz", "yy"], ["--save", "60", "1", "300", "10", "--port", "zz"],
    ["--bind", "1", "2", "--port", "zz"], ["--requirepass", "--foo", "--port", "zz"], ["/nope/x.conf"], ["-", "--port", "zz"],
    ["--port", "zz", "-"], ["--port", "-x"], ["-x"], ["--port", "1", "--help"], ["--PORT", "zz"], ["--port", '"a b"'],
    ["--port 'x"], ["--port", 'a"b\nc'], ["--include", "/nope/x"], ["--", "zz"], ["--rename-command", "foo", "bar"],
    ["--dir", "/nope"], ["--logfile", "/nope/x"], ["--unixsocketperm", "8"], ["--save", "", "--port", "zz"],
    ["--save", "60 1", "--port", "zz"], ["--save", "60", "--port", "1"], ["--maxmemory", "1tb"], ["--daemonize", "x"],
    ["--port", "\x01\xff"], ["--save", "--save", "--port", "zz"], ["--port", "", "--hz", "1"],
]

# Pairs of one CONFIG SET each, compared in order on one server; the values they leave behind are compared too.
SETS = [
    ["maxmemory"], ["maxmemory", "1", "hz"], ["MAXMEMORY", "zz"], ["hash-max-ziplist-entries", "zz"],
    ["hash-max-ziplist-entries", "5", "hash-max-listpack-entries", "7"], ["PORT2", "1", "hz", "zz"],
    ["hz", "zz", "PORT2", "1"], ["hz", "5", "HZ", "6"], ["DATABASES", "1"], ["databases", "1", "hz", "5", "hz", "6"],
    ["hz", "5", "hz", "6", "databases", "1"], ["notify-keyspace-events", "An"], ["notify-keyspace-events", "n$Ex"],
    ["notify-keyspace-events", "mEKdtezxhsl$gn"], ["notify-keyspace-events", "dgKK"], ["notify-keyspace-events", "dnm"],
    ["notify-keyspace-events", "Q"], ["notify-keyspace-events", ""], ["save", "60  1"], ["save", ""], ["save", "60 1 5 6"],
    ["save", "x"], ["save", "60 1 "], ["save", " 60 1"], ["save", "+60 1"], ["save", ""],
    ["client-output-buffer-limit", "slave 1mb 2 3 normal 7 8 9"], ["client-output-buffer-limit", ""],
    ["client-output-buffer-limit", "replica 1 2 3 normal"], ["client-output-buffer-limit", "foo 1 2 3"],
    ["client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60"],
    ["latency-tracking-info-percentiles", "1 1.0 0.001 99.99999999 0.00001 1e-7"],
    ["latency-tracking-info-percentiles", ""], ["latency-tracking-info-percentiles", "1  2"],
    ["latency-tracking-info-percentiles", "100 1e1 0x10"], ["shutdown-on-sigint", "now save"],
    ["shutdown-on-sigint", "default"], ["shutdown-on-sigint", ""], ["shutdown-on-sigint", "now  save"],
    ["maxmemory-clients", "5%"], ["maxmemory-clients", "007000000"], ["maxmemory-clients", "0"], ["oom-score-adj-values", "1  2 3"],
    ["oom-score-adj-values", "1 2 3"], ["oom-score-adj-values", "+1 02 3"], ["oom-score-adj-values", "10 2 3"],
    ["oom-score-adj-values", "0 200 800"], ["replicaof", "a b"], ["hz", "100000"], ["hz", "0"], ["hz", "10"],
    ["loglevel", "DEBUG"], ["loglevel", "warning"], ["maxmemory", "18446744073709551615"],
    ["maxmemory", "20000000000000gb"], ["maxmemory", "99999999999999999999999"], ["maxmemory", "0"],
    ["proc-title-template", "{zz}"], ["io-threads", "5", "zz", "4"], ["cluster-announce-hostname", "a b"],
    ["oom-score-adj-values", "-3000 1 1", "list-compress-depth", "4"],
    ["list-compress-depth", "5", "hz", "1", "maxmemory-samples", "0"], ["dir", "/nope"], ["dir", "/", "hz", "zz"],
    ["dbfilename", "a/b"], ["dbfilename", "d.rdb"], ["requirepass", ""], ["slowlog-max-len", "5", "lua-time-limit", "77"],
    ["repl-backlog-size", "5gb"], ["repl-backlog-size", "1mb"], ["busy-reply-threshold", "5000"],
]

# CONFIG GET arguments.
GETS = [
    ["MAXMEMORY", "maxmemory", "MaxMemory", "max*mory"], ["MAXMEM*"], ["watchdog-period"], ["watchdog*"], ["nope"],
    ["*max*", "*entries"], ["hash-max-*"], ["[hz]*"], ["[^a-y]*"], ["h?"], ["slave-*", "replica-*"], ["\\maxmemory"],
    ["max\\memory*"], ["**"], ["*", "*"], [""],
]

REWRITE_FILE = '''# top comment
port %d
  # indented comment

bind 127.0.0.1
enable-protected-configs yes
save 60 1
save 100 2
hash-max-ziplist-entries 700
HZ 10
maxmemory 100mb
maxmemory 200mb
unixsocketperm 770
requirepass ""
logfile ""
syslog-ident ""
dbfilename "d u.rdb"
rename-command FLUSHALL ""
list-max-ziplist-entries 5
client-output-buffer-limit normal 1mb 2 3 pubsub 1 2 3
client-output-buffer-limit replica 256mb 64mb 60
notify-keyspace-events KEA
latency-tracking-info-percentiles 50 99
slowlog-max-len 128
shutdown-on-sigint save now
maxmemory-clients 5%%
tls-protocols ""
unixsocket ""
pidfile ""
replica-announce-ip ""
masteruser ""
cluster-config-file ""
cluster-announce-hostname ""
server_cpulist ""
ignore-warnings ""
bind-source-addr ""
masterauth ""
tls-cert-file ""
aclfile ""
repl-backlog-size 1mb
loglevel NOTICE


proto-max-bulk-len 512mb
oom-score-adj-values 0 200 800
proc-title-template "{title} {listen-addr}"'''

# CONFIG SETs, each followed by CONFIG REWRITE.
REWRITE_SETS = [
    [],
    ["save", "", "maxmemory", "104857601", "hash-max-listpack-entries", "512", "timeout", "7", "client-output-buffer-limit",
     "normal 0 0 0 pubsub 33554432 8388608 60", "notify-keyspace-events", "", "repl-backlog-size", "5gb"],
    ["save", "1 2 3 4", "timeout", "0", "maxmemory-policy", "allkeys-lfu", "proc-title-template", "{title}",
     "masterauth", 'a "\\\x01\n', "notify-keyspace-events", "Kx"],
    ["save", "3600 1 300 100 60 10000", "masterauth", "", "maxmemory-clients", "1gb", "latency-tracking-info-percentiles", ""],
    ["list-max-ziplist-size", "-3", "lua-time-limit", "7", "hll-sparse-max-bytes", "3kb", "cluster-link-sendbuf-limit", "3mb"],
]

# Files that are rewritten as they are.
REWRITE_WHOLE = ["", "\n", "# only\n# comments\n", "# no end", "hz 20", "# a\r\nhz 20\r\n\r\ntimeout 0\r\n", "hz 20\n\n\n\n# b\n\n"]

PASSWORD = "pass word"

# A file, and CONFIG SETs before Redis rewrites it.
REWRITTEN_BY_REDIS = [
    ("", []),
    ("# a comment\n", [["maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"], ["save", ""], ["timeout", "30"]]),
    ("timeout 3\r\n\r\nsave 60 1", [["notify-keyspace-events", "KEA"], ["client-output-buffer-limit", "pubsub 1mb 2mb 3"]]),
    ('requirepass "%s"\n' % PASSWORD, [["hash-max-listpack-entries", "7", "lua-time-limit", "77"]]),
    ("", [["oom-score-adj-values", "1 2 3"], ["latency-tracking-info-percentiles", ""], ["masterauth", "a"]]),
    ("user default on nopass ~* &* +@all\nmaxclients 77\n", [["proc-title-template", "{title}"], ["maxmemory-clients", "5%"]]),
]
