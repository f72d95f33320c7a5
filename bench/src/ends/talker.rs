//! The nodes of all adapters under one interface, and the runtimes that they run on.
//!
//! The methods are async. Those of zre-blocking block until they are done, so their futures are
//! ready at once.

use std::{net::Ipv4Addr, thread, time::Duration};

use smol::LocalExecutor;
use tokio::runtime;
use zre_driver::{
    Settings,
    api::{Content, Error, Event, Limits, PeerId, SlowMembers, Trust},
};

use super::confirmed;
use crate::{Failure, keys::keypair};

/// How a node is started here.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) name: String,
    /// The discovery port.
    pub(super) port: u16,
    pub(super) group: Option<&'static str>,
    /// A node that knows one peer, and announces itself only once.
    pub(super) loner: bool,
    /// With a key of its own.
    pub(super) secured: bool,
}

impl Start {
    pub(super) fn new(name: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            port,
            group: None,
            loner: false,
            secured: false,
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::named(self.name.clone());
        settings.interface(Ipv4Addr::LOCALHOST);
        settings.port = Some(self.port);
        // A shout is to reach all, however slow the machine is.
        settings.slow_members = SlowMembers::Wait;
        if let Some(group) = self.group {
            settings.join(group);
        }
        if self.loner {
            settings.beacon_interval = Some(Duration::from_secs(3600));
            let mut limits = Limits::default();
            limits.peers = 1;
            settings.limits = limits;
        }
        if self.secured {
            settings.key = Some(keypair(&self.name).into());
            settings.trust = Some(Trust::Any);
        }
        settings
    }
}

/// A node, with the methods that are measured.
pub(super) trait Talker: Sized {
    type Requests;

    /// Runs a program on the adapter's runtime.
    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T;

    async fn start(start: &Start) -> Result<Self, Failure>;

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error>;

    /// Whispers so many times, and has each message confirmed.
    async fn whisper_all_confirmed(
        &self,
        peer: PeerId,
        content: &Content,
        messages: usize,
    ) -> Result<(), Error>;

    async fn flush(&self, peer: PeerId) -> Result<(), Error>;

    async fn shout(&self, group: &str, content: Content) -> Result<usize, Error>;

    async fn recv(&self) -> Option<Event>;

    /// Asks, and waits for the answer.
    async fn request(&self, peer: PeerId, content: Content) -> Result<Content, Error>;

    /// The requests of peers from now on.
    fn requests(&self) -> Self::Requests;

    /// Answers the next request with what is asked, and says what that was.
    async fn answer_next(requests: &mut Self::Requests) -> Result<Content, Failure>;

    async fn stop(&self);

    async fn sleep(time: Duration);
}

/// zre-tokio on a runtime of one thread.
pub(super) type Tokio = Asynchronous<TokioAlone>;
/// zre-tokio as under `#[tokio::main]`.
pub(super) type TokioThreads = Asynchronous<TokioMain>;
/// The first of these, with keys.
pub(super) type TokioCurve = Asynchronous<TokioSecured>;
/// zre-smol with its driver and the program as tasks of one thread.
pub(super) type Smol = Asynchronous<SmolAlone>;
/// zre-smol with its driver on the global executor.
pub(super) type SmolThreads = Asynchronous<SmolGlobal>;

/// Where an async node runs.
pub(super) trait Place {
    type Node: AsyncNode;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T;

    async fn start(start: &Start) -> Result<Self::Node, Failure>;

    async fn sleep(time: Duration);
}

/// The methods of an async node that are measured.
pub(super) trait AsyncNode {
    type Requests;

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error>;

    async fn whisper_confirmed(&self, peer: PeerId, content: Content) -> Result<(), Error>;

    async fn flush(&self, peer: PeerId) -> Result<(), Error>;

    async fn shout(&self, group: &str, content: Content) -> Result<usize, Error>;

    async fn recv(&self) -> Option<Event>;

