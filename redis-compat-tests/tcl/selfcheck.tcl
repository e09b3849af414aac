# A unit for the check of the harness, with every end that a case can come to.

start_server {tags {"selfcheck"}} {
    test {passes} {
        r set key value
        r get key
    } {value}

    test {passes} {
        assert_equal [r exists key] 1
    }

    test {fails} {
        r get key
    } {another value}

    test {raises an error} {
        r selfcheck-knows-no-such-command
    }

    test {hangs} {
        set silent [redis_deferring_client]
        $silent read
    }

    test "in braces \{ and \[brackets" {
        r ping
    } {PONG}
}

start_server {} {
    test {before an error between cases} {
        r ping
    } {PONG}

    error "between cases"

    test {behind it} {
        r ping
    } {PONG}
}

start_server {overrides {no-such-directive yes}} {
    test {without a server} {
        r ping
    } {PONG}
}

start_server {} {
    test {at the end} {
        r ping
    } {PONG}
}
