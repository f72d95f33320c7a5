//! HELLO, WELCOME, INITIATE and READY (RFC 26, "CurveZMQ Commands").

use core::fmt;

use bytes::{BufMut as _, BytesMut};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    boxes::{BoxKey, CurveError, MAC_LEN, long_nonce, short_nonce},
    keys::{PublicKey, SecretKey},
    message::{MessageOpener, MessageSealer},
};
use crate::zmtp::Metadata;

/// The connecting side begins: its short-term key, and a box which shows that it knows the key of
/// the accepting side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// C', for this connection alone.
    pub client: PublicKey,
    number: u64,
    sealed: [u8; 80],
}

impl Hello {
    /// The bytes of the command.
    pub const LEN: usize = 200;
    const NAME: &str = "HELLO";
    const PREFIX: [u8; 16] = *b"CurveZMQHELLO---";
    /// It makes the command longer than its answer.
    const PADDING: usize = 72;
    const SIGNED: usize = 64;
    /// The first number that the connecting side uses.
    const NUMBER: u64 = 1;

    /// Makes the command; `key` is that of C' and S.
    pub fn seal(client: PublicKey, key: &BoxKey) -> Self {
        let mut text = [0; Self::SIGNED];
        let mac = key.seal(&short_nonce(&Self::PREFIX, Self::NUMBER), &mut text);
        Self {
            client,
            number: Self::NUMBER,
            sealed: joined(&mac, &text),
        }
    }

    /// Checks the box; `key` is that of C' and S.
    ///
    /// # Errors
    ///
    /// [`CurveError::Box`] if it was sealed for another key.
    pub fn open(&self, key: &BoxKey) -> Result<(), CurveError> {
        let nonce = short_nonce(&Self::PREFIX, self.number);
        let mut text = self.sealed;
        let text = open(key, &nonce, &mut text, Self::NAME)?;
        match text.iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(CurveError::Box(Self::NAME)),
        }
    }

    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if it is no HELLO of CurveZMQ 1.0.
    pub fn decode(body: &[u8]) -> Result<Self, CurveError> {
        let mut fields = Fields::of(body, Self::NAME)?;
        let [major, minor] = fields.take()?;
        if (major, minor) != (1, 0) {
            return Err(CurveError::Version { major, minor });
        }
        let _padding: [u8; Self::PADDING] = fields.take()?;
        let client = PublicKey::from(fields.take::<32>()?);
        let number = fields.number()?;
        let sealed = fields.take()?;
        fields.end()?;
        Ok(Self {
            client,
            number,
            sealed,
        })
    }

    /// The body of the command frame.
    pub fn encode(&self) -> BytesMut {
        let mut body = BytesMut::with_capacity(Self::LEN);
        put_name(&mut body, Self::NAME);
        body.put_slice(&[1, 0]);
        body.put_bytes(0, Self::PADDING);
        body.put_slice(self.client.as_bytes());
        body.put_u64(self.number);
        body.put_slice(&self.sealed);
        body
    }
}

/// The accepting side's answer: its short-term key, and a cookie that is to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    random: [u8; 16],
    sealed: [u8; 144],
}

impl Welcome {
    /// The bytes of the command.
    pub const LEN: usize = 168;
    const NAME: &str = "WELCOME";
    const PREFIX: [u8; 8] = *b"WELCOME-";

    /// Makes the command; `key` is that of C' and S, `random` must never have been used with it.
    pub fn seal(server: &PublicKey, cookie: &Cookie, random: [u8; 16], key: &BoxKey) -> Self {
        let mut text = [0; 128];
        let (front, back) = text.split_at_mut(32);
        front.copy_from_slice(server.as_bytes());
        back.copy_from_slice(&cookie.0);
        let mac = key.seal(&long_nonce(&Self::PREFIX, &random), &mut text);
        Self {
            random,
            sealed: joined(&mac, &text),
        }
    }

