# Sourced into a client of Redis' suite before its unit.

# The suite gives a unit up at the first error that is no failed assertion. Here such an error fails its case, and one
# that no case stands around ends the block of its server only. What a failing case left behind, such as a MULTI, is not
# passed on to the next.
rename test suite_test
proc test {name code {okpattern undefined} {tags {}}} {
    set failed $::num_failed
    set guarded "::guarded \[[list catch $code ::guard_result ::guard_options]\]"
    uplevel 1 [list suite_test $name $guarded $okpattern $tags]
    if {$::num_failed > $failed} {
        ::begin_anew
    }
}

proc ::begin_anew {} {
    for {set level 0} {$level < [llength $::servers]} {incr level} {
        catch {
            reconnect -$level
            r -$level client unpause
            r -$level debug set-active-expire 1
        }
    }
}

proc ::guarded {status} {
    if {$status == 0} {
        return $::guard_result
    }
    if {$status != 1} {
        return -code $status $::guard_result
    }
    if {[string match assertion:* $::guard_result]} {
        error $::guard_result
    }
    error "assertion:$::guard_result\n[dict get $::guard_options -errorinfo]"
}

rename start_server suite_start_server
proc start_server {options {code undefined}} {
    if {$code eq "undefined" || $::cur_test ne ""} {
        return [uplevel 1 [list suite_start_server $options $code]]
    }
    set tags $::tags
    set guarded "if {\[[list catch $code ::block_error]\] == 1} {::block_ended \$::block_error}"
    if {[catch {uplevel 1 [list suite_start_server $options $guarded]} error]} {
        ::block_ended $error
    }
    set ::tags $tags
}

proc ::block_ended {error} {
    send_data_packet $::test_server_fd block-ended $error
}

# As the suite's own, but it notices a server that ends, and looks more often.
proc wait_server_started {config_file stdout pid} {
    while 1 {
        set alive [expr {![catch {exec kill -0 $pid}]}]
        set said [exec cat $stdout]
        if {[string match "* PID: $pid*" $said]} {
            return 0
        }
        if {[string match "*Failed listening on port*" $said]} {
            return 1
        }
        if {!$alive} {
            error "the server ended at its start: [exec tail -n 3 $stdout [file dirname $stdout]/stderr]"
        }
        after 20
    }
}

# For the measurement: commands that the servers are without, and what is refused to the suite's connections though a
# server could do it, as patterns.
if {[info exists ::env(TCL_SUITE_REFUSED)]} {
    rename create_server_config_file suite_create_server_config_file
    proc create_server_config_file {filename config config_lines} {
        if {[dict exists $config appendonly] && [dict get $config appendonly] eq "yes"} {
            error "not supported yet: appendonly yes"
        }
        suite_create_server_config_file $filename $config $config_lines
        set file [open $filename a]
        foreach name $::env(TCL_SUITE_TAKEN) {
            puts $file "rename-command $name \"\""
        }
        close $file
    }

    rename ::redis::__dispatch__raw__ suite_dispatch
    proc ::redis::__dispatch__raw__ {id method argv} {
        foreach pattern $::env(TCL_SUITE_REFUSED) {
            if {[string match -nocase $pattern "$method $argv"]} {
                error "ERR not supported yet: $method $argv"
            }
        }
        uplevel 1 [list suite_dispatch $id $method $argv]
    }
}
