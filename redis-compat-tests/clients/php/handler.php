<?php
// phpredis' session handler from the command line. One line per check: `ok name` or `FAIL name: why`.
ob_start(); // sessions cannot change their id once output has been sent
$port = getenv('PORT');
$raw = new Redis();
$raw->connect('127.0.0.1', (int)$port);

function check(string $name, callable $body): void
{
    try {
        $body();
        echo "ok phpredis: $name\n";
    } catch (Throwable $error) {
        echo "FAIL phpredis: $name: " . get_class($error) . ' ' . $error->getMessage() . "\n";
    }
    if (session_status() === PHP_SESSION_ACTIVE) {
        session_write_close();
    }
}

function expect($actual, $wanted, string $what): void
{
    if ($actual !== $wanted) {
        throw new Exception("$what: got " . var_export($actual, true) . ', wanted ' . var_export($wanted, true));
    }
}

function open(string $id): void
{
    session_id($id);
    $_SESSION = [];
    if (!session_start()) {
        throw new Exception('session_start failed');
    }
}

$prefix = getenv('PREFIX');
$id = bin2hex(random_bytes(16));

check('write and read back', function () use ($id) {
    open($id);
    $_SESSION['user'] = 'alice';
    $_SESSION['binary'] = "\0\xff caf\u{e9}";
    session_write_close();
    open($id);
    expect($_SESSION['user'], 'alice', 'user');
    expect($_SESSION['binary'], "\0\xff caf\u{e9}", 'binary');
});

check('the key and its deadline', function () use ($id, $raw, $prefix) {
    expect($raw->exists($prefix . $id), 1, 'exists');
    $ttl = $raw->ttl($prefix . $id);
    expect($ttl > 1400 && $ttl <= 1440, true, "ttl $ttl");
});

check('a further request extends the deadline', function () use ($id, $raw, $prefix) {
    $raw->expire($prefix . $id, 100);
    open($id);
    $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
    session_write_close();
    expect($raw->ttl($prefix . $id) > 1400, true, 'extended');
});

check('regenerate moves the session', function () use (&$id, $raw, $prefix) {
    open($id);
    session_regenerate_id(true);
    $new = session_id();
    session_write_close();
    expect($raw->exists($prefix . $id), 0, 'old key');
    expect($raw->exists($prefix . $new), 1, 'new key');
    $id = $new;
    open($id);
    expect($_SESSION['user'], 'alice', 'user after regenerate');
});

check('strict mode refuses an unknown id', function () use ($raw, $prefix) {
    $unknown = bin2hex(random_bytes(16));
    session_id($unknown);
    session_start(['use_strict_mode' => 1]);
    expect(session_id() !== $unknown, true, 'another id');
    session_destroy();
});

check('an expired session is empty', function () use ($raw, $prefix) {
    $short = bin2hex(random_bytes(16));
    open($short);
    $_SESSION['user'] = 'bob';
    session_write_close();
    $raw->pexpire($prefix . $short, 30);
    for ($i = 0; $i < 500 && $raw->exists($prefix . $short); $i++) {
        usleep(10000);
    }
    open($short);
    expect(isset($_SESSION['user']), false, 'user of an expired session');
    session_destroy();
});

check('destroy deletes', function () use ($id, $raw, $prefix) {
    open($id);
    session_destroy();
    expect($raw->exists($prefix . $id), 0, 'key after destroy');
});