    /// Opens the box: S' and the cookie. `key` is that of C' and S.
    ///
    /// # Errors
    ///
    /// [`CurveError::Box`] if the other side has not the secret key of S.
    pub fn open(&self, key: &BoxKey) -> Result<(PublicKey, Cookie), CurveError> {
        let nonce = long_nonce(&Self::PREFIX, &self.random);
        let mut text = self.sealed;
        let text = open(key, &nonce, &mut text, Self::NAME)?;
        let mut fields = Fields::behind_name(text, Self::NAME);
        let server = PublicKey::from(fields.take::<32>()?);
        Ok((server, Cookie(fields.take()?)))
    }

    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if it is no WELCOME.
    pub fn decode(body: &[u8]) -> Result<Self, CurveError> {
        let mut fields = Fields::of(body, Self::NAME)?;
        let (random, sealed) = (fields.take()?, fields.take()?);
        fields.end()?;
        Ok(Self { random, sealed })
    }

    /// The body of the command frame.
    pub fn encode(&self) -> BytesMut {
        let mut body = BytesMut::with_capacity(Self::LEN);
        put_name(&mut body, Self::NAME);
        body.put_slice(&self.random);
        body.put_slice(&self.sealed);
        body
    }
}

/// C' and s', sealed by the accepting side for itself, so that it need not remember them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie([u8; 96]);

/// With which the accepting side seals its cookies. One serves for one connection.
#[derive(Debug)]
pub struct CookieKey(BoxKey);

impl From<[u8; 32]> for CookieKey {
    fn from(key: [u8; 32]) -> Self {
        Self(BoxKey::alone(key))
    }
}

impl Cookie {
    const PREFIX: [u8; 8] = *b"COOKIE--";

    /// Makes a cookie; `random` must never have been used with the key.
    pub fn seal(client: &PublicKey, server: &SecretKey, random: [u8; 16], key: &CookieKey) -> Self {
        let mut text = Zeroizing::new([0; 64]);
        let (front, back) = text.split_at_mut(32);
        front.copy_from_slice(client.as_bytes());
        back.copy_from_slice(server.expose());
        let mac = key.0.seal(&long_nonce(&Self::PREFIX, &random), &mut *text);
        let mut cookie = [0; 96];
        let (front, back) = cookie.split_at_mut(16);
        front.copy_from_slice(&random);
        back.copy_from_slice(&joined::<80>(&mac, &*text));
        Self(cookie)
    }

    /// Opens a cookie: C' and s'.
    ///
    /// # Errors
    ///
    /// [`CurveError::Cookie`] if it is none of this key's.
    pub fn open(&self, key: &CookieKey) -> Result<(PublicKey, SecretKey), CurveError> {
        let mut fields = Fields::behind_name(&self.0, Initiate::NAME);
        let random = fields.take()?;
        let mut text = Zeroizing::new(fields.take::<80>()?);
        let nonce = long_nonce(&Self::PREFIX, &random);
        let text = open(&key.0, &nonce, &mut *text, Initiate::NAME);
        let text = text.map_err(|_| CurveError::Cookie)?;
        let mut fields = Fields::behind_name(text, Initiate::NAME);
        let client = PublicKey::from(fields.take::<32>()?);
        Ok((client, SecretKey::from(fields.take::<32>()?)))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// The long-term key of the connecting side vouches for its short-term key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    random: [u8; 16],
    sealed: [u8; 80],
}

impl Vouch {
    const PREFIX: [u8; 8] = *b"VOUCH---";

    /// Makes a vouch: `client` is C', `server` is S, `key` that of C and S'. `random` must never
    /// have been used with it.
    pub fn seal(client: &PublicKey, server: &PublicKey, random: [u8; 16], key: &BoxKey) -> Self {
        let mut text = [0; 64];
        let (front, back) = text.split_at_mut(32);
        front.copy_from_slice(client.as_bytes());
        back.copy_from_slice(server.as_bytes());
        let mac = key.seal(&long_nonce(&Self::PREFIX, &random), &mut text);
        Self {
            random,
            sealed: joined(&mac, &text),
        }
    }

    /// Checks that the owner of C vouches for C' towards S; `key` is that of C and S'.
    ///
    /// # Errors
    ///
    /// [`CurveError::Box`] if the other side has not the secret key of C, [`CurveError::Vouch`] if
    /// it vouches for other keys.
    pub fn check(
        &self,
        client: &PublicKey,
        server: &PublicKey,
        key: &BoxKey,
    ) -> Result<(), CurveError> {
        let nonce = long_nonce(&Self::PREFIX, &self.random);
        let mut text = self.sealed;
        let text = open(key, &nonce, &mut text, Initiate::NAME)?;
        let expected = client.as_bytes().iter().chain(server.as_bytes());
        let mut vouched = [0; 64];
        vouched
            .iter_mut()
            .zip(expected)
            .for_each(|(to, byte)| *to = *byte);
        match bool::from(text.ct_eq(&vouched)) {
            true => Ok(()),
            false => Err(CurveError::Vouch),
        }
    }
}

/// The connecting side says who it is, and describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiate {
    /// The cookie of WELCOME.
    pub cookie: Cookie,
    number: u64,
    /// Together with its first 16 bytes.
    sealed: BytesMut,
}

