#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

use alloc::format;

use super::*;

const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

fn alice() -> Certificate {
    let secret: SecretKey = SECRET.parse().unwrap();
    let metadata = [("name", "alice \"A\""), ("email", "a@b.example")];
    Certificate {
        metadata: metadata.into_iter().collect(),
        ..Keypair::from(secret).into()
    }
}

/// As czmq writes it.
fn of_czmq(secret: &str) -> String {
    format!(
        "#   ****  Generated on 2026-11-26 10:00:00 by CZMQ  ****\n\
         #   ZeroMQ CURVE **Secret** Certificate\n\
         \n\
         metadata\n\
         \u{20}   email = \"ph@example.org\"\n\
         \u{20}   name = \"Pieter\"\n\
         curve\n\
         \u{20}   public-key = \"{PUBLIC}\"\n\
         {secret}"
    )
}

#[test]
fn what_czmq_writes_is_read() {
    let certificate: Certificate = of_czmq("").parse().unwrap();
    assert_eq!(certificate.public.to_string(), PUBLIC);
    assert_eq!(certificate.metadata.name(), Some("Pieter"));
    assert_eq!(certificate.metadata.iter().count(), 2);
    assert_eq!(certificate.keypair(), None);
    assert_eq!(certificate.to_string(), format!("Pieter ({PUBLIC})"));
    let text = of_czmq(&format!("    secret-key = \"{SECRET}\"\n"));
    let secret: Certificate = text.parse().unwrap();
    assert_eq!(secret.to_public(), certificate);
    let keypair = secret.keypair().unwrap();
    assert_eq!(*keypair.secret().to_z85(), SECRET);
}

#[test]
fn a_secret_key_of_zeros_is_none() {
    let text = of_czmq(&format!("    secret-key = \"{}\"\n", "0".repeat(40)));
    assert_eq!(text.parse::<Certificate>().unwrap().secret, None);
}

#[test]
fn what_is_written_is_read_again() {
    let alice = alice();
    let public = alice.public_text().unwrap();
    assert_eq!(public.parse(), Ok(alice.to_public()));
    assert!(public.contains("    name = 'alice \"A\"'\n"), "{public}");
    assert!(!public.contains("secret-key"));
    assert_eq!(alice.secret_text().unwrap().parse(), Ok(alice.clone()));
    let empty = Certificate::from(alice.public);
    assert_eq!(empty.public_text().unwrap().parse(), Ok(empty.clone()));
    assert_eq!(empty.secret_text(), Err(CertificateError::NoSecretKey));
}

#[test]
fn the_first_of_several_values_counts() {
    let other = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    let more = format!(
        "    public-key = \"{other}\"\n\
         curve\n    public-key = \"{other}\"\n\
         metadata\n    name = other\n\
         else\n    public-key = 1\n        deep = 2\n"
    );
    let certificate: Certificate = of_czmq(&more).parse().unwrap();
    assert_eq!(certificate, of_czmq("").parse().unwrap());
}

#[test]
fn an_error_names_the_line_and_nothing_of_what_is_in_it() {
    let refused = |text: &str| {
        let error = text.parse::<Certificate>().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&SECRET[1..9]), "{shown}");
        error.to_string()
    };
    for (secret, error) in [
        (format!("    secret-key = {SECRET}x"), "line 9: the secret"),
        (format!("    secret-key = \"{SECRET}"), "line 9: the value"),
        (format!("   secret-key = \"{SECRET}\""), "line 9: wrong ind"),
        (format!("    secret key = \"{SECRET}\""), "line 9: expected"),
        (
            "    secret-key = \"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"".into(),
            "line 9: the secret key does not belong to the public key; take both from",
        ),
    ] {
        let told = refused(&of_czmq(&secret));
        assert!(told.starts_with(error), "{told}");
    }
    // Somebody has taken one for the other.
    let told = refused(&format!("curve\n    public-key = \"{SECRET}x\""));
    assert!(told.starts_with("line 2: the public key must have 40"));
    let told = refused(&format!("curve\n    secret-key = \"{SECRET}\""));
    assert!(told.starts_with("no `public-key` in a section `curve`"));
    assert!(refused("").starts_with("no `public-key`"));
}

#[test]
fn neither_a_text_nor_its_metadata_grow_beyond_their_limits() {
    let long = "#".repeat(Certificate::MAX_LEN + 1);
    assert!(matches!(
        long.parse::<Certificate>(),
        Err(CertificateError::TooLong { .. })
    ));
    let names = |count| (0..count).map(|number| format!("    n{number} = 1\n"));
    let text = |count| names(count).fold(String::from("metadata\n"), |text, it| text + &it);
    let most = Certificate::MAX_METADATA;
    let error = Certificate::parse(text(most + 1).as_bytes());
    assert_eq!(
        error,
        Err(CertificateError::TooMuchMetadata { line: most + 2 })
    );
    let key = format!("curve\n    public-key = \"{PUBLIC}\"\n");
    let certificate: Certificate = (text(most) + &key).parse().unwrap();
    assert_eq!(certificate.metadata.iter().count(), most);
}

#[test]
fn metadata_that_could_not_be_read_again_is_not_written() {
    let refused = |name: &str, value: &str| {
        let certificate = Certificate {
            metadata: [("name", "alice"), (name, value)].into_iter().collect(),
            ..alice()
        };
        assert!(certificate.secret_text().is_err());
        certificate.public_text().unwrap_err()
    };
    let name = CertificateError::MetadataName { number: 2 };
    let value = CertificateError::MetadataValue { number: 2 };
    for bad in ["", "a b", "/a", "a=", "é"] {
        assert_eq!(refused(bad, "x"), name, "{bad}");
    }
    for bad in ["a\nb", "\"'", "\0"] {
        assert_eq!(refused("x", bad), value, "{bad}");
    }
    assert!(matches!(
        refused("x", &"y".repeat(Certificate::MAX_LEN)),
        CertificateError::TooLong { .. }
    ));
}
