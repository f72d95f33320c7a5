//! Certificates: keys as files.

#[cfg(test)]
mod tests;
mod zpl;

use alloc::{
    collections::BTreeSet,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, str, str::FromStr};

use thiserror::Error;
use zeroize::Zeroizing;

use self::zpl::{Item, Items, is_name_byte};
use super::{
    keys::{Keypair, PublicKey, SecretKey},
    metadata::KeyMetadata,
};

/// A key and what is said of its owner, as in a file of czmq (`zcert`).
///
/// A node has two files: the public certificate, which it gives to others, and the secret one with
/// both keys. They are texts in ZPL (RFC 4):
///
/// ```
/// use zre_proto::curve::Certificate;
///
/// let text = r#"
/// ##  Comments begin like this.
/// metadata
///     name = "alice"
/// curve
///     public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
/// "#;
/// let certificate: Certificate = text.parse()?;
/// assert_eq!(certificate.metadata.name(), Some("alice"));
/// assert!(certificate.keypair().is_none());
/// # Ok::<(), zre_proto::curve::CertificateError>(())
/// ```
///
/// The secret one has a line `secret-key` behind `public-key`. It is not signed: who receives a
/// public certificate has to know that it comes from its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The public key.
    pub public: PublicKey,
    /// The secret key, in the owner's own certificate.
    pub secret: Option<SecretKey>,
    /// What is said of the owner. Whoever has written the file can have written anything here; it
    /// may have control characters.
    pub metadata: KeyMetadata,
}

/// Why a text is no certificate, or a certificate cannot be written.
///
/// It names the line, from 1, and never says what is in it, as that may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text is too long.
    #[error("{length} bytes: a certificate has at most {}", Certificate::MAX_LEN)]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// A line is not indented as its place demands.
    #[error(
        "line {line}: wrong indentation; take four spaces for what is in a section, and no tabs"
    )]
    Indent {
        /// The line.
        line: usize,
    },
    /// A line does not begin with a name, or neither `=` nor the end follows.
    #[error(
        "line {line}: expected `name = \"value\"` or the name of a section; names have letters, \
         digits and $ - _ @ . & +"
    )]
    Name {
        /// The line.
        line: usize,
    },
    /// A quote is missing behind a value, or something follows it.
    #[error("line {line}: the value must end with the quote that it begins with, and end the line")]
    Quote {
        /// The line.
        line: usize,
    },
    /// There is no public key.
    #[error("no `public-key` in a section `curve`: it is no certificate, or has lost its end")]
    NoPublicKey,
    /// The public key is none.
    #[error("line {line}: the public key must have 40 characters of Z85, in quotes; copy it anew")]
    PublicKey {
        /// The line.
        line: usize,
    },
    /// The secret key is none.
    #[error("line {line}: the secret key must have 40 characters of Z85, in quotes; copy it anew")]
    SecretKey {
        /// The line.
        line: usize,
    },
    /// The secret key belongs to another public key.
    #[error(
        "line {line}: the secret key does not belong to the public key; take both from one \
         certificate, or make a new one"
    )]
    OtherKey {
        /// The line of the secret key.
        line: usize,
    },
    /// There is more metadata than a certificate may have.
    #[error(
        "line {line}: more than {} names in the metadata",
        Certificate::MAX_METADATA
    )]
    TooMuchMetadata {
        /// The line of the first that is too much.
        line: usize,
    },
    /// A name in the metadata cannot be written.
    #[error(
        "name {number} of the metadata cannot be written: names have letters, digits and \
         $ - _ @ . & +, are not empty and do not begin or end with /"
    )]
    MetadataName {
        /// Which one, from 1.
        number: usize,
    },
    /// A value in the metadata cannot be written.
    #[error(
        "value {number} of the metadata cannot be written: it is to have no line break, and not \
         both kinds of quotes"
    )]
    MetadataValue {
        /// Which one, from 1.
        number: usize,
    },
    /// There is no secret key to be written.
    #[error("the certificate has no secret key, as it is another node's")]
    NoSecretKey,
}

impl Certificate {
    /// The longest text that is read or written, in bytes. Certificates have some hundred.
    pub const MAX_LEN: usize = 64 << 10;
    /// How many names and values the metadata may have.
    pub const MAX_METADATA: usize = 256;

    /// Reads a certificate, public or secret. Of several values with one name, the first counts.
    /// Sections and names that are not known are passed over. Metadata that is not UTF-8 is read
    /// with replacement characters.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] names the first line that is wrong, and how to correct it.
    pub fn parse(text: &[u8]) -> Result<Self, CertificateError> {
        if text.len() > Self::MAX_LEN {
            let length = text.len();
            return Err(CertificateError::TooLong { length });
        }
        let mut found = Found::default();
        for item in Items::of(text) {
            found.add(item?)?;
        }
        found.into_certificate()
    }

    /// The pair of keys; `None` if there is no secret key, or that of another public key.
    pub fn keypair(&self) -> Option<Keypair> {
        let secret = self.secret.clone()?;
        Keypair::new(self.public, secret).ok()
    }

    /// The same without the secret key.
    pub fn to_public(&self) -> Self {
        Self {
            secret: None,
            ..self.clone()
        }
    }

    /// The text of the public certificate.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if the metadata cannot be written.
    pub fn public_text(&self) -> Result<String, CertificateError> {
        let comment = "#   The public key of a node. Give this file to those who are to trust it, \
                       in a way in\n#   which nobody can change it.\n";
        let mut text = String::from(comment);
        self.write_public(&mut text)?;
        checked(text)
    }

