//! How nodes end.

use std::time::{Duration, Instant};

use uuid::Uuid;
use zre_tests::any_node::{NodeOptions, PATIENCE};

use crate::scene::{
    Player, Scene,
    Side::{Left, Right},
};

crate::behaviours![
    a_goodbye_comes_behind_the_last_words,
    stop_is_the_last_event,
    events_that_were_not_taken_survive_a_stop,
    nothing_can_be_done_after_a_stop,
    stopping_again_does_nothing,
    a_node_lives_until_its_last_handle_is_dropped,
    those_who_wait_hold_the_node,
    both_can_stop_at_once,
    a_node_can_restart_with_its_identity_and_port,
    a_goodbye_stays_one_when_the_node_is_back_at_once,
    ten_restarts_are_ten_lives,
];

fn a_goodbye_comes_behind_the_last_words(scene: &Scene) {
    let (alice, bob) = scene.pair();
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
    let large = vec![b'x'; 1 << 20];
    for _ in 0..4 {
        alice.try_whisper(bob.id(), large.clone()).unwrap();
    }
    alice.try_whisper(bob.id(), "last words").unwrap();
    alice.try_shout("CHAT", "to all").unwrap();
    alice.stop();
    for _ in 0..4 {
        assert!(bob.next().starts_with("WHISPER alice <1048576 bytes"));
    }
    bob.sees(&[
        "WHISPER alice last words",
        "SHOUT alice CHAT to all",
        "EXIT alice: said goodbye",
    ]);
    assert_eq!((bob.peers(), bob.peer(alice.id())), (vec![], None));
}

fn stop_is_the_last_event(scene: &Scene) {
    let (alice, bob) = scene.pair();
    bob.whisper(alice.id(), "hi").unwrap();
    alice.sees(&["WHISPER bob hi"]);
    alice.stop();
    alice.sees(&["STOP", "END", "END"]);
    assert_eq!(alice.try_recv(), None);
    let lonely = scene.start(Right, scene.options("lonely"));
    bob.sees_in_any_order(&["EXIT alice: said goodbye", "ENTER lonely"]);
    bob.stop();
    lonely.sees(&["ENTER bob", "EXIT bob: said goodbye"]);
    lonely.stop();
    lonely.sees(&["STOP", "END"]);
}

fn events_that_were_not_taken_survive_a_stop(scene: &Scene) {
    let (alice, bob) = scene.pair();
    for number in 0..10 {
        alice.whisper(bob.id(), number.to_string()).unwrap();
    }
    alice.ping(bob.id()).unwrap();
    bob.stop();
    for number in 0..10 {
        bob.sees(&[&format!("WHISPER alice {number}")]);
    }
    bob.sees(&["STOP", "END"]);
}

fn nothing_can_be_done_after_a_stop(scene: &Scene) {
    let (alice, bob) = scene.pair();
    alice.join("CHAT").unwrap();
    let (id, endpoint) = (alice.id(), alice.endpoint());
    alice.stop();
    let why = "the node has stopped";
    alice.fails("join", alice.join("NEWS"), why);
    alice.fails("leave", alice.leave("CHAT"), why);
    alice.fails("whisper", alice.whisper(bob.id(), "hi"), why);
    alice.fails("try_whisper", alice.try_whisper(bob.id(), "hi"), why);
    alice.fails("shout", alice.shout("CHAT", "hi"), why);
    alice.fails("try_shout", alice.try_shout("CHAT", "hi"), why);
    alice.fails("ping", alice.ping(bob.id()), why);
    assert_eq!((alice.peers(), alice.peer_groups()), (vec![], vec![]));
    assert_eq!(
        (alice.id(), alice.endpoint(), alice.name()),
        (id, endpoint, "alice".into())
    );
}

fn stopping_again_does_nothing(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let stops = [(); 4].map(|()| (*alice).clone().begin_stop());
    for stop in stops {
        stop.wait();
    }
    alice.stop();
    alice.stop();
    alice.sees(&["STOP", "END"]);
    bob.sees(&["EXIT alice: said goodbye"]);
}

