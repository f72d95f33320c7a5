//! Hubs in one process, with pipes in place of sockets and a loop in place of a runtime.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroU16,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use zre_core::{
    interfaces::NetworkId,
    proto::{Beacon, PeerId},
};

use super::super::{Command, DriverHandle, Ends, Hub, LinkTask, ListenerId, Stream};
use crate::Settings;

/// Long enough for anything that ends by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    incoming: Arc<Mutex<Flow>>,
    outgoing: Arc<Mutex<Flow>>,
}

/// One direction.
#[derive(Debug, Default)]
struct Flow {
    bytes: VecDeque<u8>,
    /// Nobody takes anything, and there is no room.
    is_stuck: bool,
    /// Writing takes nothing, and does not say why.
    is_dead: bool,
    /// An end is gone.
    is_closed: bool,
    moved: u64,
    /// How often something has been written.
    writes: usize,
}

impl Flow {
    /// Room for so many bytes.
    const ROOM: usize = 64 << 10;

    fn has_room(&self) -> bool {
        self.is_dead || (!self.is_stuck && self.bytes.len() < Self::ROOM)
    }
}

fn lock(flow: &Mutex<Flow>) -> MutexGuard<'_, Flow> {
    flow.lock().unwrap()
}

impl Drop for Pipe {
    fn drop(&mut self) {
        lock(&self.incoming).is_closed = true;
        lock(&self.outgoing).is_closed = true;
    }
}

fn ready_if(is_ready: bool) -> Poll<io::Result<()>> {
    match is_ready {
        true => Poll::Ready(Ok(())),
        false => Poll::Pending,
    }
}

// The loop polls all tasks again and again, so nobody needs to be woken.
impl Stream for Pipe {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flow = lock(&self.incoming);
        ready_if(!flow.is_stuck && (flow.is_closed || !flow.bytes.is_empty()))
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready_if(lock(&self.outgoing).has_room())
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut flow = lock(&self.incoming);
        if flow.bytes.is_empty() && !flow.is_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = io::Read::read(&mut flow.bytes, buffer)?;
        flow.moved += count as u64;
        Ok(count)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut flow = lock(&self.outgoing);
        if flow.is_dead {
            return Ok(0);
        }
        if !flow.has_room() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = io::Write::write_vectored(&mut flow.bytes, slices)?;
        flow.moved += count as u64;
        flow.writes += 1;
        Ok(count)
    }
}

/// A node and who drives it.
pub(super) struct TestNode {
    pub(super) hub: Arc<Hub<Pipe>>,
    pub(super) driver: Option<DriverHandle<Pipe>>,
    address: SocketAddr,
}

impl TestNode {
    pub(super) fn id(&self) -> PeerId {
        self.hub.local().id
    }

    fn has_peer(&self, peer: PeerId) -> bool {
        self.hub.read(|node| node.is_ready(peer))
    }
}

/// Whether a task has been woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Some nodes and the connections between them.
#[derive(Default)]
pub(super) struct Net {
    nodes: Vec<TestNode>,
    tasks: Vec<Task>,
    flows: Vec<Connection>,
}

/// From one node to another.
struct Connection {
    from: PeerId,
    to: PeerId,
    flow: Arc<Mutex<Flow>>,
}

pub(super) struct Task {
    pub(super) node: PeerId,
    pub(super) link: LinkTask<Pipe>,
    pub(super) stream: Arc<Pipe>,
}

impl Net {
    /// Nodes that have met. They announce themselves so rarely that nothing comes of itself.
    pub(super) fn of<const N: usize>(change: impl Fn(&mut Settings)) -> Self {
        let mut net = Self::default();
        for number in 0..N {
            let mut settings = Settings::named(format!("node{number}"));
            settings.interface(Ipv4Addr::LOCALHOST);
            settings.port = Some(free_port());
            settings.beacon_interval = Some(Duration::from_secs(3600));
            settings.expired_after = Some(Duration::from_secs(3600));
            settings.evasive_after = Some(Duration::from_secs(3600));
            change(&mut settings);
            let hub = Hub::start(&settings).unwrap();
            let endpoint = hub.read(|node| node.endpoint().clone());
            let address = endpoint.to_socket_addr().unwrap();
            let driver = Some(DriverHandle::new(Arc::clone(&hub)));
            net.nodes.push(TestNode {
                hub,
                driver,
                address,
            });
        }
        net.meet();
        net
    }

    pub(super) fn nodes<const N: usize>(&self) -> [&TestNode; N] {
        let nodes: Vec<_> = self.nodes.iter().collect();
        nodes.try_into().ok().unwrap()
    }

    pub(super) fn hubs<const N: usize>(&self) -> [Arc<Hub<Pipe>>; N] {
        self.nodes::<N>().map(|node| Arc::clone(&node.hub))
    }

