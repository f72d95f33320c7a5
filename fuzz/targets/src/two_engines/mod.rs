//! The target `two_engines`: two engines, and an adversary between them.

mod step;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use zre_core::{
    Beacons, Config, Engine, Instant, NetworkSettings, Seed,
    interfaces::{Interface, InterfaceAddress, Interfaces},
};
use zre_proto::{Endpoint, PeerId};

use crate::{
    adversary::{Adversary, group},
    script::Reader,
    world::{self, Keys, MARK, MESSAGE, Names, Numbers, READ, TestedEngine, World},
};
use step::Step;
pub(crate) use step::{BYTES, CONNECT, DATAGRAM};

/// A script is not longer than this, so that no input takes long.
const STEPS: usize = 800;
const MESSAGES: usize = 2000;
const TIME: Duration = Duration::from_secs(90);

/// Two engines on one network, and an adversary that has it in its hands.
///
/// It holds back and splits what the engines write to each other, cuts their connections, refuses
/// them, loses, repeats and invents datagrams, and talks to both engines under any identity, theirs
/// included. It cannot change what the engines say to each other.
///
/// Whatever it does, events have their place; what one engine whispers to the other arrives at most
/// once and in order, and in one session of both nothing is missing; polling ends; and the memory
/// is bounded. When it has gone, each engine soon sees the other and nobody else, with its groups;
/// whispers arrive; and nobody enters or exits any more.
///
/// The first byte of a script says whether the engines look at the interfaces of their machines, so
/// that they can move, whether the first one has the other as a fixed peer, whether the second one
/// is a client of the first one's gossip hub, whether there are beacons, too, and whether they have
/// keys.
pub fn two_engines(bytes: &[u8]) {
    let mut script = Reader(bytes);
    let mode: u8 = script.read();
    let mut world = new_world(mode);
    if mode & 1 == 1 {
        // They meet before the script begins.
        world.settle();
    }
    world.play(script, STEPS, play);
    if !world.adversary.knows_secret {
        let_engines_alone(&mut world);
        check_engines_serve_each_other(&mut world);
    }
}

fn new_world(mode: u8) -> World {
    let now = Instant::from_micros(1_000_000);
    let engines = vec![tested_engine(0, mode, now), tested_engine(1, mode, now)];
    let mut adversary = Adversary::new(MESSAGES, READ, MARK);
    // What the engines write to it piles up.
    adversary.reads = false;
    let mut world = World::new(engines, adversary, Numbers { id, address }, TIME, now);
    world.keys = Keys::new(mode);
    world
}

fn tested_engine(number: u8, mode: u8, now: Instant) -> TestedEngine {
    let endpoint = Endpoint::from_socket_addr(address(FIRST_ADDRESS + number)).unwrap();
    let mut config = world::config(endpoint, id(number));
    config.limits.groups_per_peer = 32;
    config.limits.message_size = MESSAGE + 64;
    config.limits.outbound = 16 << 10;
    configure(&mut config, number, mode);
    config.security = Keys::new(mode).map(|keys| keys.security(number));
    let mut tested = TestedEngine::new(config, Seed::predictable([number; 32]), now);
    tested.engine.handle_interfaces(&interfaces(number, 0), now);
    tested
}

/// How the engines find each other, by the bits of a script's first byte.
fn configure(config: &mut Config, number: u8, mode: u8) {
    let (has_networks, has_fixed, has_gossip) = (mode & 2 == 2, mode & 4 == 4, mode & 8 == 8);
    let key = |number| Keys::new(mode).map(|keys| keys.member(number).public());
    if has_networks {
        config.networks = Some(NetworkSettings {
            interfaces: Interfaces::All,
            ..NetworkSettings::default()
        });
    }
    if has_fixed && number == 0 {
        config
            .connect
            .push(world::keyed("tcp://second:49152", key(1)));
    }
    if has_gossip {
        config.is_gossip_hub = number == 0;
        let hubs = (number == 1).then(|| world::keyed("tcp://first:5670", key(0)));
        config.gossip_connect.extend(hubs);
    }
    if mode & 16 == 16 && (has_fixed || has_gossip) {
        config.beacons = Beacons::Off;
    }
}