    async fn request(&self, peer: PeerId, content: Content) -> Result<Content, Error>;

    fn requests(&self) -> Self::Requests;

    async fn answer_next(requests: &mut Self::Requests) -> Result<Content, Failure>;

    async fn stop(&self);
}

/// The adapters' methods of the same names.
macro_rules! async_nodes {
    ($($adapter:ident),+) => {$(
        impl AsyncNode for $adapter::Node {
            type Requests = $adapter::Requests;

            async fn request(&self, peer: PeerId, content: Content) -> Result<Content, Error> {
                self.request(peer, content).await
            }

            fn requests(&self) -> Self::Requests {
                self.requests()
            }

            async fn answer_next(requests: &mut Self::Requests) -> Result<Content, Failure> {
                let request = requests.next().await.ok_or("the node has stopped")?;
                let content = request.content().clone();
                request.answer(content.clone()).await?;
                Ok(content)
            }

            async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error> {
                self.whisper(peer, content).await
            }

            async fn whisper_confirmed(&self, peer: PeerId, content: Content) -> Result<(), Error> {
                self.whisper_confirmed(peer, content).await
            }

            async fn flush(&self, peer: PeerId) -> Result<(), Error> {
                self.flush(peer).await
            }

            async fn shout(&self, group: &str, content: Content) -> Result<usize, Error> {
                self.shout(group, content).await
            }

            async fn recv(&self) -> Option<Event> {
                self.recv().await
            }

            async fn stop(&self) {
                self.stop().await;
            }
        }
    )+};
}

async_nodes!(zre_tokio, zre_smol);

pub(super) struct Asynchronous<P: Place>(P::Node);

impl<P: Place> Talker for Asynchronous<P> {
    type Requests = <P::Node as AsyncNode>::Requests;

    async fn request(&self, peer: PeerId, content: Content) -> Result<Content, Error> {
        self.0.request(peer, content).await
    }

    fn requests(&self) -> Self::Requests {
        self.0.requests()
    }

    async fn answer_next(requests: &mut Self::Requests) -> Result<Content, Failure> {
        P::Node::answer_next(requests).await
    }

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        P::block_on(program)
    }

    async fn start(start: &Start) -> Result<Self, Failure> {
        Ok(Self(P::start(start).await?))
    }

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error> {
        self.0.whisper(peer, content).await
    }

    async fn whisper_all_confirmed(
        &self,
        peer: PeerId,
        content: &Content,
        messages: usize,
    ) -> Result<(), Error> {
        confirmed::whisper_all(&self.0, peer, content, messages).await
    }

    async fn flush(&self, peer: PeerId) -> Result<(), Error> {
        self.0.flush(peer).await
    }

    async fn shout(&self, group: &str, content: Content) -> Result<usize, Error> {
        self.0.shout(group, content).await
    }

    async fn recv(&self) -> Option<Event> {
        self.0.recv().await
    }

    async fn stop(&self) {
        self.0.stop().await;
    }

    async fn sleep(time: Duration) {
        P::sleep(time).await;
    }
}

pub(super) struct TokioAlone;

impl Place for TokioAlone {
    type Node = zre_tokio::Node;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        tokio_block_on(runtime::Builder::new_current_thread(), program)
    }

    async fn start(start: &Start) -> Result<Self::Node, Failure> {
        let builder = zre_tokio::Builder::from(start.settings());
        Ok(builder.start().await?)
    }

    async fn sleep(time: Duration) {
        tokio::time::sleep(time).await;
    }
}

pub(super) struct TokioSecured;

impl Place for TokioSecured {
    type Node = zre_tokio::Node;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        TokioAlone::block_on(program)
    }

    async fn start(start: &Start) -> Result<Self::Node, Failure> {
        let secured = Start {
            secured: true,
            ..start.clone()
        };
        TokioAlone::start(&secured).await
    }

    async fn sleep(time: Duration) {
        TokioAlone::sleep(time).await;
    }
}

pub(super) struct TokioMain;

