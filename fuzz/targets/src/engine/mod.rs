//! The target `engine`: one engine, an adversary, and an honest peer.

mod step;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

use zre_core::{
    Config, Error, Instant, NetworkSettings, Seed,
    interfaces::{Interface, InterfaceAddress, InterfaceState, Interfaces},
};
use zre_proto::{Content, Endpoint, PeerId};

use crate::{
    adversary::{Adversary, group},
    heap::Meter,
    script::Reader,
    world::{self, HonestPeer, Keys, MESSAGE, Names, Numbers, PORT, READ, TestedEngine, World},
};
pub(crate) use step::{BYTES, CONNECT, DATAGRAM};
use step::{OddCall, Step};

/// A script is not longer than this, so that no input takes long.
const STEPS: usize = 1000;
const MESSAGES: usize = 3000;
const TIME: Duration = Duration::from_secs(120);

/// The numbers of the engine's identity and address, and of the honest peer's.
const ENGINE: u8 = 6;
const HONEST: u8 = 7;
const HONEST_ID: [u8; 16] = *b"an honest peer's";

/// An engine under a script of datagrams, bytes, ends of connections, time and commands, with an
/// honest peer beside the adversary.
///
/// Polling ends; events have their place; limits are kept, and the memory is given back when the
/// adversary has gone; and the honest peer is served as if it were alone: it never exits, its
/// connections stay, and what it says and what is said to it arrives whole and in order.
///
/// The adversary can say anything under other identities. Under the honest peer's it can send
/// beacons, and messages that do not fit its session. It cannot say HELLO as the honest peer: that
/// is a restart, as no signature tells them apart.
///
/// The first byte of a script says whether the engine looks at the interfaces of its machine, has a
/// fixed peer, is a gossip hub, or has one, and whether all have keys. The honest
/// peer is on an interface that stays.
///
/// With a key that no other member has, the honest peer cannot be confused with anybody: the
/// adversary then says anything as the honest peer, too.
pub fn engine(bytes: &[u8]) {
    let mut script = Reader(bytes);
    let mut world = new_world(script.read());
    world.play(script, STEPS, play);
    if !world.adversary.knows_secret {
        check_honest_peer_is_served(&mut world);
        check_rest_without_adversary(&mut world);
    }
}

fn new_world(mode: u8) -> World {
    let endpoint = Endpoint::from_socket_addr(address(ENGINE)).unwrap();
    let mut config = world::config(endpoint, id(ENGINE));
    config.limits.groups_per_peer = 16;
    config.limits.message_size = MESSAGE;
    config.limits.outbound = 4096;
    configure(&mut config, mode);
    let keys = Keys::new(mode);
    config.security = keys.map(|keys| keys.security(0));
    let now = Instant::from_micros(1_000_000);
    let mut tested = TestedEngine::new(config, Seed::predictable([1; 32]), now);
    tested.engine.handle_interfaces(&interfaces(0), now);
    tested.listens = false;
    tested.gets_datagrams = false;
    let honest = HonestPeer::meet(&mut tested, id(HONEST), address(HONEST), keys, now);
    let mut adversary = Adversary::new(MESSAGES, READ, &HONEST_ID);
    adversary.counts_refused = true;
    let mut world = World::new(vec![tested], adversary, Numbers { id, address }, TIME, now);
    world.names = Names::To(address(0).ip());
    world.honest = Some(honest);
    world.keys = keys;
    world.settle();
    listen(&mut world);
    world.meter = Meter::start();
    world
}

fn play(world: &mut World, step: Step<'_>) {
    match step {
        Step::Interfaces { state } => world.has_interfaces(0, &interfaces(state)),
        Step::OpensSockets { opens } => world.engines[0].opens_sockets = opens,
        Step::SendsBeacons { sends } => world.engines[0].sends_beacons = sends,
        Step::Names { address: to } => {
            world.names = match to {
                ..200 => Names::To(address(to).ip()),
                _ => Names::Nowhere,
            };
        }
        Step::ConnectFrom { address: from } if !is_others(from) => {
            world.connect_from(0, address(from));
        }
        Step::ConnectForGossip => world.connect_for_gossip(0),
        Step::Gossip {
            link,
            times,
            message,
        } => world.gossip(link, times, message),
        Step::Datagram { from, datagram } => world.datagram(0, address(from), datagram),
        Step::Connect => world.connect(0),
        Step::Bytes { link, bytes } => world.send_raw(link, bytes),
        Step::Beacon { from, id, flags } => world.beacon(0, from, id, flags),
        Step::Greet { link, id } => world.greet(link, id),
        Step::Say {
            link,
            skew,
            times,
            message,
        } => world.say(link, skew, times, message),
        Step::Close { link } => world.hang_up(link),
        Step::Accepts { accepts } => world.adversary.accepts = accepts,
        Step::Reads { reads } => {
            world.adversary.reads = reads;
            world.adversary_reads();
        }
        Step::Piece { piece } => world.adversary.piece = usize::from(piece).max(1),
        Step::Wait { millis } => world.wait(Duration::from_millis(millis.into())),
        Step::Call { call } => odd_call(world, call),
        Step::Listen => listen(world),
        Step::HonestWhispers { size } => honest(world).whisper(size),
        Step::HonestShouts { group: name } => honest(world).shout(group(name)),
        Step::HonestJoins { group: name } => honest(world).join(group(name)),
        Step::HonestLeaves { group: name } => honest(world).leave(group(name)),
        Step::HonestPiece { piece } => honest(world).piece = usize::from(piece).max(4),
        command => {
            let done = application(world, &command);
            let is_stopped = matches!(done, Err(Error::Stopped));
            assert!(done.is_ok() || is_stopped == world.engines[0].is_stopping);
        }
    }
}