/// The interfaces of an engine's machine.
fn interfaces(number: u8, place: u8) -> Vec<Interface> {
    let last = number + 1;
    let new = |name, index, address: [u8; 4]| {
        let mut interface = Interface::new(name, index);
        let address = InterfaceAddress::new(IpAddr::from(address), 16);
        interface.addresses.push(address);
        interface
    };
    let (eth0, eth1) = (
        new("eth0", 2, [10, 0, 0, last]),
        new("eth1", 3, [10, 0, 1, last]),
    );
    match place % 5 {
        0 => vec![eth0],
        1 => vec![new("eth0", 2, [10, 0, 1, last])],
        2 => vec![eth0, eth1],
        3 => vec![eth1],
        _ => Vec::new(),
    }
}

fn play(world: &mut World, step: Step<'_>) {
    let now = world.now;
    match step {
        Step::Move { engine, place } => {
            let number = engine % 2;
            world.has_interfaces(one_of_two(number), &interfaces(number, place));
        }
        Step::Names { to } => {
            world.names = match to % 4 {
                0 => Names::Right,
                1 => Names::Swapped,
                2 => Names::To(address(0).ip()),
                _ => Names::Nowhere,
            };
        }
        Step::ConnectForGossip { to } => world.connect_for_gossip(one_of_two(to)),
        Step::Gossip {
            link,
            times,
            message,
        } => world.gossip(link, times, message),
        Step::Datagram { to, from, datagram } => {
            world.datagram(one_of_two(to), address(from), datagram);
        }
        Step::Connect { to } => world.connect(one_of_two(to)),
        Step::Bytes { link, bytes } => world.send_raw(link, bytes),
        Step::Beacon {
            to,
            from,
            id,
            flags,
        } => world.beacon(one_of_two(to), from, id, flags),
        Step::Repeat { to, which } => world.repeat(one_of_two(to), which),
        Step::Greet { link, id } => world.greet(link, id),
        Step::Say {
            link,
            skew,
            times,
            message,
        } => world.say(link, skew, times, message),
        Step::Close { link } => world.hang_up(link),
        Step::Accepts { accepts } => world.adversary.accepts = accepts,
        Step::Hold {
            stream,
            end,
            is_held,
        } => {
            if let Some(stream) = world.stream(stream) {
                world.streams[stream].ends[one_of_two(end)].is_held = is_held;
            }
        }
        Step::Trickle { stream, end, count } => {
            if let Some(stream) = world.stream(stream) {
                world.read(stream, one_of_two(end), count.into());
            }
        }
        Step::Cut { stream, end, loses } => {
            if let Some(stream) = world.stream(stream) {
                world.streams[stream].cut(one_of_two(end), loses);
            }
        }
        Step::Piece { piece } => world.adversary.piece = usize::from(piece).max(8),
        Step::EngineAccepts { engine, accepts } => tested(world, engine).accepts = accepts,
        Step::GetsDatagrams { engine, gets } => tested(world, engine).gets_datagrams = gets,
        Step::Listens { engine, listens } => tested(world, engine).listens = listens,
        Step::Wait { millis } => world.wait(Duration::from_millis(millis.into())),
        Step::Whisper { engine, size } => {
            world.whisper_to_other(one_of_two(engine), usize::from(size) % MESSAGE);
        }
        Step::Shout { engine, group: to } => {
            let engine = &mut tested(world, engine).engine;
            engine.shout(&group(to), "x".into(), now).unwrap();
        }
        Step::Join { engine, group: to } => {
            tested(world, engine).engine.join(&group(to), now).unwrap();
        }
        Step::Leave { engine, group: of } => {
            tested(world, engine).engine.leave(&group(of), now).unwrap();
        }
    }
}

