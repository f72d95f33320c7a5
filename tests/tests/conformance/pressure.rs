//! A program that does not take its events makes senders wait. Nothing is lost, and no other peer
//! is held up.

use std::time::{Duration, Instant};

use zre_core::{
    Error, Event, Limits, SlowMembers,
    proto::{Body, Content},
};
use zre_tests::{
    any_node::{Next, PATIENCE},
    raw_peer::{Manner, RawListener, RawPeer, hello, random_id},
};

use crate::scene::{
    Player, Scene,
    Side::{Left, Right},
};

crate::behaviours![
    a_full_peer_makes_whispers_wait_and_loses_none,
    a_whisper_given_up_is_not_sent,
    a_full_member_does_not_hold_up_the_others,
    a_stuck_and_a_slow_member_do_not_hold_up_the_others,
    a_quiet_peer_does_not_wait_behind_a_flood,
    several_waiting_senders_all_go_on,
    who_sends_where_it_takes_events_is_warned_once,
    a_whisper_that_waits_for_a_peer_that_goes_fails,
    a_whisper_that_waits_fails_when_its_own_node_stops,
    a_peer_that_never_takes_its_events_is_stalled,
    stopping_waits_for_those_who_read_late,
    stopping_waits_no_longer_than_linger,
    a_message_over_the_limit_is_refused,
];

/// A message's length: a few fill what the system holds for a connection.
const LONG: usize = 64 << 10;
/// How long a whisper that has no room is looked at.
const MOMENT: Duration = Duration::from_millis(500);

fn small() -> Limits {
    let mut limits = Limits::default();
    limits.events = 8;
    limits.outbound = 256 << 10;
    limits
}

fn pair(scene: &Scene) -> (Player, Player) {
    let pair = scene.pair_with(
        |alice| {
            alice.limits = Some(small());
            alice.linger = Some(MOMENT);
        },
        |bob| {
            bob.limits = Some(small());
            bob.linger = Some(MOMENT);
        },
    );
    pair.0.sees(&["ENTER bob"]);
    pair.1.sees(&["ENTER alice"]);
    pair
}

fn numbered(number: usize) -> Content {
    let mut text = format!("{number} ");
    text.push_str(&"x".repeat(LONG));
    text.into()
}

/// Whispers until there is no room for longer than a moment; says how many were taken.
fn fill(from: &Player, to: &Player) -> usize {
    let mut taken = 0;
    loop {
        match from.try_whisper(to.id(), numbered(taken)) {
            Ok(()) => taken += 1,
            Err(Error::Full(peer)) => {
                assert_eq!(peer, to.id());
                match from.whisper_within(MOMENT, to.id(), numbered(taken)) {
                    Ok(()) => taken += 1,
                    Err(Error::Full(_)) => return taken,
                    Err(error) => panic!("{error}"),
                }
            }
            Err(error) => panic!("{error}"),
        }
        assert!(taken < 10_000, "it never becomes full");
    }
}

fn takes_numbered(player: &Player, count: usize) {
    for number in 0..count {
        let line = player.next_unwritten();
        let wanted = crate::scene::shown(&numbered(number));
        assert_eq!(line, format!("WHISPER alice {wanted}"), "number {number}");
    }
}

fn a_full_peer_makes_whispers_wait_and_loses_none(scene: &Scene) {
    let (alice, bob) = pair(scene);
    let taken = fill(&alice, &bob);
    assert!(taken > 8, "{taken}");
    let full = alice.try_whisper(bob.id(), "no room");
    alice.fails(
        "try_whisper",
        full,
        "peer bob reads more slowly than messages are sent to it: wait for it, or send less",
    );
    let waiting = alice.begin_whisper(bob.id(), numbered(taken));
    // The other way is free.
    bob.whisper(alice.id(), "I am here").unwrap();
    alice.sees(&["WHISPER bob I am here"]);
    assert_eq!(waiting.done(), None);
    takes_numbered(&bob, taken + 1);
    waiting.wait().unwrap();
    alice.whisper(bob.id(), "the last").unwrap();
    bob.sees(&["WHISPER alice the last"]);
}

