//! What the user gets wrong is said in a sentence.

mod support;

use std::{
    io::{self, Write},
    net::UdpSocket,
    process::{Command, Stdio},
};

use support::{bare_zre, run, text, zre};

/// Runs to the end, and returns what was said about it.
fn refused(command: &mut Command) -> String {
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(text(&output.stdout), "");
    assert!(said.starts_with("error: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_wrong_flag_is_named_with_what_was_expected() {
    let long = "x".repeat(256);
    let long_name = format!("{long}=x");
    for (flags, parts) in [
        (["--uuid", "bob"], ["'bob'", "32 hexadecimal digits"]),
        (["--header", "x"], ["'x'", "NAME=VALUE"]),
        (["--header", "=x"], ["'=x'", "NAME=VALUE"]),
        (["--name", &long], ["256 bytes", "255"]),
        (["--group", &long], ["256 bytes", "255"]),
        (["--header", &long_name], ["256 bytes", "255"]),
        (["--name", ""], ["--name", "is empty"]),
        (["--group", ""], ["--group", "is empty"]),
        (["--group", "A,,B"], ["--group", "is empty"]),
        (["--tcp-port", "x"], ["--tcp-port", "from 1 to 65535"]),
        (["--advertise", "x"], ["'x'", "tcp://"]),
        (["--header", "A=1,A=2"], ["'A'", "two values"]),
        (["--interval", "9ms"], ["--interval", "at least 10ms"]),
        (["--interval", "x"], ["'x'", "such as 250ms"]),
        (["--slow-members", "skip"], ["'skip'", "`wait`, or a time"]),
        (["--slow-members", "50"], ["--slow-members", "50ms or 50s"]),
        (["--unknown", "x"], ["--unknown", "--help"]),
    ] {
        let said = refused(&mut zre("pipe", 25660, &flags));
        for part in parts {
            assert!(said.contains(part), "{flags:?}: {said}");
        }
    }
    for (flag, value, expected) in [
        ("--wait", "-1", "write 1ms or 1s"),
        ("--port", "x", "from 1 to 65535"),
        ("--port", "-1", "from 1 to 65535"),
        ("--interface", "", "IPv4 address"),
    ] {
        let said = refused(bare_zre().args(["ping", flag, value]));
        assert!(said.contains(flag), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    for (arguments, parts) in [
        (&["whisper", "", "x"][..], ["<PEER>", "is empty"]),
        (&["whisper", &long, "x"], ["<PEER>", "256 bytes"]),
        (&["shout", "", "x"], ["<GROUP>", "is empty"]),
        (&["shout", "G", "x", "--members=0"], ["--members", "from 1"]),
        (&["shout", "G", "x", "--times"], ["--json", "--help"]),
        (&["request", "", "x"], ["<PEER>", "is empty"]),
        (&["request", "bob", "x", "--all"], ["--group", "--help"]),
        (&["listen", "--count=0"], ["--count", "from 1"]),
        (&["listen", "--for=0s"], ["--for", "longer than 0"]),
    ] {
        let said = refused(bare_zre().args(arguments));
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_time_without_a_unit_is_answered_with_the_two_likely_ones() {
    for (command, flag) in [
        ("chat", "--linger"),
        ("pipe", "--interval"),
        ("pipe", "--evasive"),
        ("pipe", "--expired"),
        ("ping", "--wait"),
        ("listen", "--for"),
        ("shout", "--wait"),
        ("whisper", "--wait"),
        ("request", "--timeout"),
    ] {
        let said = refused(&mut zre(command, 25660, &[flag, "250"]));
        assert!(said.contains("write 250ms or 250s"), "{said}");
        assert!(said.contains(flag), "{said}");
    }
}

#[test]
fn what_contradicts_is_refused_with_a_remedy() {
    for command in ["chat", "ping", "pipe"] {
        for flags in [
            &["--evasive", "4s", "--expired", "4s"][..],
            &["--evasive", "40s"],
        ] {
            let said = refused(&mut zre(command, 25660, flags));
            for part in [flags[1], "--expired", "lower --evasive"] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}

#[test]
fn settings_of_the_network_that_contradict_are_refused_with_a_remedy() {
    for (flags, parts) in [
        ("--ipv4 --ipv6", ["--ipv6", "leave both out"]),
        ("--no-beacon", ["--no-beacon", "--connect"]),
        (
            "--no-beacon --multicast 239.0.0.1",
            ["--multicast", "leave one out"],
        ),
        (
            "--multicast 239.0.0.1 --beacon-to 127.0.0.2",
            ["--beacon-to", "leave one out"],
        ),
        ("--multicast 10.0.0.1", ["10.0.0.1", "--beacon-to"]),
        ("--multicast x", ["'x'", "IPv6 address"]),
        ("--multicast ff02::1 --ipv4", ["ff02::1", "--ipv4"]),
        ("--beacon-to 239.0.0.1", ["239.0.0.1", "--multicast"]),
        (
            "--beacon-to 255.255.255.255",
            ["255.255.255.255", "one host"],
        ),
        ("--beacon-to fe80::1 --ipv4", ["fe80::1", "--ipv4"]),
        ("--beacon-to 127.0.0.2,host", ["'host'", "not looked up"]),
        ("--interface all", ["`all` includes 127.0.0.1", "leave one"]),
        ("--interface eth0/8", ["'eth0/8'", "a subnet"]),
        ("--ipv6", ["--interface 127.0.0.1", "--ipv6"]),
        ("--connect 127.0.0.2", ["'127.0.0.2'", "tcp://"]),
        (
            "--connect tcp://host:0",
            ["'tcp://host:0'", "from 1 to 65535"],
        ),
        (
            "--connect tcp://[fe80::1]:7 --ipv4",
            ["tcp://[fe80::1]:7", "--ipv4"],
        ),
        (
            "--connect 127.0.0.1:25667 --tcp-port 25667",
            ["127.0.0.1:25667", "itself"],
        ),
        (
            "--connect host:7 --advertise tcp://HOST:7",
            ["tcp://host:7", "itself"],
        ),
        ("--gossip-bind *", ["'*'", "tcp://*:5670"]),
        (
            "--gossip-bind *:25667 --tcp-port 25667",
            ["tcp://*:25667", "take two"],
        ),
        (
            "--gossip-connect tcp://hub:7|key",
            ["behind tcp://hub:7|", "40 characters"],
        ),
        ("--connect hub:7|", ["behind tcp://hub:7|", "single quotes"]),
        (
            "--gossip-bind *:25667 --gossip-connect 127.0.0.1:25667",
            ["tcp://127.0.0.1:25667", "leave it out"],
        ),
    ] {
        let split: Vec<_> = flags.split(' ').collect();
        for command in [&["chat"][..], &["ping"], &["pipe"], &["perf", "run"]] {
            let (subcommand, rest) = command.split_first().expect("a command");
            let arguments = [rest, &["-i", "127.0.0.1"], &split[..]].concat();
            let said = refused(bare_zre().arg(subcommand).args(&arguments));
            for part in parts {
                assert!(said.contains(part), "{flags}: {said}");
            }
        }
    }
}

#[test]
fn a_flag_goes_before_a_variable() {
    for (variable, value, flags) in [
        ("ZSYS_IPV6", "1", &["--ipv4"][..]),
        ("ZRE_INTERFACE", "nope", &[]),
        ("ZSYS_INTERFACE", "nope", &[]),
        ("ZRE_CONNECT", "x", &["--connect", "127.0.0.1:25669"]),
        (
            "ZSYS_IPV4_MCAST_ADDRESS",
            "x",
            &["--multicast", "239.0.0.1"],
        ),
    ] {
        let output = run(zre("pipe", 25667, flags).env(variable, value));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{variable}: {said}");
    }
}

#[test]
fn a_wrong_variable_is_named_with_what_was_expected() {
    for (variable, value, expected) in [
        ("ZRE_PORT", "x", "from 1 to 65535"),
        ("ZRE_GROUPS", "A,", "is empty"),
        ("ZRE_INTERFACE", "nope", "no interface \"nope\""),
        ("ZSYS_INTERFACE", "nope", "no interface \"nope\""),
        ("ZRE_INTERFACE", "all,lo", "`all` includes lo"),
        ("ZRE_CONNECT", "host", "such as tcp://"),
        (
            "ZSYS_IPV4_MCAST_ADDRESS",
            "10.0.0.1",
            "no multicast address",
        ),
        ("ZSYS_IPV6_MCAST_ADDRESS", "x", "IPv6 address"),
    ] {
        let said = refused(bare_zre().arg("pipe").env(variable, value));
        assert!(said.contains(expected), "{said}");
    }
    for (variable, value, expected) in [
        ("ZRE_CONNECT", "host", "such as tcp://"),
        (
            "ZSYS_IPV4_MCAST_ADDRESS",
            "10.0.0.1",
            "no multicast address",
        ),
        ("ZSYS_IPV6_MCAST_ADDRESS", "x", "IPv6 address"),
    ] {
        let said = refused(zre("pipe", 25660, &[]).env(variable, value));
        assert!(said.contains(expected), "{said}");
        assert!(said.contains(variable), "{said}");
    }
    let long = "x".repeat(256);
    let said = refused(zre("pipe", 25660, &[]).env("ZRE_NAME", &long));
    assert!(said.contains("ZRE_NAME"), "{said}");
    assert!(said.contains("256 bytes"), "{said}");
}

#[test]
fn an_unknown_interface_is_answered_with_those_that_exist() {
    for command in ["chat", "ping", "pipe"] {
        let said = refused(bare_zre().args([command, "--interface", "nope"]));
        assert!(said.contains(r#"no interface "nope""#), "{said}");
        assert!(said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let holder = UdpSocket::bind("0.0.0.0:25661").unwrap();
    let said = refused(&mut zre("pipe", 25661, &[]));
    assert!(said.contains("25661"), "{said}");
    drop(holder);
}

#[test]
fn a_wrong_filter_for_the_log_is_named() {
    let said = refused(zre("pipe", 25662, &[]).env("RUST_LOG", "a=b=c"));
    assert!(said.contains("RUST_LOG"), "{said}");
}

#[test]
fn the_log_goes_to_standard_error() {
    let output = run(&mut zre("pipe", 25663, &["-v"]));
    assert!(text(&output.stderr).contains("started"));
    assert!(!text(&output.stdout).contains("DEBUG"));
}

#[test]
fn an_output_that_nobody_reads_ends_the_command_quietly() {
    for (command, port) in [("chat", 25664), ("pipe", 25665)] {
        let mut child = zre(command, port, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        // Something to say, if the first line was taken just before.
        let mut input = child.stdin.take().unwrap();
        let _ = input.write_all(b"/help\n");
        let errors = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(errors, "", "{command}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command}");
    }
}

#[test]
fn help_ends_with_examples() {
    for command in [
        "chat", "ping", "pipe", "listen", "shout", "whisper", "request",
    ] {
        let output = run(bare_zre().args([command, "--help"]));
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.contains("Exit codes:"), "{help}");
    }
}
