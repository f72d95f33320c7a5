use alloc::{format, string::String};
use core::time::Duration;

use zre_proto::ShortText;

use super::*;
use crate::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn peer(number: u8) -> PeerId {
    [number; 16].into()
}

fn whisper(from: u8, content: &str) -> Event {
    Event::Whisper {
        peer: peer(from),
        name: ShortText::default(),
        content: String::from(content).into(),
    }
}

fn stop() -> Event {
    let unconfirmed = Vec::new();
    Event::Stop { unconfirmed }
}

fn backlog(events: usize) -> Backlog {
    Backlog::new(&Limits::default().events(events))
}

fn flood(backlog: &mut Backlog, from: u8, count: usize) {
    (0..count).for_each(|number| backlog.push(whisper(from, &format!("{number}"))));
}

/// Takes an event; says whose it is and what its content is.
fn take(backlog: &mut Backlog) -> Option<(PeerId, String)> {
    let event = backlog.pop()?;
    let text = event.content().map(|content| format!("{content:?}"));
    Some((event.peer().unwrap_or(peer(0)), text.unwrap_or_default()))
}

#[test]
fn the_events_after_a_count_are_those_that_have_not_been_taken() {
    let mut backlog = backlog(4096);
    (0..3).for_each(|_| backlog.push(stop()));
    assert_eq!(backlog.queued(), 3);
    let newer = |backlog: &Backlog, count| backlog.after(count).count();
    assert_eq!(
        [0, 1, 3, u64::MAX].map(|count| newer(&backlog, count)),
        [3, 2, 0, 0]
    );
    backlog.pop();
    assert_eq!(
        [0, 1, 2, 3].map(|count| newer(&backlog, count)),
        [2, 2, 1, 0]
    );
}

#[test]
fn new_events_are_seen_in_the_order_in_which_they_came_whoever_has_the_turn() {
    let mut backlog = backlog(4096);
    let (mut seen, mut expected) = (0, 0);
    for round in 0..200 {
        for from in [1, 1, 2, 3 + round % 7] {
            backlog.push(whisper(from, &format!("{expected}")));
            expected += 1;
            // Now and then several at once.
            if expected % 3 == 0 {
                continue;
            }
            let new = backlog.after(seen).map(|event| event.content().cloned());
            let numbers = (seen..expected).map(|number| Some(format!("{number}").into()));
            assert!(new.eq(numbers), "after {seen}");
            seen = expected;
        }
        backlog.pop();
    }
}

#[test]
fn few_events_are_taken_in_the_order_in_which_they_came() {
    let mut backlog = backlog(4096);
    let order = [1, 2, 1, 3, 2, 1];
    order
        .iter()
        .for_each(|from| backlog.push(whisper(*from, "x")));
    let taken = order.map(|_| take(&mut backlog).unwrap().0);
    assert_eq!(taken, order.map(peer));
    assert!(backlog.others.is_empty(), "no queue was made");
}

#[test]
fn a_quiet_peer_waits_for_one_turn_and_not_for_all_that_another_has_sent() {
    let mut backlog = backlog(4096);
    flood(&mut backlog, 1, 1500);
    for number in 0..20 {
        backlog.push(whisper(2, &format!("quiet {number}")));
        let waited = core::iter::from_fn(|| take(&mut backlog));
        let waited = waited.take_while(|(from, _)| *from == peer(1)).count();
        assert!(waited <= Backlog::TURN, "behind {waited} others");
    }
}

#[test]
fn the_events_of_each_peer_keep_their_order_and_none_is_lost() {
    let mut backlog = backlog(4096);
    let (mut next, mut taken) = ([0_u32; 5], [0_u32; 5]);
    let check = |(from, text): (PeerId, String), taken: &mut [u32; 5]| {
        let index = usize::from(from.to_bytes()[0]);
        assert!(text.contains(&format!("<{}>", taken[index])), "{text}");
        taken[index] += 1;
    };
    for round in 0..3000_u32 {
        let from = [0, 0, 0, 1, 2, 0, 3, 0, 4, 1][(round * round % 10) as usize];
        backlog.push(whisper(from, &format!("<{}>", next[usize::from(from)])));
        next[usize::from(from)] += 1;
        if round % 3 != 0 {
            check(take(&mut backlog).unwrap(), &mut taken);
        }
    }
    while let Some(event) = take(&mut backlog) {
        check(event, &mut taken);
    }
    assert_eq!(taken, next);
    assert_eq!(backlog.total.weight, 0);
    assert!(backlog.is_empty());
}

