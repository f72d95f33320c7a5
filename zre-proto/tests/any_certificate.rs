//! No text crashes the reader of certificates, and no error says what is secret.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what serves tests may fail as tests do")]

use proptest::{prelude::*, sample::Index};
use zre_proto::curve::{Certificate, CertificateError, KeyMetadata, Keypair, SecretKey};

/// Pieces of which certificates and what comes close to them are made.
const PIECES: &[&str] = &[
    "\n",
    "    ",
    "        ",
    " ",
    "\t",
    "\r\n",
    "=",
    " = ",
    "\"",
    "'",
    "#",
    "curve",
    "metadata",
    "public-key",
    "secret-key",
    "name",
    "/",
    "\0",
    "\u{feff}",
    "é",
    PUBLIC,
    SECRET,
];
const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes)?;
    }

    #[test]
    fn any_pieces_of_a_certificate_are_survived(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
    ) {
        check(pieces.concat().as_bytes())?;
    }

    #[test]
    fn any_change_to_a_certificate_is_survived(
        metadata in metadata(),
        at in any::<Index>(),
        until in any::<Index>(),
        piece in prop::sample::select(PIECES),
    ) {
        let text = certificate(&metadata).secret_text().unwrap();
        let mut bytes = text.as_bytes().to_vec();
        let (at, until) = (at.index(bytes.len()), until.index(bytes.len()));
        bytes.splice(at.min(until)..at.max(until), piece.bytes());
        check(&bytes)?;
    }

    #[test]
    fn what_is_written_is_read_the_same(metadata in metadata()) {
        let certificate = certificate(&metadata);
        let text = certificate.secret_text().unwrap();
        prop_assert_eq!(text.parse(), Ok(certificate.clone()));
        let text = certificate.public_text().unwrap();
        prop_assert_eq!(text.parse(), Ok(certificate.to_public()));
    }
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let certificate = match Certificate::parse(bytes) {
        Ok(certificate) => certificate,
        Err(error) => {
            let told = format!("{error} {error:?}");
            // Eight characters of the secret key are nowhere in it.
            let mut parts = SECRET.as_bytes().windows(8);
            let is_told = parts.any(|part| told.contains(std::str::from_utf8(part).unwrap()));
            prop_assert!(!is_told, "{}", told);
            return Ok(());
        }
    };
    match certificate.public_text() {
        Ok(text) => prop_assert_eq!(text.parse(), Ok(certificate.to_public())),
        // A carriage return, a 0 or a name that is no text.
        Err(CertificateError::MetadataValue { .. }) => {}
        Err(error) => prop_assert!(false, "{}", error),
    }
    Ok(())
}

fn certificate(metadata: &[(String, String)]) -> Certificate {
    let secret: SecretKey = SECRET.parse().unwrap();
    let mut certificate = Certificate::from(Keypair::from(secret));
    certificate.metadata = metadata.iter().cloned().collect::<KeyMetadata>();
    certificate
}

/// Names that differ, with values that can be written.
fn metadata() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = "[A-Za-z0-9$_@.&+-]([A-Za-z0-9$_@.&+/-]{0,20}[A-Za-z0-9$_@.&+-])?";
    let value = prop_oneof!["[^\"\n\0]{0,40}", "[^'\n\0]{0,40}"];
    let pairs = prop::collection::btree_map(name, value, 0..5);
    pairs.prop_map(|pairs| pairs.into_iter().collect())
}