fn a_whisper_given_up_is_not_sent(scene: &Scene) {
    let (alice, bob) = pair(scene);
    let taken = fill(&alice, &bob);
    for _ in 0..3 {
        let late = alice.whisper_within(Duration::from_millis(20), bob.id(), "given up");
        assert_eq!(late, Err(Error::Full(bob.id())));
    }
    takes_numbered(&bob, taken);
    alice.whisper(bob.id(), "the last").unwrap();
    bob.sees(&["WHISPER alice the last"]);
}

fn a_full_member_does_not_hold_up_the_others(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| {
            alice.limits = Some(small());
            alice.slow_members = SlowMembers::Wait;
        },
        |bob| bob.limits = Some(small()),
    );
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let carol = scene.start(Left, scene.options("carol"));
    carol.sees_in_any_order(&["ENTER alice", "ENTER bob"]);
    alice.sees(&["ENTER carol"]);
    bob.sees(&["ENTER carol"]);
    bob.join("CHAT").unwrap();
    carol.join("CHAT").unwrap();
    alice.sees_in_any_order(&["JOIN bob CHAT", "JOIN carol CHAT"]);
    bob.sees(&["JOIN carol CHAT"]);
    carol.sees(&["JOIN bob CHAT"]);
    let taken = fill(&alice, &bob);
    // All or nobody.
    let full = alice.try_shout("CHAT", "to all at once");
    alice.fails(
        "try_shout",
        full,
        "peer bob reads more slowly than messages are sent to it: wait for it, or send less",
    );
    // Those who have room at once, then nobody else, because it is given up.
    assert_eq!(alice.shout_within(MOMENT, "CHAT", "to carol"), None);
    carol.sees(&["SHOUT alice CHAT to carol"]);
    let waiting = alice.begin_shout("CHAT", "to both");
    carol.sees(&["SHOUT alice CHAT to both"]);
    assert_eq!(waiting.done(), None);
    takes_numbered(&bob, taken);
    assert_eq!(waiting.wait().unwrap(), 2);
    bob.sees(&["SHOUT alice CHAT to both"]);
    alice.shout("CHAT", "the last").unwrap();
    bob.sees(&["SHOUT alice CHAT the last"]);
    carol.sees(&["SHOUT alice CHAT the last"]);
}

/// A peer in a group that is made by hand, and how it reads.
struct Laggard {
    peer: RawPeer,
    _listener: RawListener,
}

fn laggard(scene: &Scene, alice: &Player, name: &str, manner: Manner) -> Laggard {
    let listener = RawListener::start(manner);
    let mut peer = RawPeer::open(&alice.endpoint(), random_id());
    scene.name(peer.id(), name);
    peer.send(hello(listener.endpoint(), name)).unwrap();
    let group = "CHAT".try_into().unwrap();
    peer.send(Body::Join { group, status: 1 }).unwrap();
    Laggard {
        peer,
        _listener: listener,
    }
}

fn a_stuck_and_a_slow_member_do_not_hold_up_the_others(scene: &Scene) {
    /// A shout waits for slow members for 50 ms. The rest is for a machine that runs much else.
    const GAP: Duration = Duration::from_millis(500);
    let (alice, bob) = scene.pair_with(
        |alice| alice.limits = Some(small()),
        |bob| bob.groups = vec!["CHAT".into()],
    );
    alice.sees(&["ENTER bob", "JOIN bob CHAT"]);
    bob.sees(&["ENTER alice"]);
    let stuck = laggard(scene, &alice, "mallory", Manner::NeverReads);
    alice.sees(&["ENTER mallory", "JOIN mallory CHAT"]);
    let slow = laggard(scene, &alice, "dave", Manner::ReadsSlowly(50_000));
    alice.sees(&["ENTER dave", "JOIN dave CHAT"]);

    let laggards = [stuck.peer.id(), slow.peer.id()];
    let (mut shouts, mut skipped, mut longest) = (0, [0; 2], Duration::ZERO);
    // On after both have been skipped, so that further shouts find them so.
    let mut left = 100;
    while left > 0 {
        let begun = Instant::now();
        alice.shout("CHAT", numbered(shouts)).unwrap();
        let line = bob.next_unwritten();
        let wanted = crate::scene::shown(&numbered(shouts));
        assert_eq!(line, format!("SHOUT alice CHAT {wanted}"));
        longest = longest.max(begun.elapsed());
        shouts += 1;
        while let Some(event) = alice.try_recv() {
            if let Event::Skipped { peer, messages, .. } = event {
                let which = laggards.iter().position(|laggard| *laggard == peer);
                skipped[which.expect("bob keeps up")] += messages;
            }
        }
        left -= usize::from(skipped.iter().all(|messages| *messages > 0));
        assert!(shouts < 10_000, "nobody is ever full");
    }
    assert!(longest < GAP, "{longest:?} in {shouts} shouts");
    // What was not told at once comes a second later.
    let late = alice.recv(Duration::from_secs(2));
    assert!(
        matches!(late, Next::Event(Event::Skipped { .. })),
        "{late:?}"
    );
}