fn a_node_lives_until_its_last_handle_is_dropped(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let id = alice.id();
    let other = (*alice).clone();
    drop(alice);
    other.whisper(bob.id(), "still here").unwrap();
    other.try_whisper(bob.id(), "and now I go").unwrap();
    drop(other);
    bob.sees(&[
        "WHISPER alice still here",
        "WHISPER alice and now I go",
        "EXIT alice: said goodbye",
    ]);
    assert_eq!(bob.peer(id), None);
}

fn those_who_wait_hold_the_node(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let id = alice.id();
    let events = alice.begin_events();
    drop(alice);
    bob.whisper(id, "hi").unwrap();
    bob.ping(id).unwrap();
    let name = bob.lines(&[]).len();
    assert_eq!((name, events.done()), (0, None));
    bob.stop();
    assert!(bob.peers().is_empty());
}

fn both_can_stop_at_once(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let begun = Instant::now();
    for stop in [alice.begin_stop(), bob.begin_stop()] {
        stop.wait();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    // The other's goodbye may come before the own stop or not at all.
    for (player, goodbye) in [
        (&alice, "EXIT bob: said goodbye"),
        (&bob, "EXIT alice: said goodbye"),
    ] {
        let mut line = player.next_unwritten();
        if line == goodbye {
            line = player.next_unwritten();
        }
        assert_eq!(line, "STOP", "at {}", player.name());
        player.sees(&["END"]);
    }
}

fn phoenix(scene: &Scene) -> NodeOptions {
    NodeOptions {
        uuid: Some(Uuid::from_u128(0xF0E_0000 + u128::from(scene.port()))),
        tcp_port: Some(scene.port()),
        ..scene.options("alice")
    }
}

fn a_node_can_restart_with_its_identity_and_port(scene: &Scene) {
    let alice = scene.start(Left, phoenix(scene));
    let bob = scene.start(Right, scene.options("bob"));
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    alice.stop();
    // The socket is closed when `stop` is back, although this handle is still there.
    let again = scene.start(Left, phoenix(scene));
    // What the exit says is looked at below.
    let exit = bob.next_unwritten();
    assert!(exit.starts_with("EXIT alice: "), "{exit}");
    bob.sees(&["ENTER alice"]);
    again.sees(&["ENTER bob"]);
    bob.whisper(again.id(), "welcome back").unwrap();
    again.sees(&["WHISPER bob welcome back"]);
    drop(again);
    bob.sees(&["EXIT alice: said goodbye"]);
    let last = start_when_the_port_is_free(scene);
    bob.sees(&["ENTER alice"]);
    last.whisper(bob.id(), "once more").unwrap_or_else(|_| {
        last.sees(&["ENTER bob"]);
        last.whisper(bob.id(), "once more").unwrap();
    });
    bob.sees(&["WHISPER alice once more"]);
}

/// A node that was dropped closes its socket in the background.
fn start_when_the_port_is_free(scene: &Scene) -> Player {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match scene.host(Left).start(phoenix(scene)) {
            Ok(node) => return scene.player(node),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    }
}

fn a_goodbye_stays_one_when_the_node_is_back_at_once(scene: &Scene) {
    let bob = scene.start(Right, scene.options("bob"));
    let mut alice = scene.start(Left, phoenix(scene));
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    for _ in 0..10 {
        alice.stop();
        alice = scene.start(Left, phoenix(scene));
        bob.sees(&["EXIT alice: said goodbye", "ENTER alice"]);
        alice.next_unwritten();
    }
}

fn ten_restarts_are_ten_lives(scene: &Scene) {
    let bob = scene.start(Right, scene.options("bob"));
    for _ in 0..10 {
        let alice = scene.start(Left, phoenix(scene));
        alice.sees(&["ENTER bob"]);
        bob.sees(&["ENTER alice"]);
        alice.stop();
        bob.sees(&["EXIT alice: said goodbye"]);
    }
    assert_eq!(bob.peers(), []);
}
