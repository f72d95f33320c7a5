//! The handshake of CURVE (RFC 26/CurveZMQ), and the frames behind it.
//!
//! The client says HELLO, the server answers WELCOME, the client says who it is in INITIATE, and
//! the server answers READY, or ERROR if it does not trust the client. Between WELCOME and INITIATE
//! the server remembers one key of 32 bytes: all else is in the cookie that comes back.

use alloc::{string::String, sync::Arc};

use bytes::BytesMut;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zeroize::Zeroizing;
use zre_proto::{
    curve::{
        BoxKey, Cookie, CookieKey, CurveError, Hello, Initiate, Keypair, MessageFlags,
        MessageOpener, MessageSealer, PublicKey, Ready, SecretKey, Vouch, Welcome,
    },
    zmtp::{Command, Metadata},
};

use super::LinkSecurity;
use crate::{error::LinkError, security::Trust, seed::Seed};

/// What the server says in ERROR to a client that it does not trust, as czmq's zauth does.
pub(super) const NO_ACCESS: &str = "400";

/// One side of a handshake.
#[derive(Debug)]
pub(super) struct CurveHandshake {
    own: Keypair,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The client: the other side has not greeted.
    Connecting {
        server: PublicKey,
        seed: Seed,
    },
    AwaitWelcome(AwaitWelcome),
    AwaitReady {
        server: PublicKey,
        /// That of C' and S'.
        key: BoxKey,
    },
    /// The server.
    AwaitHello {
        trust: Arc<Trust>,
        seed: Seed,
    },
    AwaitInitiate {
        trust: Arc<Trust>,
        cookie_key: CookieKey,
    },
    /// The handshake is over, or has failed.
    Over,
}

#[derive(Debug)]
struct AwaitWelcome {
    server: PublicKey,
    /// C'.
    short: Keypair,
    /// That of C' and S.
    key: BoxKey,
    /// For the vouch.
    random: [u8; 16],
}

/// What follows from a command of the other side.
#[derive(Debug)]
pub(super) enum CurveStep {
    /// The body of a command to be sent.
    Reply(BytesMut),
    Open(CurveOpen),
    /// The client is not trusted, which it is to be told.
    Refused {
        key: PublicKey,
        metadata: Metadata,
    },
}

/// The handshake is over.
#[derive(Debug)]
pub(super) struct CurveOpen {
    /// The server's last word.
    pub(super) reply: Option<BytesMut>,
    /// The long-term key of the other side.
    pub(super) key: PublicKey,
    /// What it says of itself.
    pub(super) metadata: Metadata,
    pub(super) cipher: Cipher,
}

/// Opens and seals frames once the handshake is over.
#[derive(Debug)]
pub(super) struct Cipher {
    opener: MessageOpener,
    pub(super) sealer: MessageSealer,
}

impl Cipher {
    /// Opens a frame in place. Its bytes begin behind [`MessageSealer::OVERHEAD`] others.
    pub(super) fn open(&mut self, frame: &mut [u8]) -> Result<MessageFlags, CurveError> {
        self.opener.open(frame)
    }
}

impl CurveHandshake {
    /// None for a link in the open.
    pub(super) fn new(security: LinkSecurity) -> Option<Self> {
        Some(match security {
            LinkSecurity::Open => return None,
            LinkSecurity::Client { own, server, seed } => Self {
                own,
                step: Step::Connecting { server, seed },
            },
            LinkSecurity::Server { own, trust, seed } => Self {
                own,
                step: Step::AwaitHello { trust, seed },
            },
        })
    }

    /// The other side has greeted: gives the body of the command with which the client begins.
    pub(super) fn begin(&mut self) -> Result<Option<BytesMut>, LinkError> {
        let (server, seed) = match core::mem::replace(&mut self.step, Step::Over) {
            Step::Connecting { server, seed } => (server, seed),
            other => {
                self.step = other;
                return Ok(None);
            }
        };
        let mut random = Random::new(&seed);
        let short = Keypair::from(random.secret_key());
        let key = BoxKey::new(&server, short.secret())?;
        let hello = Hello::seal(short.public(), &key);
        self.step = Step::AwaitWelcome(AwaitWelcome {
            server,
            short,
            key,
            random: random.bytes(),
        });
        Ok(Some(hello.encode()))
    }