/// The adversary goes, and nobody stands between the engines any more.
fn let_engines_alone(world: &mut World) {
    world.adversary.piece = READ;
    world.adversary_goes();
    for end in world.streams.iter_mut().flat_map(|stream| &mut stream.ends) {
        end.is_held = false;
    }
    for tested in &mut world.engines {
        (tested.accepts, tested.gets_datagrams, tested.listens) = (true, true, true);
    }
    world.names = Names::Right;
    for number in 0..2 {
        if world.engines[one_of_two(number)].addresses().is_empty() {
            world.has_interfaces(one_of_two(number), &interfaces(number, 0));
        }
    }
    world.wait_until(world.now + Duration::from_secs(45));
    // A connection to a fixed endpoint at which nobody answered again and again may wait for ten
    // minutes, and nothing tells it that it is dead.
    let has_beacons = world.engines[0].engine.node().config().beacons != Beacons::Off;
    if !has_beacons && !do_engines_see_each_other(world) {
        world.wait_until(world.now + Duration::from_secs(700));
    }
}

fn do_engines_see_each_other(world: &World) -> bool {
    (0..2).all(|number| {
        let [here, there] = [number, 1 - number].map(|number| &world.engines[number].engine);
        here.node().peers().eq([there.node().id()])
    })
}

fn check_engines_serve_each_other(world: &mut World) {
    check_engines_see_each_other(world);
    let before = enters_and_exits(world);
    for engine in 0..2 {
        let is_sent = world.whisper_to_other(engine, 3);
        assert!(is_sent, "the other can be sent to");
    }
    world.wait_until(world.now + Duration::from_secs(15));
    assert_eq!(before, enters_and_exits(world));
    let [a, b] = [0, 1].map(|engine| &world.engines[engine].whispers);
    assert_eq!((a.said, b.said), (b.last_received, a.last_received));
    let streams = world.streams.iter().filter(|stream| !stream.is_gossip);
    // One to a fixed endpoint may wait for an answer although its network is gone.
    let (dead, streams): (Vec<_>, Vec<_>) = streams.partition(|stream| stream.is_dead);
    assert_eq!(streams.len(), 2, "one connection each way: {streams:#?}");
    let has_fixed = !world.engines[0].engine.node().config().connect.is_empty();
    assert!(
        dead.is_empty() || has_fixed,
        "dead connections are kept: {dead:#?}"
    );
    world.check_held_afterwards();
}

/// Each engine sees the other, with its groups, and nobody else.
fn check_engines_see_each_other(world: &World) {
    for number in 0..2 {
        let [here, there] = [number, 1 - number].map(|number| &world.engines[number].engine);
        assert!(
            here.node().peers().eq([there.node().id()]),
            "{number} sees the other alone"
        );
        let info = here.node().peer(there.node().id()).unwrap();
        let places = world.engines[1 - number].addresses();
        let place = info.endpoint.to_socket_addr();
        assert!(
            place.is_some_and(|place| places.contains(&place)),
            "{place:?}"
        );
        assert!(info.groups.iter().eq(there.node().own_groups()));
        // Both contest this group.
        let is_in_group = |engine: &Engine| engine.node().own_groups().any(|it| *it == group(0));
        if is_in_group(here) && is_in_group(there) {
            let lower = here.node().id().min(there.node().id());
            assert_eq!(here.node().leader(&group(0)), Some(lower), "{number}");
        }
    }
}

fn enters_and_exits(world: &World) -> Vec<usize> {
    let engines = world.engines.iter();
    engines
        .map(|tested| tested.order.enters_and_exits)
        .collect()
}

fn tested(world: &mut World, engine: u8) -> &mut TestedEngine {
    &mut world.engines[one_of_two(engine)]
}

fn one_of_two(number: u8) -> usize {
    usize::from(number % 2)
}

/// Identities: the engines' come first.
fn id(number: u8) -> PeerId {
    PeerId::from([number % 6 + 1; 16])
}

const FIRST_ADDRESS: u8 = 4;

/// Addresses: the adversary's, the engines', and other ports of theirs.
fn address(number: u8) -> SocketAddr {
    match number % 8 {
        FIRST_ADDRESS => ([10, 0, 0, 1], 49152).into(),
        5 => ([10, 0, 0, 2], 49152).into(),
        6 => ([10, 0, 0, 1], 1).into(),
        7 => ([10, 0, 0, 2], 1).into(),
        number => ([10, 0, 0, 3], u16::from(number) + 1).into(),
    }
}
