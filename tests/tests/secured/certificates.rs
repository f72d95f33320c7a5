//! Certificates of ours that czmq reads, and those of czmq that we read.

use std::{collections::BTreeMap, fs};

use zre_core::proto::curve::{Certificate, KeyMetadata};
use zre_tests::{RealPeers, certificates::Certificate as Czmqs};

use crate::people::{People, certificate, public_key};

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