impl Initiate {
    const NAME: &str = "INITIATE";
    const PREFIX: [u8; 16] = *b"CurveZMQINITIATE";
    /// C and the vouch.
    const BEFORE_METADATA: usize = 32 + 16 + 80;
    /// The second number that the connecting side uses.
    const NUMBER: u64 = 2;

    /// Makes the command; `long_term` is C, `key` that of C' and S'.
    pub fn seal(
        cookie: Cookie,
        long_term: &PublicKey,
        vouch: &Vouch,
        metadata: &Metadata,
        key: &BoxKey,
    ) -> Self {
        let mut sealed = BytesMut::with_capacity(MAC_LEN + Self::BEFORE_METADATA + 128);
        sealed.put_bytes(0, MAC_LEN);
        sealed.put_slice(long_term.as_bytes());
        sealed.put_slice(&vouch.random);
        sealed.put_slice(&vouch.sealed);
        metadata.encode(&mut sealed);
        seal_behind_mac(key, &short_nonce(&Self::PREFIX, Self::NUMBER), &mut sealed);
        Self {
            cookie,
            number: Self::NUMBER,
            sealed,
        }
    }

    /// Opens the box: C, the vouch and the metadata. `key` is that of C' and S'.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if the box does not open, or does not hold these three.
    pub fn open(mut self, key: &BoxKey) -> Result<(PublicKey, Vouch, Metadata), CurveError> {
        let nonce = short_nonce(&Self::PREFIX, self.number);
        let text = open(key, &nonce, &mut self.sealed, Self::NAME)?;
        let mut fields = Fields::behind_name(text, Self::NAME);
        let client = PublicKey::from(fields.take::<32>()?);
        let (random, sealed) = (fields.take()?, fields.take()?);
        let metadata = Metadata::decode_all(fields.rest);
        let metadata = metadata.map_err(|_| CurveError::Metadata(Self::NAME))?;
        Ok((client, Vouch { random, sealed }, metadata))
    }

    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if it is no INITIATE.
    pub fn decode(body: &[u8]) -> Result<Self, CurveError> {
        let mut fields = Fields::of(body, Self::NAME)?;
        let (cookie, number) = (Cookie(fields.take()?), fields.number()?);
        if fields.rest.len() < MAC_LEN + Self::BEFORE_METADATA {
            return Err(fields.wrong_length());
        }
        Ok(Self {
            cookie,
            number,
            sealed: fields.rest.into(),
        })
    }

    /// The body of the command frame.
    pub fn encode(&self) -> BytesMut {
        let mut body = BytesMut::with_capacity(9 + 96 + 8 + self.sealed.len());
        put_name(&mut body, Self::NAME);
        body.put_slice(&self.cookie.0);
        body.put_u64(self.number);
        body.put_slice(&self.sealed);
        body
    }

    /// What the accepting side opens and seals messages with, once this has come.
    pub fn server_messages(&self, key: &BoxKey) -> (MessageOpener, MessageSealer) {
        let opener = MessageOpener::from_client(key.clone(), self.number);
        // READY has the first number of the accepting side.
        (opener, MessageSealer::of_server(key.clone(), Ready::NUMBER))
    }
}

/// The accepting side describes itself: the handshake is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    number: u64,
    /// Together with its first 16 bytes.
    sealed: BytesMut,
}

impl Ready {
    const NAME: &str = "READY";
    const PREFIX: [u8; 16] = *b"CurveZMQREADY---";
    const NUMBER: u64 = 1;