    /// Each hears of each other, and they connect.
    pub(super) fn meet(&mut self) {
        for node in &self.nodes {
            for other in &self.nodes {
                let beacon = Beacon {
                    peer: other.id(),
                    port: NonZeroU16::new(other.address.port()),
                    public_key: other.hub.local().key,
                };
                let driver = node.driver.as_ref().unwrap();
                driver.datagram(other.address, &beacon.encode());
            }
        }
        let ids: Vec<_> = self.nodes.iter().map(TestNode::id).collect();
        self.run_until(|net| {
            net.nodes.iter().all(|node| {
                let mut others = ids.iter().filter(|id| **id != node.id());
                others.all(|id| node.has_peer(*id))
            })
        });
        for node in &self.nodes {
            while node.hub.try_recv().is_some() {}
        }
    }

    /// Runs until it is so.
    pub(super) fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "it does not come true");
            self.run();
        }
    }

    /// Runs until nothing moves.
    pub(super) fn run(&mut self) {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        loop {
            let before = self.moved();
            let mut is_moving = self.drive(&mut cx);
            self.tasks
                .retain(|task| task.link.poll(&task.stream, &mut cx).is_pending());
            // A task that has had its turn wakes itself, though nothing may have moved.
            is_moving |= woken.0.swap(false, Ordering::Relaxed) || before != self.moved();
            if !is_moving {
                return;
            }
        }
    }

    /// How often nodes have written anything.
    pub(super) fn writes(&self) -> usize {
        self.flows.iter().map(|it| lock(&it.flow).writes).sum()
    }

    fn moved(&self) -> u64 {
        self.flows.iter().map(|it| lock(&it.flow).moved).sum()
    }

    /// Does what the nodes want; says whether there was anything but a new deadline.
    fn drive(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        for number in 0..self.nodes.len() {
            while let Some(driver) = &self.nodes[number].driver
                && let Poll::Ready(command) = driver.poll_command(cx)
            {
                any |= !matches!(command, Command::Reschedule);
                match command {
                    Command::Open { link, endpoint, .. } => {
                        let link = driver.connecting(link);
                        let to = endpoint.to_socket_addr().unwrap();
                        self.connect(number, link, to);
                    }
                    Command::TaskPanicked(link) => driver.task_panicked(link),
                    Command::Reschedule => _ = driver.deadline(),
                    Command::Finish => self.end(number),
                    // Pipes stand for the sockets.
                    _ => {}
                }
            }
            if let Some(driver) = &self.nodes[number].driver
                && driver.deadline().is_some_and(|at| at <= Instant::now())
            {
                driver.timeout();
            }
        }
        any
    }

    fn connect(&mut self, from: usize, link: LinkTask<Pipe>, to: SocketAddr) {
        let (from, to) = (
            &self.nodes[from],
            self.nodes.iter().find(|node| node.address == to),
        );
        let Some((to, driver)) = to.and_then(|to| Some((to, to.driver.as_ref()?))) else {
            link.ended("refused");
            return;
        };
        let flows = [(from, to), (to, from)].map(|(from, to)| {
            let flow = Arc::<Mutex<Flow>>::default();
            self.flows.push(Connection {
                from: from.id(),
                to: to.id(),
                flow: Arc::clone(&flow),
            });
            flow
        });
        let [there, back] = &flows;
        let pipe = |incoming: &Arc<_>, outgoing: &Arc<_>| {
            Arc::new(Pipe {
                incoming: Arc::clone(incoming),
                outgoing: Arc::clone(outgoing),
            })
        };
        let (near, far) = (pipe(back, there), pipe(there, back));
        let accepted = driver.accepted(
            ListenerId::Network(NetworkId::ONLY),
            Arc::clone(&far),
            Ends {
                local: Some(to.address),
                remote: from.address,
            },
        );
        self.tasks.push(Task {
            node: to.id(),
            link: accepted,
            stream: far,
        });
        link.connected(Arc::clone(&near), Some(from.address));
        self.tasks.push(Task {
            node: from.id(),
            link,
            stream: near,
        });
    }

    /// Ends a node as a runtime does: its tasks, then its driver.
    pub(super) fn end(&mut self, number: usize) {
        let id = self.nodes[number].id();
        self.tasks.retain(|task| task.node != id);
        self.nodes[number].driver = None;
    }

    pub(super) fn take_task(&mut self, of: PeerId) -> Task {
        let number = self.tasks.iter().position(|task| task.node == of);
        self.tasks.remove(number.unwrap())
    }

    /// Nothing gets from one node to another any more, until it does.
    pub(super) fn set_stuck(&self, from: PeerId, to: PeerId, is_stuck: bool) {
        self.flow(from, to, |flow| flow.is_stuck = is_stuck);
    }

    /// Writing from one node to another takes nothing.
    pub(super) fn set_dead(&self, from: PeerId, to: PeerId) {
        self.flow(from, to, |flow| flow.is_dead = true);
    }

    fn flow(&self, from: PeerId, to: PeerId, change: impl Fn(&mut Flow)) {
        let flows = self.flows.iter();
        let meant = flows.filter(|it| (it.from, it.to) == (from, to));
        meant.for_each(|it| change(&mut lock(&it.flow)));
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}