fn a_quiet_peer_does_not_wait_behind_a_flood(scene: &Scene) {
    let (alice, bob) = scene.pair_with(|alice| alice.limits = Some(few_events()), |_| {});
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let carol = scene.start(Left, scene.options("carol"));
    carol.sees_in_any_order(&["ENTER alice", "ENTER bob"]);
    alice.sees(&["ENTER carol"]);
    bob.sees(&["ENTER carol"]);
    // Far more than alice keeps.
    for number in 0..5000 {
        bob.whisper(alice.id(), format!("flood {number}")).unwrap();
    }
    carol.whisper(alice.id(), "me too").unwrap();
    // An answer says that alice's node has read what was sent before, so hers is among what waits.
    carol.ping(alice.id()).unwrap();
    let mut before = 0;
    while alice.next_unwritten() != "WHISPER carol me too" {
        before += 1;
    }
    // Those that were mixed before bob was too many, and one turn.
    assert!(before <= 100, "{before} of bob's came before");
    for number in before..5000 {
        let line = alice.next_unwritten();
        assert_eq!(line, format!("WHISPER bob flood {number}"));
    }
    alice.notes("flood", "all came, in order");
}

fn few_events() -> Limits {
    let mut limits = Limits::default();
    limits.events = 1024;
    limits
}

fn several_waiting_senders_all_go_on(scene: &Scene) {
    let (alice, bob) = pair(scene);
    let taken = fill(&alice, &bob);
    let waiting = ["a", "b", "c", "d", "e"].map(|text| alice.begin_whisper(bob.id(), text));
    takes_numbered(&bob, taken);
    bob.sees_in_any_order(&["a", "b", "c", "d", "e"].map(|text| match text {
        "a" => "WHISPER alice a",
        "b" => "WHISPER alice b",
        "c" => "WHISPER alice c",
        "d" => "WHISPER alice d",
        _ => "WHISPER alice e",
    }));
    for whisper in waiting {
        whisper.wait().unwrap();
    }
}

/// Tries to send for a while.
fn keeps_sending(from: &Player, to: &Player, time: Duration) {
    let full = from.whisper_within(time, to.id(), "given up");
    assert_eq!(full, Err(Error::Full(to.id())));
}

/// Both fill each other and take no events, so each waits for the other.
fn who_sends_where_it_takes_events_is_warned_once(scene: &Scene) {
    let (alice, bob) = pair(scene);
    let both = [(&alice, &bob), (&bob, &alice)];
    for (from, to) in both {
        fill(from, to);
    }
    let waiting = both.map(|(from, to)| from.begin_whisper(to.id(), "waiting"));
    let warnings = || {
        both.map(|(player, _)| {
            let notices = player.stats().notices;
            notices.get("events_not_taken").copied().unwrap_or_default()
        })
    };
    let deadline = Instant::now() + PATIENCE;
    while warnings().contains(&0) {
        assert!(Instant::now() < deadline, "{:?}", warnings());
        keeps_sending(&alice, &bob, MOMENT);
    }
    keeps_sending(&alice, &bob, 3 * MOMENT);
    assert_eq!(warnings(), [1, 1]);
    // Taking events is all that it takes.
    for (from, to) in both {
        while to.next_unwritten() != format!("WHISPER {} waiting", from.name()) {}
    }
    for whisper in waiting {
        whisper.wait().unwrap();
    }
}