#[test]
fn what_is_about_no_peer_comes_last() {
    let mut backlog = backlog(4096);
    flood(&mut backlog, 1, 100);
    flood(&mut backlog, 2, 100);
    backlog.push(stop());
    (0..200).for_each(|_| assert!(take(&mut backlog).unwrap().0 != peer(0)));
    assert_eq!(backlog.pop(), Some(stop()));
    assert_eq!(backlog.pop(), None);
}

#[test]
fn a_peer_is_held_when_as_much_of_it_waits_as_is_free_and_the_others_are_not() {
    let mut backlog = backlog(4096);
    flood(&mut backlog, 1, 2047);
    assert!(backlog.may_take(peer(1)));
    flood(&mut backlog, 1, 1);
    assert!(!backlog.may_take(peer(1)) && backlog.may_take(peer(2)));
    // The second can have half of what is left.
    flood(&mut backlog, 2, 1024);
    assert!(!backlog.may_take(peer(2)) && backlog.may_take(peer(3)));
    assert!(!backlog.is_congested());
    flood(&mut backlog, 3, 1024);
    assert!(!backlog.may_take(peer(4)), "now the limit is reached");
}

#[test]
fn a_peer_is_held_for_the_bytes_of_its_events_too() {
    let mut backlog = Backlog::new(&Limits::default().event_bytes(1 << 20));
    backlog.push(whisper(1, &"x".repeat(600 << 10)));
    assert!(!backlog.may_take(peer(1)) && backlog.may_take(peer(2)));
    assert!(!backlog.is_congested());
    backlog.pop();
    assert!(backlog.may_take(peer(1)));
}

#[test]
fn a_held_peer_is_read_again_after_half_and_at_once_if_somebody_looks() {
    let mut backlog = backlog(4096);
    flood(&mut backlog, 1, 2048);
    (0..1023).for_each(|_| drop(backlog.pop()));
    assert!(!backlog.may_take(peer(1)));
    backlog.pop();
    assert!(backlog.may_take(peer(1)));

    flood(&mut backlog, 1, 1024);
    assert!(!backlog.may_take(peer(1)));
    backlog.relieve();
    assert!(!backlog.may_take(peer(1)), "there is no room");
    backlog.pop();
    backlog.relieve();
    assert!(backlog.may_take(peer(1)));
}

#[test]
fn a_congestion_ends_when_half_is_free() {
    let mut backlog = backlog(80);
    for from in 1..=80 {
        backlog.push(whisper(from, "x"));
    }
    assert!(backlog.is_congested() && !backlog.may_take(peer(99)));
    (0..39).for_each(|_| drop(backlog.pop()));
    assert!(backlog.is_congested());
    backlog.pop();
    assert!(!backlog.is_congested() && backlog.may_take(peer(99)));
}

/// However the events fall, nobody stays held when nothing waits, and the total is right.
#[test]
fn nobody_is_held_when_all_has_been_taken() {
    for (limit, peers) in [(1, 1), (2, 2), (3, 5), (16, 3), (100, 7), (1000, 2)] {
        let mut backlog = backlog(limit);
        let mut state = 1_u32;
        for _ in 0..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let from = state.to_be_bytes()[1] % peers;
            if backlog.may_take(peer(from)) && state >> 28 < 9 {
                backlog.push(whisper(from, "x"));
            } else {
                backlog.pop();
            }
            assert!(backlog.len() <= limit);
        }
        while backlog.pop().is_some() {}
        assert!(!backlog.is_holding(), "{limit} {peers}");
        assert_eq!((backlog.len(), backlog.total.weight), (0, 0));
        assert!(backlog.others.is_empty() && backlog.turns.is_empty());
    }
}