    /// A command has come; `metadata` is what this side says of itself.
    pub(super) fn take(
        &mut self,
        body: &[u8],
        metadata: &Metadata,
    ) -> Result<CurveStep, LinkError> {
        if let Some(reason) = Command::error_reason(body) {
            let reason = reason.to_string_lossy().into();
            // ERROR is not protected. But before WELCOME anybody could say it.
            return Err(match self.step {
                Step::AwaitReady { .. } => LinkError::RefusedKey(reason),
                _ => LinkError::Refused(reason),
            });
        }
        match core::mem::replace(&mut self.step, Step::Over) {
            Step::AwaitWelcome(awaiting) => self.take_welcome(body, awaiting, metadata),
            Step::AwaitReady { server, key } => take_ready(body, server, &key),
            Step::AwaitHello { trust, seed } => self.take_hello(body, trust, &seed),
            Step::AwaitInitiate { trust, cookie_key } => {
                self.take_initiate(body, &trust, &cookie_key, metadata)
            }
            Step::Connecting { .. } | Step::Over => {
                Err(LinkError::NotReady(String::from("a command")))
            }
        }
    }

    fn take_welcome(
        &mut self,
        body: &[u8],
        awaiting: AwaitWelcome,
        metadata: &Metadata,
    ) -> Result<CurveStep, LinkError> {
        let AwaitWelcome {
            server,
            short,
            key,
            random,
        } = awaiting;
        let (server_short, cookie) = Welcome::decode(body)?.open(&key)?;
        let vouch_key = BoxKey::new(&server_short, self.own.secret())?;
        let vouch = Vouch::seal(&short.public(), &server, random, &vouch_key);
        let key = BoxKey::new(&server_short, short.secret())?;
        let initiate = Initiate::seal(cookie, &self.own.public(), &vouch, metadata, &key);
        self.step = Step::AwaitReady { server, key };
        Ok(CurveStep::Reply(initiate.encode()))
    }

    fn take_hello(
        &mut self,
        body: &[u8],
        trust: Arc<Trust>,
        seed: &Seed,
    ) -> Result<CurveStep, LinkError> {
        let hello = Hello::decode(body)?;
        let key = BoxKey::new(&hello.client, self.own.secret())?;
        hello.open(&key)?;
        let mut random = Random::new(seed);
        let short = Keypair::from(random.secret_key());
        let cookie_key = CookieKey::from(*random.secret());
        let cookie = Cookie::seal(&hello.client, short.secret(), random.bytes(), &cookie_key);
        let welcome = Welcome::seal(&short.public(), &cookie, random.bytes(), &key);
        self.step = Step::AwaitInitiate { trust, cookie_key };
        Ok(CurveStep::Reply(welcome.encode()))
    }

    fn take_initiate(
        &mut self,
        body: &[u8],
        trust: &Trust,
        cookie_key: &CookieKey,
        own_metadata: &Metadata,
    ) -> Result<CurveStep, LinkError> {
        let initiate = Initiate::decode(body)?;
        let (client_short, short) = initiate.cookie.open(cookie_key)?;
        let box_key = BoxKey::new(&client_short, &short)?;
        let (opener, sealer) = initiate.server_messages(&box_key);
        let (key, vouch, metadata) = initiate.open(&box_key)?;
        let vouch_key = BoxKey::new(&key, &short)?;
        vouch.check(&client_short, &self.own.public(), &vouch_key)?;
        if trust.admits(&key).is_none() {
            return Ok(CurveStep::Refused { key, metadata });
        }
        Ok(CurveStep::Open(CurveOpen {
            reply: Some(Ready::seal(own_metadata, &box_key).encode()),
            key,
            metadata,
            cipher: Cipher { opener, sealer },
        }))
    }
}

fn take_ready(body: &[u8], server: PublicKey, key: &BoxKey) -> Result<CurveStep, LinkError> {
    let ready = Ready::decode(body)?;
    let (opener, sealer) = ready.client_messages(key);
    Ok(CurveStep::Open(CurveOpen {
        reply: None,
        key: server,
        metadata: ready.open(key)?,
        cipher: Cipher { opener, sealer },
    }))
}

/// The random numbers of one connection.
struct Random(ChaCha20Rng);

impl Random {
    fn new(seed: &Seed) -> Self {
        Self(ChaCha20Rng::from_seed(*seed.expose()))
    }

    fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn secret(&mut self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.0.fill_bytes(&mut *bytes);
        bytes
    }

    fn secret_key(&mut self) -> SecretKey {
        SecretKey::from(*self.secret())
    }
}