/// What the application wants.
fn application(world: &mut World, command: &Step<'_>) -> Result<(), Error> {
    let now = world.now;
    let engine = &mut world.engines[0].engine;
    match *command {
        Step::Join { group: name } => engine.join(&group(name), now),
        Step::Leave { group: name } => engine.leave(&group(name), now),
        Step::Ping { id: peer } => engine.ping(id(peer), now).map(|_| ()),
        Step::Shout { group: name, size } => shout(world, name, size),
        // Otherwise it is `WhisperToHonest`, which notes what the honest peer has to receive.
        Step::Whisper { id: peer, size } if id(peer) != id(HONEST) => {
            let size = usize::from(size) % (2 * MESSAGE);
            let sent = engine.whisper(id(peer), vec![0; size].into(), now);
            assert!(size <= MESSAGE || sent.is_err());
            sent
        }
        Step::WhisperToHonest { size } => whisper_to_honest(world, size),
        Step::Stop { at_once } => {
            match at_once {
                true => engine.stop_now(now),
                false => engine.stop(now),
            }
            world.engines[0].is_stopping = true;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn whisper_to_honest(world: &mut World, size: u16) -> Result<(), Error> {
    let content: Content = vec![b'w'; usize::from(size) % MESSAGE].into();
    let TestedEngine {
        engine,
        is_stopping,
        ..
    } = &mut world.engines[0];
    let sent = engine.whisper(id(HONEST), content.clone(), world.now);
    if !*is_stopping {
        assert_eq!(sent, Ok(()), "to the honest peer");
        honest(world).will_receive_whisper(content);
    }
    sent
}

fn shout(world: &mut World, name: u8, size: u8) -> Result<(), Error> {
    let group = group(name);
    let content: Content = vec![b's'; size.into()].into();
    let engine = &mut world.engines[0].engine;
    let members: Vec<_> = engine.node().peers_by_group(&group).collect();
    let shouted = engine.shout(&group, content.clone(), world.now)?;
    assert!(shouted.reached + shouted.full.len() <= members.len());
    assert!(!shouted.full.contains(&id(HONEST)));
    if members.contains(&id(HONEST)) {
        honest(world).will_receive_shout(group, content);
    }
    Ok(())
}

/// A call that comes at another time than it should.
fn odd_call(world: &mut World, call: OddCall) {
    let now = world.now;
    match call {
        OddCall::Early => check_nothing_is_due(world, now),
        OddCall::Past { millis } => {
            let micros = now.as_micros().saturating_sub(1000 * u64::from(millis));
            check_nothing_is_due(world, Instant::from_micros(micros));
        }
        OddCall::Late { millis } => {
            let late = now + Duration::from_millis(millis.into());
            world.now = world.ends_at.min(late);
            honest(world).may_be_suspected = true;
        }
    }
}

fn check_nothing_is_due(world: &mut World, at: Instant) {
    let tested = &mut world.engines[0];
    if !tested.is_due(world.now) {
        let due = tested.engine.poll_timeout();
        tested.engine.handle_timeout(at);
        assert_eq!(tested.engine.poll_timeout(), due);
    }
}

/// The application takes all events; reading may go on, so there may be more.
fn listen(world: &mut World) {
    // One read may go beyond the limit; a message has eight bytes at least.
    let limits = world.engines[0].limits;
    let most = limits.events + READ / 8 + 4 * limits.peers;
    loop {
        assert!(world.take_events(0) <= most, "events pile up");
        world.engines[0].check_queries();
        assert!(!world.engines[0].engine.is_congested());
        world.settle();
        if !world.engines[0].engine.node().has_events() {
            break;
        }
    }
    honest(world).check_is_up_to_date();
}

fn check_honest_peer_is_served(world: &mut World) {
    listen(world);
    if world.engines[0].is_stopping {
        return;
    }
    honest(world).whisper(3);
    whisper_to_honest(world, 3).unwrap();
    world.settle();
    listen(world);
    let groups: Vec<_> = world.engines[0]
        .engine
        .node()
        .own_groups()
        .cloned()
        .collect();
    assert!(honest(world).node_groups.iter().eq(&groups));
    let mut peers = world.engines[0].engine.node().peers();
    assert!(peers.any(|peer| peer == id(HONEST)));
}

/// What the adversary brought goes with it.
fn check_rest_without_adversary(world: &mut World) {
    world.adversary_goes();
    world.ends_at = world.now + TIME;
    for _ in 0..8 {
        world.wait(Duration::from_secs(5));
        listen(world);
    }
    let TestedEngine { engine, order, .. } = &world.engines[0];
    let left: Vec<_> = engine.node().peers().collect();
    if world.engines[0].is_stopping {
        assert!(engine.is_stopped() && order.is_stopped());
        assert_eq!((left, engine.poll_timeout()), (Vec::new(), None));
        honest(world).forget_unsent();
    } else {
        assert_eq!(left, [id(HONEST)]);
    }
    world.check_held_afterwards();
}

fn honest(world: &mut World) -> &mut HonestPeer {
    world.honest.as_mut().expect("this target has one")
}

/// Identities: the adversary's, the engine's, the honest peer's.
fn id(number: u8) -> PeerId {
    match number % 8 {
        ENGINE => PeerId::from([0xEE; 16]),
        HONEST => PeerId::from(HONEST_ID),
        number => PeerId::from([number; 16]),
    }
}

/// Addresses: the adversary's, the engine's, the honest peer's, and another port of its.
fn address(number: u8) -> SocketAddr {
    match number % ADDRESSES {
        ENGINE => ([10, 0, 0, 1], PORT).into(),
        HONEST => ([10, 0, 1, 1], PORT).into(),
        8 => ([10, 0, 1, 1], 1).into(),
        // The adversary on other networks.
        9 => ([10, 1, 0, 2], 1).into(),
        10 => (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2), 1).into(),
        11 => SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2), 1, 0, 3).into(),
        number => ([10, 0, 0, 2], u16::from(number) + 1).into(),
    }
}