#[test]
fn a_deadline_stands_still_while_the_application_is_behind() {
    let mut backlog = backlog(2);
    let mut patience = Patience::until(at(10), &backlog);
    assert!(!patience.is_over(at(9), SECOND, None, &backlog));
    assert!(patience.is_over(at(10), SECOND, None, &backlog));

    backlog.push(stop());
    backlog.push(stop());
    assert!(backlog.is_congested());
    assert!(!patience.is_over(at(10), SECOND, None, &backlog));
    assert_eq!(patience.deadline(), at(10) + SECOND);

    // What was unread when the congestion ended is being read only now.
    backlog.pop();
    assert!(!backlog.is_congested());
    let now = at(10) + SECOND;
    assert!(!patience.is_over(now, SECOND, None, &backlog));
    assert!(patience.is_over(now + SECOND, SECOND, None, &backlog));
}

#[test]
fn a_held_peers_deadline_stands_still_and_that_of_another_does_not() {
    let mut backlog = backlog(4096);
    let (mut flooder, mut dead) = (
        Patience::until(at(10), &backlog),
        Patience::until(at(10), &backlog),
    );
    flood(&mut backlog, 1, 2048);
    assert!(!flooder.is_over(at(10), SECOND, Some(peer(1)), &backlog));
    assert!(dead.is_over(at(10), SECOND, Some(peer(2)), &backlog));
    (0..1500).for_each(|_| drop(backlog.pop()));
    // Nor does that the flooder is read again.
    assert!(dead.is_over(at(10), SECOND, Some(peer(2)), &backlog));
    let now = at(10) + SECOND;
    assert!(!flooder.is_over(now, SECOND, Some(peer(1)), &backlog));
    assert!(flooder.is_over(now + SECOND, SECOND, Some(peer(1)), &backlog));
}

#[test]
fn what_is_remembered_of_held_peers_that_are_gone_is_bounded() {
    let mut backlog = backlog(64);
    for number in 0..3000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let peer = PeerId::from(id);
        let enter = |name: ShortText| Event::Silent { peer, name };
        (0..32).for_each(|_| backlog.push(enter(ShortText::default())));
        assert!(!backlog.may_take(peer));
        backlog.push(Event::Exit {
            peer,
            name: ShortText::default(),
            reason: crate::ExitReason::Goodbye,
            unconfirmed: 0,
        });
        while backlog.pop().is_some() {}
    }
    assert!(backlog.reliefs.remembered() <= 1024);
}

#[test]
fn what_waits_elsewhere_counts_and_is_no_event() {
    let mut backlog = backlog(16);
    backlog.set_aside(peer(1), 7, 100);
    assert!(backlog.is_empty());
    assert!(backlog.may_take(peer(1)));
    backlog.push(whisper(1, "one"));
    assert_eq!(backlog.len(), 1);
    assert!(!backlog.may_take(peer(1)), "as much waits as is free");
    flood(&mut backlog, 2, 4);
    assert!(!backlog.may_take(peer(2)), "4 wait and 4 are free");
    assert!(backlog.may_take(peer(3)));
    // Taken, it makes room, and what is counted comes to nothing in the end.
    backlog.take_aside(peer(1), 7, 100);
    assert!(backlog.may_take(peer(1)) && !backlog.may_take(peer(2)));
    assert_eq!(backlog.len(), 5);
    while take(&mut backlog).is_some() {}
    assert!(!backlog.is_holding());
    assert_eq!((backlog.total.weight, backlog.len()), (0, 0));
}

#[test]
fn a_congestion_of_what_waits_elsewhere_ends_when_half_is_taken() {
    let mut backlog = backlog(16);
    let ask = |backlog: &mut Backlog, from| backlog.set_aside(peer(from), 1, 1);
    (1..=16).for_each(|from| ask(&mut backlog, from));
    assert!(backlog.is_congested());
    for from in 1..8 {
        backlog.take_aside(peer(from), 1, 1);
        assert!(backlog.is_congested());
    }
    backlog.take_aside(peer(8), 1, 1);
    assert!(!backlog.is_congested());
    // Events keep their turns and their limits beside it.
    flood(&mut backlog, 1, 4);
    assert!(!backlog.may_take(peer(1)) && backlog.may_take(peer(2)));
    (9..=16).for_each(|from| backlog.take_aside(peer(from), 1, 1));
    let texts = core::iter::from_fn(|| take(&mut backlog)).map(|(_, text)| text);
    assert_eq!(texts.count(), 4);
    assert!(!backlog.is_holding());
}
