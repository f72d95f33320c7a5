//! The driver's side of the hub.

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use zre_core::{LinkId, Notice, OpenFor, interfaces::Interface, proto::Endpoint};

use super::{
    Hub, LinkTask, ListenerId, ReceiverId, Stream, Watchers,
    aftermath::{Aftermath, replace_waker},
    state::State,
};

/// Something for the driver to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Connect; see [`DriverHandle::connecting`].
    Open {
        /// The connection's id.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
        /// What it is for.
        purpose: OpenFor,
    },
    /// Accept connections on a socket.
    Listen(ListenerId, TcpListener),
    /// Receive datagrams on a socket.
    Receive(ReceiverId, UdpSocket),
    /// Close a listener.
    CloseListener(ListenerId),
    /// Close a receiver.
    CloseReceiver(ReceiverId),
    /// The interfaces of this machine may have changed: see what they are.
    ListInterfaces,
    /// The task of a connection has panicked.
    TaskPanicked(LinkId),
    /// Ask for the [deadline](DriverHandle::deadline) anew.
    Reschedule,
    /// The node has stopped: close the sockets, then drop the [`DriverHandle`].
    Finish,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Where it is at this machine; `None` if the system did not say.
    pub(crate) local: Option<SocketAddr>,
    /// Where the other side is.
    pub(crate) remote: SocketAddr,
}

/// What waits for the driver.
#[derive(Debug, Default)]
pub(super) struct DriverQueue {
    commands: VecDeque<Command>,
    /// When the driver will call [`DriverHandle::timeout`].
    scheduled: Option<zre_core::Instant>,
    waker: Option<Waker>,
}

impl<S: Stream> Hub<S> {
    /// The interfaces of this machine may have changed.
    pub(super) fn list_interfaces(&self) {
        if !self.is_forked() {
            self.with(|state, _| state.driver.list_interfaces());
        }
    }
}

impl DriverQueue {
    pub(super) fn push(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    /// Has the driver list the interfaces, once for all who ask meanwhile.
    pub(super) fn list_interfaces(&mut self) {
        let is_asked = |command: &Command| matches!(command, Command::ListInterfaces);
        if !self.commands.iter().any(is_asked) {
            self.push(Command::ListInterfaces);
        }
    }

    /// Drops what was to be done, with the sockets that wait.
    pub(super) fn clear(&mut self) {
        self.commands.clear();
    }

    /// Wakes the driver if it has something to do: a command, or to reschedule because there is
    /// something to do earlier than it knows.
    pub(super) fn wake_if_wanted(
        &mut self,
        wanted: Option<zre_core::Instant>,
        is_stopped: bool,
        aftermath: &mut Aftermath,
    ) {
        let is_earlier = match (wanted, self.scheduled) {
            (Some(wanted), Some(scheduled)) => wanted < scheduled,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if (is_earlier || is_stopped || !self.commands.is_empty())
            && let Some(waker) = self.waker.take()
        {
            aftermath.wake(waker);
        }
    }

    /// Who is to be woken for something that the driver has to do.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    fn poll(
        &mut self,
        wanted: Option<zre_core::Instant>,
        is_stopped: bool,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) -> Poll<Command> {
        // Also behind the stop: what is to be opened is closed again by its task.
        if let Some(command) = self.commands.pop_front() {
            return Poll::Ready(command);
        }
        if is_stopped {
            return Poll::Ready(Command::Finish);
        }
        // Later than scheduled, too: else the driver would wake for nothing.
        if wanted != self.scheduled {
            return Poll::Ready(Command::Reschedule);
        }
        if let Some(old) = replace_waker(&mut self.waker, cx.waker()) {
            aftermath.retire(old);
        }
        Poll::Pending
    }
}

/// The driver's hold on a hub. Dropped, also before the node has stopped, it ends the node: nobody
/// drives it any more. So drop it when all sockets are closed.
pub(crate) struct DriverHandle<S: Stream>(Arc<Hub<S>>);

impl<S: Stream> DriverHandle<S> {
    /// There is to be one for each hub.
    pub(crate) fn new(hub: Arc<Hub<S>>) -> Self {
        Self(hub)
    }

