#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

use std::fs;

use tempfile::TempDir;

use super::*;

const SECRET: &str = "correct horse battery staple";

fn keypair(number: u8) -> Keypair {
    SecretKey::from([number; 32]).into()
}

fn key(number: u8) -> PublicKey {
    keypair(number).public()
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::named("alice");
    change(&mut settings);
    settings
}

fn refused(change: impl FnOnce(&mut Settings)) -> String {
    let settings = with(change);
    settings.check().expect_err("it is wrong").to_string()
}

/// A node with a key that trusts these.
fn trusting(trust: impl Into<Trust>) -> Settings {
    with(|settings| {
        settings.key = Some(keypair(1).into());
        settings.trust = Some(trust.into());
    })
}

fn advice(settings: &Settings) -> String {
    settings.prepare().unwrap().advice.join("\n")
}

#[test]
fn a_key_without_trust_is_refused_and_the_choice_explained() {
    let error = refused(|settings| settings.key = Some(keypair(1).into()));
    for choice in [
        "a list of keys",
        "Trust::dir",
        "Trust::Any",
        "the same secret",
    ] {
        assert!(error.contains(choice), "{choice}: {error}");
    }
}

#[test]
fn settings_of_keys_that_contradict_each_other_are_refused_with_the_remedy() {
    let error = refused(|settings| settings.trust = Some(Trust::Any));
    assert!(error.contains("trusts keys and has none itself"), "{error}");
    for trust in [None, Some(Trust::Any)] {
        let error = refused(|settings| {
            settings.key = Some(keypair(1).into());
            settings.trust = trust;
            settings.secret(SECRET);
        });
        assert!(error.contains("a key and a secret"), "{error}");
    }
    let error = refused(|settings| {
        settings.trust = Some(key(2).into());
        settings.secret(SECRET);
    });
    assert!(error.contains("leave out trust"), "{error}");
    let error = refused(|settings| *settings = trusting([]));
    assert!(error.contains("list of trusted keys is empty"), "{error}");
}