impl Place for TokioMain {
    type Node = zre_tokio::Node;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        tokio_block_on(runtime::Builder::new_multi_thread(), program)
    }

    async fn start(start: &Start) -> Result<Self::Node, Failure> {
        TokioAlone::start(start).await
    }

    async fn sleep(time: Duration) {
        TokioAlone::sleep(time).await;
    }
}

#[expect(
    clippy::expect_used,
    reason = "a process without a runtime has nothing to do"
)]
fn tokio_block_on<T>(mut builder: runtime::Builder, program: impl Future<Output = T>) -> T {
    let runtime = builder.enable_all().build().expect("a runtime can be made");
    runtime.block_on(program)
}

thread_local! {
    /// Runs on the program's thread only.
    static ALONE: LocalExecutor<'static> = const { LocalExecutor::new() };
}

pub(super) struct SmolAlone;

impl Place for SmolAlone {
    type Node = zre_smol::Node;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        // As a task beside the driver: if a future that is awaited here wakes itself, async-io
        // first asks the system for news, with five calls.
        ALONE.with(|alone| smol::block_on(alone.run(alone.spawn(program))))
    }

    async fn start(start: &Start) -> Result<Self::Node, Failure> {
        let builder = zre_smol::Builder::from(start.settings());
        let (node, driver) = builder.start()?;
        ALONE.with(|alone| alone.spawn(driver).detach());
        Ok(node)
    }

    async fn sleep(time: Duration) {
        smol::Timer::after(time).await;
    }
}

pub(super) struct SmolGlobal;

impl Place for SmolGlobal {
    type Node = zre_smol::Node;

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        smol::block_on(program)
    }

    async fn start(start: &Start) -> Result<Self::Node, Failure> {
        Ok(zre_smol::spawn(start.settings().into())?)
    }

    async fn sleep(time: Duration) {
        SmolAlone::sleep(time).await;
    }
}

/// zre-blocking.
pub(super) struct Blocking(zre_blocking::Node);

impl Talker for Blocking {
    type Requests = zre_blocking::Requests;

    async fn request(&self, peer: PeerId, content: Content) -> Result<Content, Error> {
        self.0.request(peer, content).wait()
    }

    fn requests(&self) -> Self::Requests {
        self.0.requests()
    }

    async fn answer_next(requests: &mut Self::Requests) -> Result<Content, Failure> {
        let request = requests.next().ok_or("the node has stopped")?;
        let content = request.content().clone();
        request.answer(content.clone())?;
        Ok(content)
    }

    fn block_on<T: 'static>(program: impl Future<Output = T> + 'static) -> T {
        smol::future::block_on(program)
    }

    async fn start(start: &Start) -> Result<Self, Failure> {
        let builder = zre_blocking::Builder::from(start.settings());
        Ok(Self(builder.start()?))
    }

    async fn whisper(&self, peer: PeerId, content: Content) -> Result<(), Error> {
        self.0.whisper(peer, content)
    }

    // A thread waits for one thing at a time, so the whispers of a lot are confirmed together.
    async fn whisper_all_confirmed(
        &self,
        peer: PeerId,
        content: &Content,
        messages: usize,
    ) -> Result<(), Error> {
        let mut left = messages;
        while left > 0 {
            let lot = left.min(confirmed::UNDER_WAY);
            for _ in 0..lot {
                self.0.whisper(peer, content.clone())?;
            }
            self.0.flush(peer)?;
            left -= lot;
        }
        Ok(())
    }

    async fn flush(&self, peer: PeerId) -> Result<(), Error> {
        self.0.flush(peer)
    }

    async fn shout(&self, group: &str, content: Content) -> Result<usize, Error> {
        self.0.shout(group, content)
    }

    async fn recv(&self) -> Option<Event> {
        self.0.recv()
    }

    async fn stop(&self) {
        self.0.stop();
    }

    async fn sleep(time: Duration) {
        thread::sleep(time);
    }
}
