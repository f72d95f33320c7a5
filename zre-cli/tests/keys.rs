//! `zre keys`: the files that it writes, and what it says of files.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{fs, path::PathBuf, process::Output};

use serde_json::{Value, json};
use support::{bare_zre, run, text};
use tempfile::TempDir;
use zre_net::keys::{TrustDir, load_certificate, load_keypair, write_keypair};
use zre_tokio::{Certificate, Keypair, PublicKey, SecretKey};

const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

/// A passphrase and the key that it makes, which never changes.
const PASSPHRASE: &str = "correct horse battery staple";
const KEY_OF_PASSPHRASE: &str = "EamgdZhJ&gRU[}K(PpJa)i$A}X-a<6Q.mr2Sy!6O";

/// A directory in which `zre keys` runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is a directory for temporary files"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it was written")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the directory is ours");
    }

    /// The names of all files.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("it is there");
        let names = entries.map(|entry| entry.expect("it can be listed").file_name());
        let mut names: Vec<_> = names.map(|it| it.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut zre = bare_zre();
        run(zre.arg("keys").args(arguments).current_dir(self.0.path()))
    }

    /// Runs without a mistake, and returns what was printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).expect("it is JSON")
    }

    /// Runs with a mistake, and returns what was said about it.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{said}");
        said
    }

    /// Makes a pair, and returns the public key.
    fn pair(&self, name: &str) -> PublicKey {
        self.done(&["new", name]);
        load_certificate(self.path(name))
            .expect("it was written")
            .public
    }

    fn secret_of(&self, name: &str) -> String {
        let pair = load_keypair(self.path(name)).expect("it is a pair");
        pair.keypair.secret().to_z85().to_string()
    }

    #[cfg(unix)]
    fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;

        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), permissions).expect("the file is ours");
    }

    #[cfg(unix)]
    fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;

        let metadata = fs::metadata(self.path(name)).expect("it was written");
        metadata.permissions().mode() & 0o777
    }
}