fn a_whisper_that_waits_for_a_peer_that_goes_fails(scene: &Scene) {
    let (alice, bob) = pair(scene);
    fill(&alice, &bob);
    let waiting = alice.begin_whisper(bob.id(), "too late");
    let ping = alice.begin_ping(bob.id());
    bob.stop();
    alice.sees(&["EXIT bob: said goodbye"]);
    alice.fails(
        "whisper",
        waiting.wait(),
        "there is no peer bob: it has not entered, or it has left",
    );
    alice.fails(
        "ping",
        ping.wait(),
        "there is no peer bob: it has not entered, or it has left",
    );
}

fn a_whisper_that_waits_fails_when_its_own_node_stops(scene: &Scene) {
    let (alice, bob) = pair(scene);
    fill(&alice, &bob);
    let waiting = alice.begin_whisper(bob.id(), "too late");
    let ping = alice.begin_ping(bob.id());
    alice.stop();
    alice.fails("whisper", waiting.wait(), "the node has stopped");
    let ping = ping.wait();
    assert!(ping.is_err(), "{ping:?}");
}

fn a_peer_that_never_takes_its_events_is_stalled(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| {
            alice.limits = Some(small());
            alice.expired = Some(Duration::from_millis(1500));
        },
        |bob| bob.limits = Some(small()),
    );
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let carol = scene.start(Right, scene.options("carol"));
    alice.sees(&["ENTER carol"]);
    bob.sees(&["ENTER carol"]);
    carol.sees_in_any_order(&["ENTER alice", "ENTER bob"]);
    fill(&alice, &bob);
    let waiting = alice.begin_whisper(bob.id(), "too late");
    alice.whisper(carol.id(), "not you").unwrap();
    carol.sees(&["WHISPER alice not you"]);
    alice.sees(&["EXIT bob: did not read what was sent to it"]);
    alice.fails(
        "whisper",
        waiting.wait(),
        "there is no peer bob: it has not entered, or it has left",
    );
}

fn stopping_waits_for_those_who_read_late(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| alice.limits = Some(small()),
        |bob| bob.limits = Some(small()),
    );
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    let taken = fill(&alice, &bob);
    let stopping = alice.begin_stop();
    takes_numbered(&bob, taken);
    bob.sees(&["EXIT alice: said goodbye"]);
    stopping.wait();
}

fn stopping_waits_no_longer_than_linger(scene: &Scene) {
    let (alice, bob) = pair(scene);
    fill(&alice, &bob);
    let begun = std::time::Instant::now();
    alice.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    alice.sees(&["STOP", "END"]);
}

fn a_message_over_the_limit_is_refused(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| {
            let mut limits = Limits::default();
            limits.message_size = 1000;
            limits.message_frames = 3;
            alice.limits = Some(limits);
        },
        |bob| bob.groups = vec!["CHAT".into()],
    );
    alice.sees(&["ENTER bob", "JOIN bob CHAT"]);
    bob.sees(&["ENTER alice"]);
    let why = "the message has 1001 bytes in 1 frames, the limits are 1000 and 3: \
               split it, or raise these limits at both nodes";
    let large = vec![b'x'; 1001];
    alice.fails("whisper", alice.whisper(bob.id(), large.clone()), why);
    alice.fails(
        "try_whisper",
        alice.try_whisper(bob.id(), large.clone()),
        why,
    );
    alice.fails("shout", alice.shout("CHAT", large.clone()), why);
    alice.fails("try_shout", alice.try_shout("CHAT", large), why);
    let many = alice.whisper(bob.id(), ["a", "b", "c", "d"]);
    alice.fails(
        "whisper",
        many,
        "the message has 4 bytes in 4 frames, the limits are 1000 and 3: \
         split it, or raise these limits at both nodes",
    );
    alice.whisper(bob.id(), vec![b'x'; 1000]).unwrap();
    assert!(bob.next().starts_with("WHISPER alice <1000 bytes"));
}
