//! Messages arrive complete, in order, and only at those that they are for.

use bytes::Bytes;
use zre_core::proto::Content;

use crate::scene::{Scene, Side::Left};

crate::behaviours![
    whispers_arrive_frame_by_frame,
    a_whisper_of_a_mebibyte_arrives_whole,
    a_thousand_whispers_keep_their_order,
    shouts_reach_the_members_and_say_how_many,
    what_can_be_sent_at_once_is_sent_at_once,
    messages_joins_and_leaves_keep_their_order,
    senders_on_several_threads_do_not_mix_their_messages,
    a_ping_comes_back_behind_what_was_sent,
];

fn whispers_arrive_frame_by_frame(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let binary: Vec<u8> = (0..=255).collect();
    alice.whisper(bob.id(), "hi").unwrap();
    alice.whisper(bob.id(), "").unwrap();
    alice.whisper(bob.id(), Content::default()).unwrap();
    alice.whisper(bob.id(), ["one", "", "three"]).unwrap();
    alice.whisper(bob.id(), binary).unwrap();
    let frames: Content = (0..500)
        .map(|number| Bytes::from(number.to_string()))
        .collect();
    alice.whisper(bob.id(), frames.clone()).unwrap();
    bob.sees(&[
        "WHISPER alice hi",
        "WHISPER alice ",
        "WHISPER alice ",
        "WHISPER alice one||three",
    ]);
    assert!(bob.next().starts_with("WHISPER alice <256 bytes"));
    assert_eq!(
        bob.next(),
        format!("WHISPER alice {}", crate::scene::shown(&frames))
    );
    bob.whisper(alice.id(), "to you too").unwrap();
    alice.sees(&["WHISPER bob to you too"]);
}

fn a_whisper_of_a_mebibyte_arrives_whole(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let large: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let content = Content::from([Bytes::from(large), Bytes::from_static(b"behind it")]);
    let shown = crate::scene::shown(&content);
    alice.whisper(bob.id(), content.clone()).unwrap();
    bob.whisper(alice.id(), content).unwrap();
    bob.sees(&[&format!("WHISPER alice {shown}")]);
    alice.sees(&[&format!("WHISPER bob {shown}")]);
}

fn a_thousand_whispers_keep_their_order(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let numbers = || {
        (0..1000)
            .map(|number: u32| number.to_string().into())
            .collect()
    };
    let there = alice.begin_whispers(bob.id(), numbers());
    let back = bob.begin_whispers(alice.id(), numbers());
    for number in 0..1000 {
        assert_eq!(bob.next_unwritten(), format!("WHISPER alice {number}"));
        assert_eq!(alice.next_unwritten(), format!("WHISPER bob {number}"));
    }
    there.wait().unwrap();
    back.wait().unwrap();
}

fn shouts_reach_the_members_and_say_how_many(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let carol = scene.start(Left, scene.options("carol"));
    carol.sees_in_any_order(&["ENTER alice", "ENTER bob"]);
    alice.sees(&["ENTER carol"]);
    assert_eq!(alice.shout("CHAT", "nobody").unwrap(), 0);
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
    assert_eq!(alice.shout("CHAT", "bob alone").unwrap(), 1);
    carol.join("CHAT").unwrap();
    alice.sees(&["JOIN carol CHAT"]);
    assert_eq!(alice.shout("CHAT", ["all", "", "of you"]).unwrap(), 2);
    alice.join("CHAT").unwrap();
    assert_eq!(alice.shout("CHAT", Content::default()).unwrap(), 2);
    assert_eq!(alice.shout("chat", "wrong group").unwrap(), 0);
    bob.leave("CHAT").unwrap();
    alice.sees(&["LEAVE bob CHAT"]);
    assert_eq!(alice.shout("CHAT", "carol alone").unwrap(), 1);
    carol.sees_in_any_order(&[
        "JOIN bob CHAT",
        "SHOUT alice CHAT all||of you",
        "JOIN alice CHAT",
        "SHOUT alice CHAT ",
        "LEAVE bob CHAT",
        "SHOUT alice CHAT carol alone",
    ]);
    bob.sees_in_any_order(&[
        "ENTER carol",
        "JOIN carol CHAT",
        "SHOUT alice CHAT bob alone",
        "SHOUT alice CHAT all||of you",
        "JOIN alice CHAT",
        "SHOUT alice CHAT ",
    ]);
}

fn what_can_be_sent_at_once_is_sent_at_once(scene: &Scene) {
    let (alice, bob) = scene.pair();
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
    alice.try_whisper(bob.id(), ["a", "whisper"]).unwrap();
    assert_eq!(alice.try_shout("CHAT", "a shout").unwrap(), 1);
    assert_eq!(alice.try_shout("NOBODY", "a shout").unwrap(), 0);
    bob.sees(&["WHISPER alice a|whisper", "SHOUT alice CHAT a shout"]);
    assert_eq!(bob.try_recv(), None);
}

fn messages_joins_and_leaves_keep_their_order(scene: &Scene) {
    let (alice, bob) = scene.pair();
    bob.join("CHAT").unwrap();
    alice.sees(&["JOIN bob CHAT"]);
    for round in 0..20 {
        let group = format!("GROUP {round}");
        alice.join(&group).unwrap();
        alice.whisper(bob.id(), "a whisper").unwrap();
        alice.shout("CHAT", "a shout").unwrap();
        alice.leave(&group).unwrap();
        bob.sees(&[
            &format!("JOIN alice {group}"),
            "WHISPER alice a whisper",
            "SHOUT alice CHAT a shout",
            &format!("LEAVE alice {group}"),
        ]);
    }
}

fn senders_on_several_threads_do_not_mix_their_messages(scene: &Scene) {
    const EACH: usize = 250;
    let (alice, bob) = scene.pair();
    let senders = [0, 1, 2, 3].map(|sender| {
        let whispers = (0..EACH).map(|number| Content::from(format!("{sender} {number}")));
        (*alice)
            .clone()
            .begin_whispers(bob.id(), whispers.collect())
    });
    let mut next = [0; 4];
    for _ in 0..4 * EACH {
        let line = bob.next_unwritten();
        let (sender, number) = line
            .strip_prefix("WHISPER alice ")
            .and_then(|text| text.split_once(' '))
            .unwrap_or_else(|| panic!("{line}"));
        let wanted = &mut next[sender.parse::<usize>().unwrap()];
        assert_eq!(number, wanted.to_string(), "of sender {sender}");
        *wanted += 1;
    }
    assert_eq!(next, [EACH; 4]);
    for sender in senders {
        sender.wait().unwrap();
    }
}

fn a_ping_comes_back_behind_what_was_sent(scene: &Scene) {
    let (alice, bob) = scene.pair();
    for number in 0..100 {
        alice.whisper(bob.id(), number.to_string()).unwrap();
    }
    let time = alice.ping(bob.id()).unwrap();
    assert!(!time.is_zero() && time < zre_tests::any_node::PATIENCE);
    // What was sent before the ping is there.
    for number in 0..100 {
        let event = bob.try_recv().expect("a whisper is there");
        assert_eq!(bob.lines(&[event]), [format!("WHISPER alice {number}")]);
    }
    let pings = [(); 10].map(|()| alice.begin_ping(bob.id()));
    let times = pings.map(|ping| ping.wait().unwrap());
    assert!(times.iter().all(|time| !time.is_zero()));
}
