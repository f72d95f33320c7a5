//! The loop that runs a node, whatever the number of its peers. It does not care on which thread.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    mem,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Token,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tracing::{debug, warn};
use zre_net::{
    Bound, Finisher, Hub, Task,
    core::{LinkId, proto::Endpoint},
    socket,
};

use crate::{
    lookup::Lookups,
    tcp::Tcp,
    wakes::{WAKE, Wakes},
};

const RECEIVER: Token = Token(1);
const LISTENER: Token = Token(2);
const FIRST_LINK: usize = 3;
/// After so many datagrams or connections it is the others' turn.
const BUDGET: usize = 32;

/// Moves what goes between a node's sockets and its hub. Dropped, it closes the sockets, and the node is over.
pub(crate) struct Driver {
    local: IpAddr,
    selector: mio::Poll,
    events: Events,
    wakes: Arc<Wakes>,
    woken: Vec<Token>,
    waker: Waker,
    receiver: UdpSocket,
    listener: TcpListener,
    lookups: Lookups,
    connections: HashMap<Token, Connection>,
    next_token: usize,
    has_tasks: bool,
    has_datagrams: bool,
    has_connections: bool,
    deadline: Option<Instant>,
    /// Not before, for want of descriptors.
    accept_again_at: Option<Instant>,
    // Dropped last, when all sockets are closed.
    hub: Finisher<Tcp>,
}

struct Connection {
    link: LinkId,
    stream: Arc<Tcp>,
    waker: Waker,
    is_open: bool,
}

impl Driver {
    pub(crate) fn new(hub: Arc<Hub<Tcp>>, bound: Bound) -> io::Result<Self> {
        let local = bound.local_address();
        let selector = mio::Poll::new()?;
        let mut receiver = UdpSocket::from_std(bound.receiver);
        let mut listener = TcpListener::from_std(bound.listener);
        let registry = selector.registry();
        registry.register(&mut receiver, RECEIVER, Interest::READABLE)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let wakes = Wakes::new(registry)?;
        Ok(Self {
            local,
            waker: wakes.waker(WAKE),
            lookups: Lookups::new(wakes.waker(WAKE)),
            selector,
            events: Events::with_capacity(256),
            wakes,
            woken: Vec::new(),
            receiver,
            listener,
            connections: HashMap::new(),
            next_token: FIRST_LINK,
            has_tasks: true,
            has_datagrams: false,
            has_connections: false,
            deadline: None,
            accept_again_at: None,
            hub: Finisher::new(hub),
        })
    }

    /// By what the loop is woken.
    pub(crate) fn wakes(&self) -> &Arc<Wakes> {
        &self.wakes
    }

