#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

mod trust;

use std::fs;

use tempfile::TempDir;
use zre_core::proto::curve::SecretKey;

use super::*;

fn keypair(number: u8) -> Keypair {
    SecretKey::from([number; 32]).into()
}

fn certificate(number: u8, name: &str) -> Certificate {
    let mut certificate = Certificate::from(keypair(number));
    certificate.metadata = [("name", name)].into_iter().collect();
    certificate
}

fn refused<T>(result: Result<T, KeyFileError>) -> String {
    match result {
        Ok(_) => panic!("it is taken"),
        Err(error) => error.to_string(),
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_pair_that_is_written_is_loaded_by_either_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice");
    let secret = write_keypair(&path, &certificate(1, "alice")).unwrap();
    assert_eq!(secret, dir.path().join("alice_secret"));
    let public = load_certificate(&path).unwrap();
    assert_eq!(public, certificate(1, "alice").to_public());
    for path in [&path, &secret] {
        let loaded = load_keypair(path).unwrap();
        assert_eq!(loaded.keypair, keypair(1));
        assert_eq!(loaded.certificate, certificate(1, "alice"));
        assert_eq!(loaded.warning, None);
    }
    // The public one may be with others alone.
    fs::remove_file(&path).unwrap();
    assert_eq!(load_keypair(&path).unwrap().keypair, keypair(1));
}

#[test]
fn one_file_with_both_keys_is_enough_whatever_its_name() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice");
    let secret = write_keypair(&path, &certificate(1, "alice")).unwrap();
    fs::rename(secret, &path).unwrap();
    assert_eq!(load_keypair(&path).unwrap().keypair, keypair(1));
}

#[cfg(unix)]
#[test]
fn a_secret_file_is_made_for_its_owner_alone_and_refused_if_all_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice");
    let secret = write_keypair(&path, &certificate(1, "alice")).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&secret), 0o600);
    for mode in [0o644, 0o602] {
        set_mode(&secret, mode);
        let error = refused(load_keypair(&path));
        let shown = secret.display();
        assert!(
            error.starts_with(&format!("{shown}: it holds a secret, ")),
            "{error}"
        );
        assert!(
            error.contains(&format!("(mode {mode:o}): chmod 600 {shown}")),
            "{error}"
        );
    }
    set_mode(&secret, 0o640);
    let warning = load_keypair(&path).unwrap().warning.unwrap();
    assert!(warning.contains("its group can read or change it (mode 640): chmod 600"));
    // A public certificate holds no secret.
    set_mode(&path, 0o666);
    set_mode(&secret, 0o400);
    assert_eq!(load_keypair(&path).unwrap().warning, None);
}

#[test]
fn nothing_is_overwritten_and_no_half_of_a_pair_is_left() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice");
    fs::write(&path, "mine").unwrap();
    let error = refused(write_keypair(&path, &certificate(1, "alice")));
    assert!(
        error.contains("not overwritten: take another name"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert!(!secret_path(&path).exists());

    let path = dir.path().join("bob");
    fs::write(secret_path(&path), "mine").unwrap();
    assert!(refused(write_keypair(&path, &certificate(1, "bob"))).contains("bob_secret: "));
    assert_eq!(fs::read_to_string(secret_path(&path)).unwrap(), "mine");
    assert!(!path.exists());

    // Where it would be taken for a secret one, and passed over.
    let error = refused(write_keypair(secret_path(&path), &certificate(1, "bob")));
    assert!(error.contains("names that end in _secret"), "{error}");
    let public = certificate(1, "bob").to_public();
    assert!(refused(write_keypair(dir.path().join("x"), &public)).contains("no secret key"));
    assert!(!dir.path().join("x").exists() && !dir.path().join("x_secret").exists());
}

#[test]
fn a_mistake_names_the_file_and_the_line() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alice");
    let (shown, secret) = (path.display(), secret_path(&path));
    let error = refused(load_keypair(&path));
    assert!(
        error.starts_with(&format!("{shown}: there is no such file, and no ")),
        "{error}"
    );
    assert!(error.contains("zre keys new"), "{error}");

    write_public(&path, &certificate(1, "alice")).unwrap();
    let error = refused(load_keypair(&path));
    assert!(
        error.starts_with(&format!("{shown}: it has no secret key")),
        "{error}"
    );

    let other = dir.path().join("other");
    fs::rename(
        write_keypair(other, &certificate(2, "other")).unwrap(),
        &secret,
    )
    .unwrap();
    let error = refused(load_keypair(&path));
    assert!(error.contains("its key is not that of"), "{error}");

    fs::write(&secret, "curve\n   public-key = 1").unwrap();
    let error = refused(load_keypair(&path));
    assert!(
        error.contains("alice_secret: line 2: wrong indentation"),
        "{error}"
    );

    assert!(refused(load_keypair(dir.path())).contains("it is no file"));
    fs::write(&secret, vec![b'#'; Certificate::MAX_LEN + 1]).unwrap();
    assert!(refused(load_keypair(&path)).contains("more than 65536 bytes"));
}

#[test]
fn a_shared_secret_is_one_line_of_a_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("secret");
    let load = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        set_mode(&path, 0o600);
        load_secret(&path)
    };
    for text in ["correct horse", "correct horse\n", "correct horse\r\n"] {
        assert_eq!(*load(text.as_bytes()).unwrap().secret, "correct horse");
    }
    assert!(refused(load(b"one\ntwo")).contains("more than one line"));
    assert!(refused(load(b"\xff")).contains("no text in UTF-8"));
    #[cfg(unix)]
    {
        set_mode(&path, 0o604);
        assert!(refused(load_secret(&path)).contains("chmod 600"));
    }
}
