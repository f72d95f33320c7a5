//! The runtimes that nodes run on.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_lite::future;
use tokio::runtime;
use zre_tokio::StartError;

use super::{AnyNode, Flavour, NodeOptions, PATIENCE, Pending, node::Inner};

/// The runtime under some nodes of one flavour. When it is dropped, it ends, and with it the nodes
/// on it.
pub struct Host(Kind);

enum Kind {
    TokioMulti(runtime::Runtime),
    TokioCurrent(OwnThread<runtime::Handle>),
    Smol(OwnThread<Arc<smol::Executor<'static>>>),
    AsyncStd(Mutex<Vec<async_std::task::JoinHandle<()>>>),
    Blocking,
}

/// A thread that runs a runtime until this is dropped.
struct OwnThread<R> {
    runtime: R,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<R> Drop for OwnThread<R> {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported.
            let _ = thread.join();
        }
    }
}

impl Host {
    /// Starts a runtime.
    ///
    /// # Panics
    ///
    /// When the system has no threads left.
    pub fn new(flavour: Flavour) -> Arc<Self> {
        Arc::new(Self(match flavour {
            Flavour::TokioMulti => Kind::TokioMulti(
                runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .expect("threads"),
            ),
            Flavour::TokioCurrent => Kind::TokioCurrent(tokio_thread()),
            Flavour::Smol => Kind::Smol(smol_thread()),
            Flavour::AsyncStd => Kind::AsyncStd(Mutex::default()),
            Flavour::Blocking => Kind::Blocking,
        }))
    }

    /// Starts a node.
    ///
    /// # Errors
    ///
    /// As `Builder::start` of the adapter.
    ///
    /// # Panics
    ///
    /// When it takes too long.
    pub fn start(self: &Arc<Self>, options: NodeOptions) -> Result<AnyNode, StartError> {
        let node = match &self.0 {
            Kind::TokioMulti(_) | Kind::TokioCurrent(_) => {
                let builder = zre_tokio::Builder::from(options.settings());
                let starting = async move { builder.start().await };
                Inner::Tokio(self.run(starting).wait()?)
            }
            Kind::Smol(thread) => {
                let builder = zre_smol::Builder::from(options.settings());
                let (node, driver) = builder.start()?;
                thread.runtime.spawn(driver).detach();
                Inner::Smol(node)
            }
            Kind::AsyncStd(drivers) => {
                let builder = zre_smol::Builder::from(options.settings());
                let (node, driver) = builder.start()?;
                let driver = async_std::task::spawn(driver);
                drivers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(driver);
                Inner::Smol(node)
            }
            Kind::Blocking => {
                let builder = zre_blocking::Builder::from(options.settings());
                Inner::Blocking(builder.start()?)
            }
        };
        Ok(AnyNode {
            node,
            host: Arc::clone(self),
        })
    }

    /// Runs a future as a task; beside zre-blocking, which has none, on a thread of its own.
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = mpsc::channel();
        let task = async move {
            // Nobody waits any more if this fails.
            let _ = sender.send(future.await);
        };
        match &self.0 {
            Kind::TokioMulti(runtime) => _ = runtime.spawn(task),
            Kind::TokioCurrent(thread) => _ = thread.runtime.spawn(task),
            Kind::Smol(thread) => thread.runtime.spawn(task).detach(),
            Kind::AsyncStd(_) => _ = async_std::task::spawn(task),
            Kind::Blocking => _ = thread::spawn(|| future::block_on(task)),
        }
        Pending(receiver)
    }

    /// Runs a future as a task, and drops it when it takes too long.
    pub(super) fn run_within<T: Send + 'static>(
        &self,
        time: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let pending = match &self.0 {
            Kind::TokioMulti(_) | Kind::TokioCurrent(_) => {
                self.run(async move { tokio::time::timeout(time, future).await.ok() })
            }
            _ => self.run(future::or(async move { Some(future.await) }, async move {
                smol::Timer::after(time).await;
                None
            })),
        };
        pending.wait_for(time + PATIENCE)
    }

    /// Ends the runtime at once, or what runs the nodes on it. A thread of zre-blocking cannot be
    /// ended so: then `false`.
    ///
    /// # Panics
    ///
    /// When something else holds the host.
    pub fn end_abruptly(self: Arc<Self>) -> bool {
        let Self(kind) = Arc::into_inner(self).expect("the nodes are gone");
        match kind {
            Kind::TokioMulti(runtime) => runtime.shutdown_timeout(PATIENCE),
            Kind::TokioCurrent(thread) => drop(thread),
            Kind::Smol(thread) => drop(thread),
            Kind::AsyncStd(drivers) => {
                let drivers = drivers.into_inner().unwrap_or_else(PoisonError::into_inner);
                for driver in drivers {
                    smol::block_on(driver.cancel());
                }
            }
            Kind::Blocking => return false,
        }
        true
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

fn tokio_thread() -> OwnThread<runtime::Handle> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    OwnThread {
        runtime: runtime.handle().clone(),
        end: Some(end),
        thread: Some(thread::spawn(move || {
            // Ends when the other side is dropped.
            let _ = runtime.block_on(ended);
        })),
    }
}

fn smol_thread() -> OwnThread<Arc<smol::Executor<'static>>> {
    let executor = Arc::new(smol::Executor::new());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    OwnThread {
        runtime: Arc::clone(&executor),
        end: Some(end),
        thread: Some(thread::spawn(move || {
            // Ends when the other side is dropped.
            let _ = smol::block_on(executor.run(ended));
        })),
    }
}