    /// Does what there is to do, and if there is nothing, sleeps until there is or this moment comes; `false` when
    /// the node has stopped. With a number of [calls](Wakes::calls), sleeps only if there has been none since.
    ///
    /// # Errors
    ///
    /// When the selector fails; then the node cannot go on.
    pub(crate) fn turn(
        &mut self,
        calls: Option<usize>,
        until: Option<Instant>,
    ) -> io::Result<bool> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.hub.timeout();
            self.has_tasks = true;
        }
        self.accept_again_at.take_if(|at| *at <= now);
        self.go_on_with_woken();
        if mem::take(&mut self.has_tasks) && !self.do_tasks() {
            return Ok(false);
        }
        let time = match self.wakes.begin_sleep(calls) {
            true => self.time_to_sleep(now, until),
            false => Some(Duration::ZERO),
        };
        let polled = self.selector.poll(&mut self.events, time);
        self.wakes.end_sleep();
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => self.handle_events(),
        }
        if self.has_datagrams {
            self.receive();
        }
        if self.has_connections && self.accept_again_at.is_none() {
            self.accept();
        }
        Ok(true)
    }

    /// Not at all if there is more to do: the system tells only once that a socket is ready.
    fn time_to_sleep(&self, now: Instant, until: Option<Instant>) -> Option<Duration> {
        let is_busy = self.has_datagrams || self.has_connections && self.accept_again_at.is_none();
        let at_once = is_busy.then_some(now);
        let moments = [self.deadline, until, self.accept_again_at, at_once]
            .into_iter()
            .flatten();
        moments.min().map(|at| at.saturating_duration_since(now))
    }

    /// Does what the hub wants done; `false` when that is to end.
    fn do_tasks(&mut self) -> bool {
        loop {
            let waker = self.waker.clone();
            match self.hub.poll_task(&Context::from_waker(&waker)) {
                Poll::Ready(Task::Open { link, endpoint }) => self.open(link, &endpoint),
                Poll::Ready(Task::Reschedule) => self.deadline = self.hub.deadline(),
                Poll::Ready(Task::Finish) => return false,
                Poll::Pending => return true,
            }
        }
    }

    fn go_on_with_woken(&mut self) {
        let mut woken = mem::take(&mut self.woken);
        self.wakes.swap(&mut woken);
        for token in woken.drain(..) {
            match token {
                WAKE => self.has_tasks = true,
                token => self.go_on(token),
            }
        }
        self.woken = woken;
        if self.has_tasks {
            while let Some((link, found)) = self.lookups.next_answer() {
                self.connect(link, found);
            }
        }
    }

    fn handle_events(&mut self) {
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.handle(event);
        }
        self.events = events;
    }

    fn handle(&mut self, event: &mio::event::Event) {
        match event.token() {
            WAKE => {}
            RECEIVER => self.has_datagrams = true,
            LISTENER => self.has_connections = true,
            token => {
                if let Some(connection) = self.connections.get(&token) {
                    connection.stream.set_ready(event);
                    self.go_on(token);
                }
            }
        }
    }

    /// Receives some datagrams; whoever floods the port must not hold up the rest.
    fn receive(&mut self) {
        let mut datagram = [0; socket::DATAGRAM_SIZE];
        for _ in 0..BUDGET {
            match self.receiver.recv_from(&mut datagram) {
                Ok((length, from)) => {
                    let datagram = datagram.get(..length).unwrap_or_default();
                    self.hub.datagram(from, datagram);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_datagrams = false;
                    return;
                }
                // On Windows, a datagram that is too long to be a beacon.
                Err(error) => debug!(%error, "could not receive a beacon"),
            }
        }
    }

    /// Accepts some connections.
    fn accept(&mut self) {
        self.accept_again_at = None;
        for _ in 0..BUDGET {
            match self.listener.accept() {
                Ok((stream, remote)) => self.take_in(stream, remote),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_connections = false;
                    return;
                }
                Err(error) if socket::is_one_connections(&error) => {}
                Err(error) => {
                    warn!(%error, "could not accept a connection");
                    self.accept_again_at = Some(Instant::now() + socket::ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn take_in(&mut self, stream: TcpStream, remote: SocketAddr) {
        let (token, stream) = match self.watch(stream) {
            Ok(watched) => watched,
            Err(error) => {
                warn!(%error, "could not watch a connection");
                return;
            }
        };
        if let Err(error) = socket::tune(&*stream) {
            warn!(%error, %remote, "could not set the options of a connection");
        }
        let link = self.hub.accepted(Arc::clone(&stream), remote);
        self.add(token, link, stream, true);
        self.go_on(token);
    }

    fn open(&mut self, link: LinkId, endpoint: &Endpoint) {
        match endpoint.to_socket_addr() {
            Some(address) => self.connect(link, Ok(address)),
            None => self.lookups.ask(link, endpoint),
        }
    }

    /// Begins to connect, if the connection is still wanted.
    fn connect(&mut self, link: LinkId, remote: io::Result<SocketAddr>) {
        let cx = Context::from_waker(&self.waker);
        if self.hub.poll_closed(link, &cx).is_ready() {
            return;
        }
        let begun = remote.and_then(|remote| {
            let stream = socket::connector(remote, Some(self.local))?;
            socket::begin_connect(&stream, remote)?;
            self.watch(TcpStream::from_std(stream))
        });
        match begun {
            Ok((token, stream)) => {
                self.add(token, link, stream, false);
                self.go_on(token);
            }
            Err(error) => self.hub.open_failed(link, &error),
        }
    }

    fn watch(&mut self, mut stream: TcpStream) -> io::Result<(Token, Arc<Tcp>)> {
        let token = Token(self.next_token);
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.selector.registry();
        registry.register(&mut stream, token, interest)?;
        Ok((token, Arc::new(Tcp::new(stream))))
    }

    fn add(&mut self, token: Token, link: LinkId, stream: Arc<Tcp>, is_open: bool) {
        let connection = Connection {
            link,
            stream,
            waker: self.wakes.waker(token),
            is_open,
        };
        self.connections.insert(token, connection);
    }

    /// Moves what can be moved over a connection.
    fn go_on(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(&token)
            && connection.poll(&self.hub).is_ready()
        {
            self.connections.remove(&token);
        }
    }
}

impl Connection {
    /// Ready when it has ended.
    fn poll(&mut self, hub: &Hub<Tcp>) -> Poll<()> {
        let mut cx = Context::from_waker(&self.waker);
        if !self.is_open {
            if hub.poll_closed(self.link, &cx).is_ready() {
                return Poll::Ready(());
            }
            let connected = match self.stream.poll_connected() {
                Poll::Ready(connected) => connected,
                Poll::Pending => return Poll::Pending,
            };
            let usable = connected
                .and_then(|()| socket::refuse_self(&*self.stream))
                .and_then(|()| socket::tune(&*self.stream));
            if let Err(error) = usable {
                hub.open_failed(self.link, &error);
                return Poll::Ready(());
            }
            self.is_open = true;
            hub.opened(self.link, Arc::clone(&self.stream));
        }
        hub.poll_link(self.link, &self.stream, &mut cx)
    }
}
