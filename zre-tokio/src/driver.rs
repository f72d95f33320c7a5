//! The tasks that run a node: one for the node, one for each connection.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::warn;
use zre_net::{
    Bound, Hub, Task,
    core::{LinkId, proto::Endpoint},
    socket,
};

use crate::tcp::Tcp;

/// Starts the tasks of a node on the current runtime.
pub(crate) fn spawn(hub: Arc<Hub<Tcp>>, bound: Bound) -> io::Result<()> {
    let driver = Driver {
        local: bound.local_address(),
        receiver: UdpSocket::from_std(bound.receiver)?,
        listener: TcpListener::from_std(bound.listener)?,
        links: JoinSet::new(),
        hub: Finisher(hub),
    };
    tokio::spawn(driver.run());
    Ok(())
}

struct Driver {
    local: IpAddr,
    receiver: UdpSocket,
    listener: TcpListener,
    links: JoinSet<()>,
    // Dropped last, when all sockets are closed.
    hub: Finisher,
}

/// Tells those who wait that the node is over, also when the runtime ends before the node does.
struct Finisher(Arc<Hub<Tcp>>);

impl Drop for Finisher {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Driver {
    async fn run(mut self) {
        let hub = Arc::clone(&self.hub.0);
        // One octet more than any beacon has, so that a longer datagram shows as one.
        let mut datagram = [0; 64];
        let mut accepting = true;
        loop {
            let deadline = hub.deadline().map(Instant::from_std);
            tokio::select! {
                task = poll_fn(|cx| hub.poll_task(cx)) => match task {
                    Task::Open { link, endpoint } => self.open(link, endpoint),
                    Task::Reschedule => {}
                    Task::Finish => break,
                },
                received = self.receiver.recv_from(&mut datagram) => match received {
                    Ok((length, from)) => hub.datagram(from, datagram.get(..length).unwrap_or_default()),
                    Err(error) => warn!(%error, "could not receive a beacon"),
                },
                accepted = self.listener.accept(), if accepting => match accepted {
                    Ok((stream, remote)) => self.accept(stream, remote),
                    Err(error) => {
                        // Out of descriptors, most likely: not before the next deadline again.
                        warn!(%error, "could not accept a connection");
                        accepting = false;
                    }
                },
                () = reach(deadline) => {
                    hub.timeout();
                    accepting = true;
                }
                Some(_) = self.links.join_next() => {}
            }
        }
        self.links.shutdown().await;
    }

    fn accept(&mut self, stream: TcpStream, remote: SocketAddr) {
        if let Err(error) = socket::tune(&stream) {
            warn!(%error, %remote, "could not set the options of a connection");
        }
        let hub = Arc::clone(&self.hub.0);
        let stream = Arc::new(Tcp(stream));
        let link = hub.accepted(Arc::clone(&stream), remote);
        self.links.spawn(carry(hub, link, stream));
    }

    fn open(&mut self, link: LinkId, endpoint: Endpoint) {
        let hub = Arc::clone(&self.hub.0);
        let local = self.local;
        self.links.spawn(async move {
            let connected = tokio::select! {
                connected = connect(&endpoint, local) => connected,
                () = poll_fn(|cx| hub.poll_closed(link, cx)) => return,
            };
            match connected {
                Ok(stream) => {
                    let stream = Arc::new(Tcp(stream));
                    hub.opened(link, Arc::clone(&stream));
                    carry(hub, link, stream).await;
                }
                Err(error) => hub.open_failed(link, &error),
            }
        });
    }
}

async fn carry(hub: Arc<Hub<Tcp>>, link: LinkId, stream: Arc<Tcp>) {
    poll_fn(|cx| hub.poll_link(link, &stream, cx)).await;
}

async fn connect(endpoint: &Endpoint, local: IpAddr) -> io::Result<TcpStream> {
    let remote = match endpoint.to_socket_addr() {
        Some(address) => address,
        None => look_up(endpoint).await?,
    };
    let socket = TcpSocket::from_std_stream(socket::connector(remote, Some(local))?);
    let stream = socket.connect(remote).await?;
    socket::refuse_self(&stream)?;
    socket::tune(&stream)?;
    Ok(stream)
}

/// Nodes are found over IPv4, so that is what a host name is looked up for.
async fn look_up(endpoint: &Endpoint) -> io::Result<SocketAddr> {
    let host = endpoint.host().to_string();
    let addresses = lookup_host((host.as_str(), endpoint.port().get())).await?;
    addresses
        .into_iter()
        .find(SocketAddr::is_ipv4)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no IPv4 address"))
}

async fn reach(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