#[test]
fn a_seed_that_others_may_know_is_refused_together_with_a_key() {
    let error = refused(|settings| {
        *settings = trusting(Trust::Any);
        settings.seed = Some([1; 32]);
    });
    assert!(error.contains("leave out the seed"), "{error}");
    let error = refused(|settings| {
        settings.secret(SECRET);
        settings.seed = Some([1; 32]);
    });
    assert!(error.contains("leave out the seed"), "{error}");
    assert!(
        with(|settings| settings.seed = Some([1; 32]))
            .check()
            .is_ok()
    );
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_with_the_reason() {
    let error = refused(|settings| settings.secret("tr0ub4dor"));
    assert!(
        error.contains("9 characters and needs 12 or more"),
        "{error}"
    );
}

#[test]
fn no_setting_shows_a_secret() {
    let settings = with(|settings| {
        settings.secret(SECRET);
        settings.key = Some(keypair(7).into());
    });
    let shown = format!("{settings:?} {:?}", settings.check());
    assert!(!shown.contains("horse"), "{shown}");
    assert!(!shown.contains(&*keypair(7).secret().to_z85()), "{shown}");
    let derived = with(|settings| settings.secret(SECRET));
    let derived = derived.with_derived_key().unwrap();
    let pair = Keypair::from_passphrase(SECRET).unwrap();
    let shown = format!("{derived:?} {:?}", derived.prepare().unwrap());
    assert!(!shown.contains(&*pair.secret().to_z85()), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
}

#[test]
fn all_nodes_with_one_secret_have_its_key_and_trust_only_that() {
    let settings = with(|settings| settings.secret(SECRET));
    let security = settings.prepare().unwrap().config.security.unwrap();
    assert_eq!(security.keypair, Keypair::from_passphrase(SECRET).unwrap());
    assert!(security.is_shared());
    // On another thread before, as asynchronous adapters do it.
    assert!(settings.has_underived_secret());
    let derived = settings.with_derived_key().unwrap();
    assert!(!derived.has_underived_secret());
    assert_eq!(derived.prepare().unwrap().config.security, Some(security));
}

#[test]
fn trust_is_made_from_keys_and_certificates() {
    let mut bob = Certificate::from(key(3));
    bob.metadata = [("name", "bob")].into_iter().collect();
    for (trust, count) in [
        (Trust::from(key(2)), 1),
        (Trust::from([key(2), key(3)]), 2),
        (Trust::from(vec![key(2), key(2)]), 1),
        (Trust::from(&[key(2)][..]), 1),
        (Trust::from(bob.clone()), 1),
        ([bob.clone(), key(2).into()].into_iter().collect(), 2),
    ] {
        let prepared = trusting(trust).prepare().unwrap();
        assert!(prepared.trust.is_empty() && prepared.advice.is_empty());
        let zre_core::Trust::Keys(keys) = prepared.config.security.unwrap().trust else {
            panic!("keys are trusted");
        };
        assert_eq!(keys.len(), count);
    }
    let prepared = trusting(bob).prepare().unwrap();
    let admitted = prepared.config.security.unwrap().trust.admits(&key(3));
    assert_eq!(admitted.unwrap().name(), Some("bob"));
    let any = trusting(Trust::Any).prepare().unwrap();
    assert_eq!(any.config.security.unwrap().trust, zre_core::Trust::Any);
}

#[test]
fn keys_and_trust_are_read_from_files_and_the_directory_is_kept_to_be_watched() {
    let dir = TempDir::new().unwrap();
    let trusted = dir.path().join("trusted");
    fs::create_dir(&trusted).unwrap();
    keys::write_keypair(dir.path().join("alice"), &keypair(1).into()).unwrap();
    let settings = with(|settings| {
        settings.key = Some(NodeKey::file(dir.path().join("alice")));
        settings.trust = Some(Trust::dir(&trusted));
    });
    let prepared = settings.prepare().unwrap();
    let [watched] = &prepared.trust[..] else {
        panic!("{:?}", prepared.trust);
    };
    assert_eq!(watched.path(), trusted);
    let [advice] = &prepared.advice[..] else {
        panic!("{:?}", prepared.advice);
    };
    assert!(
        advice.starts_with("there are no certificates in "),
        "{advice}"
    );
    keys::write_public(trusted.join("bob"), &key(2).into()).unwrap();
    fs::write(trusted.join("README"), "Trust them.").unwrap();
    let prepared = settings.prepare().unwrap();
    let security = prepared.config.security.unwrap();
    assert_eq!(security.keypair, keypair(1));
    assert_eq!(security.only_key(), Some(key(2)));
    assert!(prepared.advice.join("").contains("README: line 1: "));
}

#[test]
fn several_directories_and_files_are_trusted_together() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let certificate = |number: u8, name: &str| {
        let mut certificate = Certificate::from(key(number));
        certificate.metadata = [("name", name)].into_iter().collect();
        certificate
    };
    fs::create_dir(at("friends")).unwrap();
    keys::write_public(at("friends/bob"), &certificate(2, "bob")).unwrap();
    keys::write_public(at("carol"), &certificate(3, "carol")).unwrap();
    keys::write_public(at("robert"), &certificate(2, "robert")).unwrap();
    let trust = Trust::dirs(["friends", "carol", "robert"].map(at));
    let prepared = trusting(trust).prepare().unwrap();
    assert_eq!(prepared.trust.len(), 3, "each is watched");
    let trust = prepared.config.security.unwrap().trust;
    let name = |number| Some(trust.admits(&key(number))?.name()?.to_owned());
    assert_eq!(name(2).as_deref(), Some("bob"), "the first counts");
    assert_eq!(name(3).as_deref(), Some("carol"));
    assert_eq!(name(4), None);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = |settings: &Settings| settings.prepare().unwrap_err().to_string();
    let mut settings = trusting(Trust::dir("/nowhere/trusted"));
    let told = error(&settings);
    assert!(
        told.starts_with("/nowhere/trusted: cannot be read: "),
        "{told}"
    );
    settings.trust = Some(Trust::Any);
    settings.key = Some(NodeKey::file("/nowhere/alice"));
    let told = error(&settings);
    assert!(
        told.starts_with("/nowhere/alice: there is no such file"),
        "{told}"
    );
}

#[test]
fn a_key_that_zyre_drops_is_used_with_a_warning() {
    let mut pairs = (0..=u8::MAX).map(keypair);
    let dropped = pairs.find(|pair| pair.public().is_dropped_by_zyre());
    let mut settings = trusting(Trust::Any);
    assert_eq!(advice(&settings), "");
    settings.key = dropped.map(Into::into);
    assert!(advice(&settings).contains("zyre drops the beacons of the key"));
}
