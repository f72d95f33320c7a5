//! Certificates of ours that czmq reads, and those of czmq that we read.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::{Value, json};
use zre_core::proto::curve::{Certificate, KeyMetadata};
use zre_tests::{
    Peer, PeerOptions, RealPeers,
    certificates::Certificate as Czmqs,
    programs,
    scene::{converse, meet},
};

use crate::people::{NETWORK, PASSPHRASE, People, certificate, public_key};

#[test]
fn czmq_reads_our_certificates_and_finds_them_in_a_directory() {
    let Some(_rig) = RealPeers::available() else {
        return;
    };
    let people = People::new();
    let alice = certificate("alice");
    let read = Czmqs::load(&people.key("alice")).expect("czmq reads it");
    assert_eq!(read.public, alice.public.to_string());
    assert_eq!(Some(read.secret.parse()), alice.secret.clone().map(Ok));
    assert_eq!(read.metadata, as_map(&alice.metadata));
    let list = people.list("list", &["alice", "bob"]);
    let found = Czmqs::find(&list, &read.public).expect("it is in the list");
    assert_eq!(
        (&found.public, &found.metadata),
        (&read.public, &read.metadata)
    );
    assert_ne!(found.secret, read.secret);
    People::remove(&list, "alice");
    assert_eq!(Czmqs::find(&list, &read.public), None);
    assert!(Czmqs::find(&list, &public_key("bob")).is_some());
}

#[test]
fn czmq_reads_all_metadata_that_we_write() {
    let Some(_rig) = RealPeers::available() else {
        return;
    };
    let people = People::new();
    let mut certificate = certificate("alice");
    certificate.metadata = metadata();
    let path = people.path("written");
    fs::write(&path, certificate.public_text().expect("it can be written"))
        .expect("a file can be written");
    let read = Czmqs::load(&path).expect("czmq reads it");
    assert_eq!(read.public, certificate.public.to_string());
    assert_eq!(read.metadata, as_map(&certificate.metadata));
}

#[test]
fn we_read_both_certificates_that_czmq_writes() {
    let Some(_rig) = RealPeers::available() else {
        return;
    };
    let people = People::new();
    let path = people.path("czmqs");
    let metadata = as_map(&metadata());
    // What czmq writes with such a value, it cannot read itself.
    let written = metadata.iter().filter(|(_, value)| !value.contains('"'));
    let pairs: Vec<_> = written
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let saved = Czmqs::save(&path, &pairs);
    let secret_path = people.path("czmqs_secret");
    let [public, secret] = [path, secret_path].map(|path| {
        let text = fs::read(path).expect("czmq has written it");
        Certificate::parse(&text).expect("it is a certificate")
    });
    for read in [&public, &secret] {
        assert_eq!(read.public.to_string(), saved.public);
        assert_eq!(as_map(&read.metadata), saved.metadata);
        assert_eq!(saved.metadata.len(), pairs.len());
    }
    assert_eq!(public.secret, None);
    assert_eq!(secret.secret.map(Ok), Some(saved.secret.parse()));
}

#[test]
fn zyre_takes_keys_that_zre_makes_and_zre_takes_those_of_czmq() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let (people, network) = (People::new(), rig.namespace());
    let path = |name: &str| people.path(name);
    let made = zre(
        &["keys", "new", "--json", "--meta", "room=cellar"],
        &[&path("made")],
    );
    let saved = Czmqs::save(&path("saved"), &[("name", "czmq"), ("room", "attic")]);
    let shown = zre(&["keys", "show", "--json"], &[&path("saved")]);
    assert_eq!(shown["keys"][0]["key"], saved.public);
    assert_eq!(shown["keys"][0]["certificate"], json!(saved.metadata));
    let read = Czmqs::load(&path("made")).expect("czmq reads it");
    assert_eq!(
        (&made["key"], &made["certificate"]),
        (&json!(read.public), &json!(read.metadata))
    );
    for (list, owner) in [("friends of zyre", "saved"), ("friends of ours", "made")] {
        zre(&["keys", "trust", "--json"], &[&path(list), &path(owner)]);
    }
    let zyre = PeerOptions::new("zyre")
        .key(&path("made"))
        .trust(&path("friends of zyre"));
    let ours = PeerOptions::new("ours")
        .key(&path("saved"))
        .trust(&path("friends of ours"));
    let zyre = Peer::zyre(&network, &zyre);
    let ours = Peer::zre(&network, &ours);
    assert_eq!(ours.key(), Some(&*saved.public));
    let entered = ours.wait_event("ENTER", zyre.uuid());
    assert_eq!(
        (&entered["key"], &entered["certificate"]),
        (&made["key"], &made["certificate"])
    );
    zyre.wait_event("ENTER", ours.uuid());
    converse(&[&ours, &zyre]);
}

#[test]
fn zyre_takes_the_key_that_zre_makes_of_a_passphrase() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let (people, network) = (People::new(), rig.namespace());
    let secret = people.passphrase(PASSPHRASE);
    let flag = format!("--secret-file={}", secret.display());
    let path = people.path("derived");
    let derived = zre(&["keys", "derive", "--json", &flag], &[&path]);
    assert_eq!(derived["key"], public_key(NETWORK));
    let friends = people.path("friends");
    zre(&["keys", "trust", "--json"], &[&friends, &path]);
    let zyre = PeerOptions::new("zyre").key(&path).trust(&friends);
    let zyre = Peer::zyre(&network, &zyre);
    let ours = Peer::zre(&network, &PeerOptions::new("ours").secret_file(&secret));
    meet(&ours, &zyre);
    converse(&[&ours, &zyre]);
}

/// Runs `zre`, and gives the JSON that it prints.
fn zre(arguments: &[&str], paths: &[&Path]) -> Value {
    let program = programs::zre().unwrap_or_else(|reason| panic!("{reason}"));
    let mut command = Command::new(program);
    let output = command.args(arguments).args(paths).output();
    let output = output.expect("the program can be run");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaints}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Names and values of all kinds that a certificate may have.
fn metadata() -> KeyMetadata {
    let pairs = [
        ("name", "alice"),
        ("e-mail", "alice@example.org"),
        ("format", "100%s of it"),
        ("quoted", "they say \"alice\""),
        ("apostrophe", "alice's"),
        ("comment", "room # 5"),
        ("equals", "a = b"),
        ("spaces", "  on both sides  "),
        ("unicode", "Zoë ☃"),
    ];
    pairs.into_iter().collect()
}

fn as_map(metadata: &KeyMetadata) -> BTreeMap<String, String> {
    let pairs = metadata.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