fn must_say(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

#[test]
fn a_new_key_is_a_pair_of_files_of_which_the_secret_one_is_private() {
    let desk = Desk::new();
    let said = desk.done(&["new", "alice"]);
    assert_eq!(desk.names(), ["alice", "alice_secret"]);
    let pair = load_keypair(desk.path("alice")).expect("it is a pair");
    let public = pair.keypair.public();
    let next = ["Next: ", "zre keys trust", "--key alice --trust DIR"];
    must_say(&said, &[&public.to_string(), "alice_secret"]);
    must_say(&said, &next);
    assert!(!public.is_dropped_by_zyre());
    assert!(!said.contains(&desk.secret_of("alice")), "{said}");
    assert!(!desk.read("alice").contains(&desk.secret_of("alice")));
    #[cfg(unix)]
    assert_eq!(desk.mode("alice_secret"), 0o600);
}

#[test]
fn a_certificate_says_what_was_asked_for_and_the_name_of_its_file_otherwise() {
    let desk = Desk::new();
    let arguments = [
        "new",
        "a",
        "--name",
        "Alice A.",
        "--meta",
        "email=a@b.example,room=7",
    ];
    let made = desk.json(&arguments);
    let metadata = json!({"name": "Alice A.", "email": "a@b.example", "room": "7"});
    assert_eq!(made["certificate"], metadata);
    assert_eq!(
        (&made["path"], &made["secret_path"]),
        (&json!("a"), &json!("a_secret"))
    );
    let written = load_certificate(desk.path("a")).expect("it was written");
    assert_eq!(made["key"], written.public.to_string());
    let read: Vec<_> = written.metadata.iter().collect();
    assert_eq!(
        read,
        [
            ("name", "Alice A."),
            ("email", "a@b.example"),
            ("room", "7")
        ]
    );
    let made = desk.json(&["new", "bob"]);
    assert_eq!(made["certificate"], json!({"name": "bob"}));
}

#[test]
fn a_file_that_exists_is_never_overwritten() {
    for there in ["alice", "alice_secret"] {
        let desk = Desk::new();
        desk.write(there, "mine");
        let said = desk.refused(&["new", "alice"]);
        must_say(&said, &[there, "not overwritten"]);
        assert_eq!(desk.names(), [there], "nothing else was written");
        assert_eq!(desk.read(there), "mine");
    }
}

#[test]
fn what_cannot_be_written_is_said_with_the_remedy() {
    let desk = Desk::new();
    for (arguments, parts) in [
        (&["new", "no/alice"][..], ["no/alice", "mkdir no"]),
        (&["new", "alice_secret"], ["alice_secret", "_secret"]),
        (&["new", "a", "--meta", "x"], ["'x'", "NAME=VALUE"]),
        (&["new", "a", "--meta", "a b=1"], ["metadata", "letters"]),
        (&["new", "a", "--meta", "b=1,b=2"], ["--meta b", "leave"]),
        (&["new", "a", "--meta", "name=x"], ["--meta name", "--name"]),
        (&["new", "a", "--name", ""], ["--name", "empty"]),
        (&["new"], ["PATH", "--help"]),
    ] {
        must_say(&desk.refused(arguments), &parts);
    }
    assert_eq!(desk.names(), [""; 0]);
}

#[test]
fn a_key_is_shown_with_its_owner_and_without_the_secret() {
    let desk = Desk::new();
    desk.done(&["new", "a", "--name", "Alice", "--meta", "room=7"]);
    let secret = desk.secret_of("a");
    let said = desk.done(&["show", "a"]);
    let public = load_certificate(desk.path("a"))
        .expect("it is there")
        .public;
    let parts = [
        &public.to_string(),
        "Alice",
        "room",
        "secret key  in a_secret",
    ];
    must_say(&said, &parts);
    assert!(!said.contains("warning"), "{said}");
    let shown = desk.json(&["show", "a"]);
    let expected = json!({"keys": [{
        "key": public.to_string(),
        "certificate": {"name": "Alice", "room": "7"},
        "path": "a", "secret_path": "a_secret", "warnings": [],
    }]});
    assert_eq!(shown, expected);
    for said in [said, shown.to_string(), desk.done(&["show", "a_secret"])] {
        assert!(!said.contains(&secret), "{said}");
    }
}

#[test]
fn all_certificates_of_a_directory_are_shown_and_one_that_is_broken_is_named() {
    let desk = Desk::new();
    let (bob, carol) = (desk.pair("bob"), desk.pair("carol"));
    desk.done(&["trust", "friends", "bob", "carol"]);
    let shown = desk.json(&["show", "friends"]);
    let keys = shown["keys"].as_array().expect("a list");
    let keys: Vec<_> = keys.iter().map(|it| it["key"].clone()).collect();
    assert_eq!(keys, [bob.to_string(), carol.to_string()]);
    let broken = desk.read("bob").replace("public-key", "public key");
    desk.write("friends/dave", &broken);
    let output = desk.run(&["show", "friends"]);
    assert_eq!(output.status.code(), Some(2));
    must_say(
        &text(&output.stdout),
        &[&bob.to_string(), &carol.to_string()],
    );
    must_say(
        &text(&output.stderr),
        &["friends/dave: line ", "expected `name ="],
    );
    must_say(
        &desk.refused(&["show", "none"]),
        &["none: ", "cannot be read"],
    );
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_warned_of() {
    let desk = Desk::new();
    desk.pair("alice");
    desk.set_mode("alice_secret", 0o640);
    let said = desk.done(&["show", "alice"]);
    must_say(&said, &["warning: ", "mode 640", "chmod 600 alice_secret"]);
}

#[test]
fn a_key_that_zyre_ignores_is_warned_of() {
    let desk = Desk::new();
    let pairs = (0u16..).map(|number| {
        let mut bytes = [7; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        Keypair::from(SecretKey::from(bytes))
    });
    let mut pairs = pairs.skip_while(|pair| !pair.public().is_dropped_by_zyre());
    let dropped = Certificate::from(pairs.next().expect("one in 256"));
    write_keypair(desk.path("alice"), &dropped).expect("the directory is ours");
    let said = desk.done(&["show", "alice"]);
    must_say(&said, &["warning: zyre ignores", "zre keys new"]);
}

#[test]
fn files_that_do_not_belong_together_are_warned_of() {
    let desk = Desk::new();
    desk.pair("alice");
    let bob = desk.pair("bob");
    fs::copy(desk.path("bob_secret"), desk.path("alice_secret")).expect("both are ours");
    let said = desk.done(&["show", "alice"]);
    must_say(&said, &["another key", &bob.to_string()]);
    desk.write("alice_secret", &desk.read("bob"));
    must_say(&desk.done(&["show", "alice"]), &["another key"]);
    desk.write("alice_secret", "curve\n  x");
    must_say(
        &desk.done(&["show", "alice"]),
        &["warning: alice_secret: line 2"],
    );
    fs::copy(desk.path("bob_secret"), desk.path("carol")).expect("both are ours");
    must_say(
        &desk.done(&["show", "carol"]),
        &["in carol itself", "zre keys trust"],
    );
}

#[test]
fn a_trusted_certificate_is_copied_into_the_directory_once() {
    let desk = Desk::new();
    let (bob, carol) = (desk.pair("bob"), desk.pair("carol"));
    let said = desk.done(&["trust", "friends", "bob", "carol"]);
    must_say(
        &said,
        &[
            "now trusted: friends/bob, the key of bob, ",
            &bob.to_string(),
        ],
    );
    let trusted = TrustDir::open(desk.path("friends")).expect("it was made");
    let keys: Vec<_> = trusted.keys().iter().map(|(key, _)| *key).collect();
    assert!(keys.len() == 2 && keys.contains(&bob) && keys.contains(&carol));
    let again = desk.json(&["trust", "friends", "bob", "--name", "robert"]);
    let expected = json!({"trusted": [{
        "key": bob.to_string(), "certificate": {"name": "bob"},
        "path": "friends/bob", "is_new": false, "had_secret": false,
    }]});
    assert_eq!(again, expected);
    let said = desk.done(&["trust", "friends", "bob"]);
    must_say(&said, &["trusted already: friends/bob"]);
}

#[test]
fn of_a_file_with_a_secret_key_only_the_public_one_is_taken() {
    let desk = Desk::new();
    let bob = desk.pair("bob");
    let secret = desk.secret_of("bob");
    let said = desk.done(&["trust", "friends", "bob_secret"]);
    must_say(
        &said,
        &["friends/bob,", "bob_secret has a secret key, which was not"],
    );
    assert!(!said.contains(&secret), "{said}");
    assert!(!desk.read("friends/bob").contains(&secret));
    let copied = load_certificate(desk.path("friends/bob")).expect("it was written");
    assert_eq!((copied.public, copied.secret), (bob, None));
    assert_eq!(copied.metadata.name(), Some("bob"));
    let again = desk.json(&["trust", "other", "bob_secret"]);
    assert_eq!(again["trusted"][0]["had_secret"], true);
}

#[test]
fn a_key_as_text_is_trusted_under_a_name() {
    let desk = Desk::new();
    must_say(
        &desk.refused(&["trust", "friends", KEY]),
        &[KEY, "--name NAME"],
    );
    desk.done(&["trust", "friends", KEY, "--name", "dave"]);
    let written = load_certificate(desk.path("friends/dave")).expect("it was written");
    assert_eq!(written.public.to_string(), KEY);
    assert_eq!(written.metadata.name(), Some("dave"));
}

#[test]
fn what_cannot_be_trusted_is_refused_and_nothing_is_written() {
    let desk = Desk::new();
    let bob = desk.pair("bob");
    desk.pair("carol");
    desk.write("no-key", "metadata\n    name = \"x\n");
    desk.done(&["trust", "friends", "bob"]);
    fs::create_dir(desk.path("elsewhere")).expect("the directory is ours");
    fs::copy(desk.path("carol"), desk.path("elsewhere/bob")).expect("both are ours");
    let before = fs::read(desk.path("friends/bob")).expect("it is there");
    for (arguments, parts) in [
        (
            &["trust", "friends", "elsewhere/bob"][..],
            &["friends/bob is another key", &bob.to_string(), "--name"][..],
        ),
        (
            &["trust", "new", "bob", "elsewhere/bob"],
            &["different keys", "would be bob"],
        ),
        (&["trust", "new", "bob", "no-key"], &["no-key: line 2"]),
        (
            &["trust", "new", "rq:rM"],
            &["'rq:rM'", "40 characters", "single quotes"],
        ),
        (&["trust", "bob", "carol"], &["bob is a file"]),
        (
            &["trust", "new", "bob", "carol", "--name", "x"],
            &["--name", "one by one"],
        ),
        (
            &["trust", "new", "bob", "--name", "../x"],
            &["--name", "without a path"],
        ),
        (
            &["trust", "new", "bob", "--name", "x_secret"],
            &["--name", "_secret"],
        ),
        (&["trust", "new"], &["CERT", "--help"]),
    ] {
        must_say(&desk.refused(arguments), parts);
    }
    assert!(!desk.path("new").exists(), "all are looked at first");
    let after = fs::read(desk.path("friends/bob")).expect("it is there");
    assert_eq!(before, after);
}

#[test]
fn the_key_of_a_passphrase_is_written_as_a_pair_for_zyre() {
    let desk = Desk::new();
    desk.write("phrase", &format!("{PASSPHRASE}\n"));
    #[cfg(unix)]
    desk.set_mode("phrase", 0o600);
    let said = desk.done(&["derive", "--secret-file", "phrase", "all"]);
    must_say(
        &said,
        &[KEY_OF_PASSPHRASE, "wrote       all,", "all_secret"],
    );
    let pair = load_keypair(desk.path("all")).expect("it is a pair");
    assert_eq!(pair.keypair.public().to_string(), KEY_OF_PASSPHRASE);
    #[cfg(unix)]
    assert_eq!(desk.mode("all_secret"), 0o600);
    for said in [said, desk.read("all")] {
        assert!(!said.contains(&desk.secret_of("all")) && !said.contains(PASSPHRASE));
    }
    let from_variable = run(bare_zre()
        .args(["keys", "derive", "--json", "other"])
        .env("ZRE_SECRET", PASSPHRASE)
        .current_dir(desk.0.path()));
    let derived: Value = serde_json::from_slice(&from_variable.stdout).expect("it is JSON");
    assert_eq!(derived["key"], KEY_OF_PASSPHRASE);
    assert_eq!(derived["secret_path"], "other_secret");
}

#[test]
fn a_passphrase_that_cannot_be_used_is_refused_without_being_shown() {
    let desk = Desk::new();
    for (name, content, parts) in [
        ("short", "hunter two", &["short: ", "needs 12 or more"][..]),
        (
            "lines",
            "correct horse\nbattery staple",
            &["lines: ", "one line"],
        ),
        ("empty", "", &["empty: ", "0 characters"]),
    ] {
        desk.write(name, content);
        #[cfg(unix)]
        desk.set_mode(name, 0o600);
        let said = desk.refused(&["derive", "--secret-file", name, "all"]);
        must_say(&said, parts);
        assert!(
            !said.contains("hunter") && !said.contains("horse"),
            "{said}"
        );
    }
    let said = desk.refused(&["derive", "all"]);
    must_say(&said, &["no passphrase", "--secret-file", "ZRE_SECRET"]);
    let none = ["derive", "--secret-file", "none", "all"];
    must_say(&desk.refused(&none), &["none: ", "cannot be read"]);
    let mut zre = bare_zre();
    let zre = zre
        .args(["keys", "derive", "all"])
        .current_dir(desk.0.path());
    for (value, part) in [("", "is empty"), ("hunter two", "needs 12 or more")] {
        let said = text(&run(zre.env("ZRE_SECRET", value)).stderr);
        must_say(&said, &["error: the variable ZRE_SECRET", part]);
        assert!(!said.contains("hunter"), "{said}");
    }
    assert!(!desk.path("all").exists() && !desk.path("all_secret").exists());
}

#[cfg(unix)]
#[test]
fn a_passphrase_that_everybody_can_read_is_refused() {
    let desk = Desk::new();
    desk.write("phrase", PASSPHRASE);
    desk.set_mode("phrase", 0o644);
    let said = desk.refused(&["derive", "--secret-file", "phrase", "all"]);
    must_say(&said, &["phrase: ", "mode 644", "chmod 600 phrase"]);
}

#[test]
fn each_help_has_an_example_and_the_exit_codes() {
    for arguments in [&[][..], &["new"], &["show"], &["trust"], &["derive"]] {
        let output = run(bare_zre().arg("keys").args(arguments).arg("--help"));
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{help}");
        let example = ["  zre keys", arguments.first().copied().unwrap_or_default()].join(" ");
        must_say(&help, &[example.trim_end(), "Example", "Exit codes:"]);
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}