    /// Makes the command; `key` is that of C' and S'.
    pub fn seal(metadata: &Metadata, key: &BoxKey) -> Self {
        let mut sealed = BytesMut::with_capacity(MAC_LEN + 128);
        sealed.put_bytes(0, MAC_LEN);
        metadata.encode(&mut sealed);
        seal_behind_mac(key, &short_nonce(&Self::PREFIX, Self::NUMBER), &mut sealed);
        let number = Self::NUMBER;
        Self { number, sealed }
    }

    /// Opens the box; `key` is that of C' and S'.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if the box does not open, or does not hold metadata.
    pub fn open(mut self, key: &BoxKey) -> Result<Metadata, CurveError> {
        let nonce = short_nonce(&Self::PREFIX, self.number);
        let text = open(key, &nonce, &mut self.sealed, Self::NAME)?;
        Metadata::decode_all(text).map_err(|_| CurveError::Metadata(Self::NAME))
    }

    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if it is no READY.
    pub fn decode(body: &[u8]) -> Result<Self, CurveError> {
        let mut fields = Fields::of(body, Self::NAME)?;
        let number = fields.number()?;
        if fields.rest.len() < MAC_LEN {
            return Err(fields.wrong_length());
        }
        let sealed = fields.rest.into();
        Ok(Self { number, sealed })
    }

    /// The body of the command frame.
    pub fn encode(&self) -> BytesMut {
        let mut body = BytesMut::with_capacity(6 + 8 + self.sealed.len());
        put_name(&mut body, Self::NAME);
        body.put_u64(self.number);
        body.put_slice(&self.sealed);
        body
    }

    /// What the connecting side opens and seals messages with, once this has come.
    pub fn client_messages(&self, key: &BoxKey) -> (MessageOpener, MessageSealer) {
        let opener = MessageOpener::from_server(key.clone(), self.number);
        (
            opener,
            MessageSealer::of_client(key.clone(), Initiate::NUMBER),
        )
    }
}

/// The fields of a command.
struct Fields<'a> {
    rest: &'a [u8],
    command: &'static str,
    length: usize,
}

impl<'a> Fields<'a> {
    /// Those behind the name, which must be `command`.
    fn of(body: &'a [u8], command: &'static str) -> Result<Self, CurveError> {
        let length = body.len();
        let rest = body
            .split_first()
            .filter(|(length, _)| usize::from(**length) == command.len())
            .and_then(|(_, rest)| rest.strip_prefix(command.as_bytes()));
        let rest = rest.ok_or(CurveError::Name(command))?;
        Ok(Self {
            rest,
            command,
            length,
        })
    }

    fn behind_name(rest: &'a [u8], command: &'static str) -> Self {
        let length = rest.len();
        Self {
            rest,
            command,
            length,
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CurveError> {
        let wrong_length = self.wrong_length();
        let (field, rest) = self.rest.split_first_chunk().ok_or(wrong_length)?;
        self.rest = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u64, CurveError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    fn end(&self) -> Result<(), CurveError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(self.wrong_length()),
        }
    }

    fn wrong_length(&self) -> CurveError {
        CurveError::Length {
            command: self.command,
            length: self.length,
        }
    }
}

fn put_name(body: &mut BytesMut, name: &str) {
    body.put_u8(u8::try_from(name.len()).unwrap_or_default());
    body.put_slice(name.as_bytes());
}

/// A box of which both parts have a fixed size.
fn joined<const N: usize>(mac: &[u8; MAC_LEN], text: &[u8]) -> [u8; N] {
    let mut sealed = [0; N];
    let parts = mac.iter().chain(text);
    sealed
        .iter_mut()
        .zip(parts)
        .for_each(|(to, byte)| *to = *byte);
    sealed
}

fn seal_behind_mac(key: &BoxKey, nonce: &[u8; 24], sealed: &mut BytesMut) {
    if let Some((to, text)) = sealed.split_first_chunk_mut::<MAC_LEN>() {
        *to = key.seal(nonce, text);
    }
}

/// Opens a box in place and gives what is in it.
fn open<'a>(
    key: &BoxKey,
    nonce: &[u8; 24],
    sealed: &'a mut [u8],
    command: &'static str,
) -> Result<&'a [u8], CurveError> {
    let parts = sealed.split_first_chunk_mut::<MAC_LEN>();
    let (mac, text) = parts.ok_or(CurveError::Box(command))?;
    match key.open(nonce, mac, text) {
        true => Ok(text),
        false => Err(CurveError::Box(command)),
    }
}