/// How many addresses there are.
const ADDRESSES: u8 = 12;

/// Whether an address is not the adversary's.
fn is_others(number: u8) -> bool {
    [ENGINE, HONEST, 8].contains(&(number % ADDRESSES))
}

/// What the engine does beside beacons, by the bits of a script's first byte.
fn configure(config: &mut Config, mode: u8) {
    let key = Keys::new(mode).map(|keys| keys.adversary().public());
    if mode & 1 == 1 {
        config.networks = Some(NetworkSettings {
            interfaces: Interfaces::All,
            ..NetworkSettings::default()
        });
    }
    if mode & 2 == 2 {
        config.connect.push(world::keyed("tcp://fixed:49152", key));
    }
    if mode & 4 == 4 {
        let hub = world::keyed("tcp://hub:5670", key);
        config.gossip_connect.push(hub);
    }
    config.is_gossip_hub = mode & 8 == 8;
}

/// The interfaces of the engine's machine: one stays as it is, and the bits describe others.
fn interfaces(state: u8) -> Vec<Interface> {
    let new = |name, index, address: &[([u8; 4], u8)]| {
        let mut interface = Interface::new(name, index);
        let addresses = address.iter();
        let addresses =
            addresses.map(|(it, prefix)| InterfaceAddress::new(IpAddr::from(*it), *prefix));
        interface.addresses = addresses.collect();
        interface
    };
    let mut lo = new("lo", 1, &[([127, 0, 0, 1], 8)]);
    lo.is_loopback = true;
    let eth0 = new("eth0", 2, &[([10, 0, 0, 1], 16)]);
    let mut all = vec![lo, eth0];
    let addresses: &[_] = match state >> 2 & 3 {
        0 => &[],
        1 => &[([10, 1, 0, 1], 16)],
        2 => &[([10, 1, 0, 9], 16)],
        _ => &[([10, 1, 0, 1], 16), ([10, 0, 7, 7], 16)],
    };
    let mut eth1 = new("eth1", 3, addresses);
    eth1.state = match state & 3 {
        1 => InterfaceState::Down,
        2 => InterfaceState::NoCarrier,
        _ => InterfaceState::Connected,
    };
    for (bit, prefix) in [(16, 0xfd00), (32, 0xfe80)] {
        if state & bit == bit {
            let address = Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, 0, 1);
            eth1.addresses.push(InterfaceAddress::new(address, 64));
        }
    }
    if state & 64 == 64 {
        eth1.default_route = Some(1);
    }
    if state & 128 == 128 {
        eth1.index = 4;
    }
    if state & 3 != 0 {
        all.push(eth1);
    }
    all
}
