//! The flags of nodes with keys: what they say together, and what is refused.

mod support;

use std::{fs, process::Command};

use support::{Home, KEY_OF_PASSPHRASE, PASSPHRASE, bare_zre, run, text, zre};

const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

/// All commands that start a node.
const COMMANDS: [&[&str]; 6] = [
    &["chat"],
    &["ping"],
    &["pipe"],
    &["doctor"],
    &["perf", "run"],
    &["perf", "serve"],
];

/// What is said of a mistake in flags, by each of the commands.
fn refused(home: &Home, flags: &str, parts: &[&str]) {
    let split: Vec<_> = flags.split(' ').collect();
    for command in COMMANDS {
        must_refuse(&mut home.zre(command, 25670, &split), parts);
    }
}

fn must_refuse(command: &mut Command, parts: &[&str]) {
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    assert_eq!(text(&output.stdout), "", "nothing has started");
    assert!(said.starts_with("error: "), "{said}");
    for part in parts {
        assert!(said.contains(part), "{command:?}: no {part:?} in: {said}");
    }
}

#[test]
fn a_key_without_trust_is_refused_and_the_choice_is_explained() {
    let choice = [
        "--trust DIR",
        "--trust FILE",
        "--trust any",
        "zre keys trust",
    ];
    refused(&Home::new(), "--key alice", &choice);
}

#[test]
fn flags_of_security_that_contradict_are_refused_with_a_remedy() {
    let home = Home::new();
    for (flags, parts) in [
        ("--trust friends", ["--trust needs --key", "zre keys new"]),
        (
            "--secret-file secret --key alice",
            ["--key and --secret-file", "leave one"],
        ),
        (
            "--secret-file secret --key alice --trust friends",
            ["--key and --secret-file", "leave one"],
        ),
        (
            "--secret-file secret --trust any",
            ["--trust and --secret-file", "leave one"],
        ),
        (
            "--key alice --trust any --trust friends",
            ["--trust any and --trust friends", "./any"],
        ),
    ] {
        refused(&home, flags, &parts);
    }
}

#[test]
fn a_file_that_is_wrong_is_named_with_the_line() {
    let home = Home::new();
    let alice = fs::read_to_string(home.path("alice_secret")).expect("it was written");
    home.write(
        "torn_secret",
        &alice.replace("secret-key = \"", "secret-key = \"x"),
    );
    home.write("no-certificate", "hello\n");
    let line = alice.lines().count();
    for (flags, parts) in [
        (
            "--key none --trust any",
            &["none: ", "none_secret", "zre keys new"][..],
        ),
        (
            "--key torn --trust any",
            &[&format!("torn_secret: line {line}: the secret key")],
        ),
        (
            "--key friends/bob --trust any",
            &["friends/bob: ", "no secret key"],
        ),
        (
            "--key alice --trust none",
            &["--trust none", "zre keys trust none FILE"],
        ),
        (
            "--key alice --trust no-certificate",
            &["no-certificate: no `public-key`"],
        ),
        ("--secret-file none", &["none: cannot be read"]),
    ] {
        refused(&home, flags, parts);
    }
    let secret = alice.lines().last().expect("it has lines");
    let secret = secret.split('"').nth(1).expect("it has quotes");
    let said = run(&mut home.zre(&["pipe"], 25670, &["--key", "torn", "--trust", "any"]));
    assert!(!text(&said.stderr).contains(&secret[..8]));
}

#[test]
fn a_key_behind_an_endpoint_needs_a_key_of_the_node() {
    let home = Home::new();
    for setting in ["--connect", "--gossip-connect"] {
        let place = format!("127.0.0.1:7|{KEY}");
        let parts = [
            setting,
            "tcp://127.0.0.1:7|KEY",
            "--key and --trust",
            "leave |KEY out",
        ];
        refused(&home, &format!("{setting} {place}"), &parts);
        let parts = [setting, KEY_OF_PASSPHRASE, "leave |KEY out"];
        refused(
            &home,
            &format!("--secret-file secret {setting} {place}"),
            &parts,
        );
    }
    must_refuse(
        zre("pipe", 25670, &[]).env("ZRE_CONNECT", format!("127.0.0.1:7|{KEY}")),
        &["--connect", "--key and --trust"],
    );
}

#[test]
fn the_variable_with_the_passphrase_counts_where_no_flag_is_given_and_is_never_shown() {
    let home = Home::new();
    for (value, part) in [("", "is empty"), ("hunter two", "needs 12 or more")] {
        for command in COMMANDS {
            let mut zre = home.zre(command, 25670, &[]);
            must_refuse(zre.env("ZRE_SECRET", value), &["variable ZRE_SECRET", part]);
            assert!(!text(&run(&mut zre).stderr).contains("hunter"));
        }
    }
    // A flag goes before a variable, also one that is wrong.
    for flags in [
        &["--key", "alice", "--trust", "friends"][..],
        &["--secret-file", "secret"],
    ] {
        let output = run(home.zre(&["pipe"], 25671, flags).env("ZRE_SECRET", "x"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

#[test]
fn no_secret_can_be_given_in_the_arguments() {
    let output = run(bare_zre().args(["pipe", "--secret", PASSPHRASE]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--secret"));
    for command in COMMANDS {
        let help = text(&run(bare_zre().args(command).arg("--help")).stdout);
        let security = [
            "--key <PATH>",
            "--trust <DIR|FILE|any>",
            "--secret-file <FILE>",
        ];
        for part in security.iter().chain(&["[env: ZRE_SECRET"]) {
            assert!(help.contains(part), "{command:?}: {help}");
        }
        assert!(!help.contains("--secret <"), "{help}");
    }
}

#[cfg(unix)]
#[test]
fn a_passphrase_that_the_group_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(home.path("secret"), mode).expect("the file is ours");
    let output = run(&mut home.zre(&["pipe"], 25672, &["--secret-file", "secret"]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["warning: secret", "mode 640", "chmod 600 secret"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_most_verbose_log_has_no_secret() {
    let home = Home::new();
    let secret_file = fs::read_to_string(home.path("alice_secret")).expect("it was written");
    let secret_key = secret_file
        .lines()
        .last()
        .and_then(|line| line.split('"').nth(1));
    let secret_key = secret_key.expect("the last line has it");
    for flags in [
        &["-vv", "--key", "alice", "--trust", "friends"][..],
        &["-vv", "--secret-file", "secret"],
    ] {
        let output = run(&mut home.zre(&["pipe"], 25673, flags));
        let said = text(&[output.stdout, output.stderr].concat());
        assert!(said.contains("DEBUG") && said.contains("START"), "{said}");
        assert!(
            !said.contains(secret_key) && !said.contains("horse"),
            "{said}"
        );
    }
}