    /// Whether the caller is in a forked child of the node's process.
    pub(crate) fn is_forked(&self) -> bool {
        self.0.is_forked()
    }

    /// How long the system lets a peer leave untaken what is sent to it. A little longer than the
    /// engine does, which knows a better reason if something waits in the node, too.
    pub(crate) fn patience(&self) -> Duration {
        let expired_after = self.0.config.expired_after;
        expired_after.saturating_add(Duration::from_millis(250))
    }

    /// Takes the next command.
    pub(crate) fn poll_command(&self, cx: &Context<'_>) -> Poll<Command> {
        self.0.with(|state, _| {
            let (wanted, is_stopped) = (state.next_timeout(), state.engine.is_stopped());
            state
                .driver
                .poll(wanted, is_stopped, cx, &mut state.aftermath)
        })
    }

    /// When [`timeout`](DriverHandle::timeout) is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let mut state = self.0.lock();
        state.driver.scheduled = state.next_timeout();
        let scheduled = state.driver.scheduled?;
        Some(state.clock.to_system(scheduled))
    }

    /// The deadline is there.
    pub(crate) fn timeout(&self) {
        self.0.with(|state, now| {
            let (connections, mut io) = state.io(now);
            connections.write_overdue(&mut io);
            // The deadline may have been that of deferred writes alone.
            if state.engine.poll_timeout().is_some_and(|at| at <= now) {
                state.engine.handle_timeout(now);
            }
        });
    }

    /// A datagram came in on the discovery port.
    pub(crate) fn datagram(&self, from: SocketAddr, datagram: &[u8]) {
        self.0.with(|state, now| {
            if state.networks.hears(from) {
                state.engine.handle_datagram(from, datagram, now);
            }
        });
    }

    /// A connection came in; gives what is to be run for it.
    pub(crate) fn accepted(&self, listener: ListenerId, stream: Arc<S>, ends: Ends) -> LinkTask<S> {
        let link = self.0.with(|state, now| {
            let (connections, mut io) = state.io(now);
            connections.accept(listener, stream, ends, &mut io)
        });
        LinkTask::new(Arc::clone(&self.0), link)
    }

    /// A listener or a receiver could not be watched.
    pub(crate) fn not_listening(&self, listener: ListenerId, error: &str) {
        self.0.with(|state, now| match listener {
            ListenerId::Network(network) => {
                state.networks.close(network, &mut state.driver);
                state.engine.handle_not_listening(network, error, now);
            }
            ListenerId::Gossip => {
                let error = error.to_owned();
                state.report(Notice::NotAccepted { error }, now);
            }
        });
    }

    /// What tells of changes of the machine. The node hears of them while it is held.
    pub(crate) fn take_watchers(&self) -> Watchers {
        self.0.take_watchers()
    }

    /// The machine may have slept, and the interfaces may have changed meanwhile.
    pub(crate) fn list_interfaces(&self) {
        self.0.list_interfaces();
    }

    /// The interfaces of this machine are these.
    pub(crate) fn interfaces(&self, interfaces: Vec<Interface>) {
        self.0
            .with(|state, now| state.handle_interfaces(interfaces, now));
    }

    /// What is to be run for a connection that [`Command::Open`] asks for.
    pub(crate) fn connecting(&self, link: LinkId) -> LinkTask<S> {
        LinkTask::new(Arc::clone(&self.0), link)
    }

    /// The task of a connection has panicked.
    pub(crate) fn task_panicked(&self, link: LinkId) {
        LinkTask::new(Arc::clone(&self.0), link).ended("its task panicked");
    }

    /// The driver could not do something that the user ought to hear of.
    pub(crate) fn report(&self, notice: Notice) {
        self.0.with(|state, now| state.report(notice, now));
    }
}

impl<S: Stream> Drop for DriverHandle<S> {
    fn drop(&mut self) {
        self.0.with(State::finish);
    }
}