    /// The text of the secret certificate, which is for the owner alone.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if there is no secret key, or the metadata cannot be written.
    pub fn secret_text(&self) -> Result<Zeroizing<String>, CertificateError> {
        let secret = self.secret.as_ref().ok_or(CertificateError::NoSecretKey)?;
        let comment = "#   The SECRET key of a node. Whoever has this file can be taken for the \
                       node, and read what\n#   it is told: give it to nobody, and let nobody \
                       else read it.\n";
        let mut public = String::from(comment);
        self.write_public(&mut public)?;
        let public = checked(public)?;
        // It never grows, so no copy of the secret is left behind.
        let mut text = Zeroizing::new(String::with_capacity(public.len() + 80));
        text.push_str(&public);
        text.push_str("    secret-key = \"");
        text.push_str(&secret.to_z85());
        text.push_str("\"\n");
        Ok(text)
    }

    fn write_public(&self, text: &mut String) -> Result<(), CertificateError> {
        text.push_str("\nmetadata\n");
        for (number, (name, value)) in (1..).zip(self.metadata.iter()) {
            if !is_name(name) {
                return Err(CertificateError::MetadataName { number });
            }
            let quote = quote_for(value).ok_or(CertificateError::MetadataValue { number })?;
            text.extend(["    ", name, " = ", quote, value, quote, "\n"]);
        }
        text.push_str("curve\n    public-key = \"");
        text.push_str(&self.public.to_string());
        text.push_str("\"\n");
        Ok(())
    }
}

impl From<PublicKey> for Certificate {
    fn from(public: PublicKey) -> Self {
        Self {
            public,
            secret: None,
            metadata: KeyMetadata::default(),
        }
    }
}

impl From<Keypair> for Certificate {
    fn from(keypair: Keypair) -> Self {
        Self {
            secret: Some(keypair.secret().clone()),
            ..keypair.public().into()
        }
    }
}

impl FromStr for Certificate {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        Self::parse(text.as_bytes())
    }
}

/// The owner's name if there is one, and the public key.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.metadata.name() {
            Some(name) => write!(f, "{} ({})", name.escape_debug(), self.public),
            None => fmt::Display::fmt(&self.public, f),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Found<'a> {
    section: Section,
    /// The first section of a name counts.
    had_curve: bool,
    had_metadata: bool,
    public: Option<Item<'a>>,
    secret: Option<Item<'a>>,
    names: BTreeSet<&'a [u8]>,
    metadata: Vec<(String, String)>,
}

#[derive(Default)]
enum Section {
    Curve,
    Metadata,
    #[default]
    Other,
}

impl<'a> Found<'a> {
    fn add(&mut self, item: Item<'a>) -> Result<(), CertificateError> {
        match (item.level, &self.section, item.name) {
            (0, _, name) => self.section = self.begin(name),
            (1, Section::Curve, b"public-key") => _ = self.public.get_or_insert(item),
            (1, Section::Curve, b"secret-key") => _ = self.secret.get_or_insert(item),
            (1, Section::Metadata, _) => self.add_metadata(item)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, name: &[u8]) -> Section {
        let (section, had) = match name {
            b"curve" => (Section::Curve, &mut self.had_curve),
            b"metadata" => (Section::Metadata, &mut self.had_metadata),
            _ => return Section::Other,
        };
        match core::mem::replace(had, true) {
            true => Section::Other,
            false => section,
        }
    }

    fn add_metadata(&mut self, item: Item<'a>) -> Result<(), CertificateError> {
        if !self.names.insert(item.name) {
            return Ok(());
        }
        if self.metadata.len() == Certificate::MAX_METADATA {
            return Err(CertificateError::TooMuchMetadata { line: item.line });
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.metadata.push((text(item.name), text(item.value)));
        Ok(())
    }

    fn into_certificate(self) -> Result<Certificate, CertificateError> {
        let public = self.public.ok_or(CertificateError::NoPublicKey)?;
        let line = public.line;
        let public = parse(public).ok_or(CertificateError::PublicKey { line })?;
        let secret = match self.secret {
            Some(item) => read_secret(item, &public)?,
            None => None,
        };
        Ok(Certificate {
            public,
            secret,
            metadata: self.metadata.into_iter().collect(),
        })
    }
}

fn read_secret(item: Item<'_>, public: &PublicKey) -> Result<Option<SecretKey>, CertificateError> {
    let line = item.line;
    let secret: SecretKey = parse(item).ok_or(CertificateError::SecretKey { line })?;
    // What czmq writes if it has only the public key.
    if secret == SecretKey::from([0; 32]) {
        return Ok(None);
    }
    match secret.public_key() == *public {
        true => Ok(Some(secret)),
        false => Err(CertificateError::OtherKey { line }),
    }
}

fn parse<T: FromStr>(item: Item<'_>) -> Option<T> {
    str::from_utf8(item.value).ok()?.parse().ok()
}

fn checked(text: String) -> Result<String, CertificateError> {
    // With room for the secret key, as what is written is to be read again.
    let length = text.len() + 80;
    match length <= Certificate::MAX_LEN {
        true => Ok(text),
        false => Err(CertificateError::TooLong { length }),
    }
}

fn is_name(name: &str) -> bool {
    let is_path = name.starts_with('/') || name.ends_with('/');
    !name.is_empty() && !is_path && name.bytes().all(is_name_byte)
}

/// A quote that is not in the value. There is no way to escape one.
fn quote_for(value: &str) -> Option<&'static str> {
    if value.contains(['\n', '\0']) {
        return None;
    }
    ["\"", "'"].into_iter().find(|quote| !value.contains(quote))
}
