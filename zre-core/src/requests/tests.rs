use alloc::{format, string::String, vec, vec::Vec};

use super::{
    wire::{self, Ids, Kind},
    *,
};
use crate::config::Limits;

fn content(frames: &[&[u8]]) -> Content {
    frames.iter().map(|frame| frame.to_vec()).collect()
}

fn peer(number: u8) -> PeerId {
    [number; 16].into()
}

#[test]
fn a_leading_frame_is_read_as_it_was_written() {
    for (kind, lead) in [
        (Kind::Request, "zre-request/1 a-7"),
        (Kind::Answer, "zre-answer/1 a-7"),
        (Kind::Refusal, "zre-refusal/1 a-7"),
    ] {
        let framed = wire::with_lead(kind, b"a-7", ["x", ""].into());
        assert_eq!(framed, [lead, "x", ""]);
        assert!(wire::may_lead(&framed));
        assert_eq!(wire::read(&framed), Some((kind, "a-7".into())));
        assert_eq!(wire::without_lead(framed), ["x", ""]);
    }
    let framed = wire::with_lead(Kind::Answer, b"1", Content::default());
    assert_eq!(framed, "zre-answer/1 1");
    assert_eq!(wire::without_lead(framed), Content::default());
}

#[test]
fn what_is_malformed_is_no_leading_frame() {
    let longest = format!("zre-request/1 {}", "x".repeat(64));
    assert!(wire::read(&longest.as_str().into()).is_some());
    let too_long = longest + "x";
    for frame in [
        "",
        "zre-",
        "zre-request/1",
        "zre-request/1 ",
        "zre-request/1  7",
        "zre-request/1 7 ",
        "zre-request/1 7 8",
        "zre-request/1 7\n",
        "zre-request/1 7\0",
        "zre-request/1\t7",
        "zre-request/1 é",
        "zre-request/2 7",
        "zre-request/11 7",
        "ZRE-REQUEST/1 7",
        " zre-request/1 7",
        "zre-question/1 7",
        too_long.as_str(),
    ] {
        assert_eq!(wire::read(&frame.into()), None, "{frame:?}");
    }
    assert_eq!(wire::read(&content(&[b"zre-request/1 \xFF"])), None);
    assert_eq!(wire::read(&content(&[b"x", b"zre-request/1 7"])), None);
    assert_eq!(wire::read(&Content::default()), None);
    assert!(!wire::may_lead(&Content::default()));
}

#[test]
fn only_the_ids_of_this_start_are_its_own() {
    let (ids, others) = (Ids::new(7), Ids::new(8));
    assert_eq!(ids.id(12), "0000000000000007-12");
    assert_eq!(ids.number(b"0000000000000007-12"), Some(12));
    for number in [0, 1, u64::MAX] {
        let id = ids.id(number);
        assert!(id.len() <= 64);
        assert_eq!(ids.number(id.as_bytes()), Some(number));
        assert_eq!(others.number(id.as_bytes()), None);
    }
    for id in ["", "-", "7-1", "0000000000000007-", "12"] {
        assert_eq!(ids.number(id.as_bytes()), None, "{id}");
    }
    for id in ["+12", "012", "12 ", "99999999999999999999999"] {
        let id = format!("0000000000000007-{id}");
        assert_eq!(ids.number(id.as_bytes()), None, "{id}");
    }
    assert_eq!(ids.number(b"\xFF-12"), None);
}

/// Who is chosen, so many times, and asked.
fn choices(asked: &mut Asked, members: &[u8], choice: Choice, times: usize) -> Vec<PeerId> {
    let (group, members) = ("G".parse().unwrap(), members.iter().copied().map(peer));
    let members = members.collect();
    let choose = |_| {
        let chosen = asked.choose(&group, &members, choice).unwrap();
        asked.open(chosen, None, Instant::default());
        chosen
    };
    (0..times).map(choose).collect()
}

#[test]
fn members_take_turns_whoever_comes_and_goes() {
    let mut asked = Asked::new(1);
    let robin = Choice::RoundRobin;
    assert_eq!(
        choices(&mut asked, &[1, 2, 3], robin, 4),
        [1, 2, 3, 1].map(peer)
    );
    // The next is gone, another has come.
    assert_eq!(
        choices(&mut asked, &[1, 3, 4], robin, 4),
        [3, 4, 1, 3].map(peer)
    );
    assert_eq!(choices(&mut asked, &[9], robin, 2), [9, 9].map(peer));
    assert_eq!(
        asked.choose(&"G".parse().unwrap(), &BTreeSet::new(), robin),
        None
    );
}

#[test]
fn the_least_busy_member_is_chosen_and_equals_take_turns() {
    let (mut asked, mut backlog) = (Asked::new(1), Backlog::new(&Limits::default()));
    let busy = Choice::LeastBusy;
    assert_eq!(
        choices(&mut asked, &[1, 2, 3], busy, 6),
        [1, 2, 3, 1, 2, 3].map(peer)
    );
    // The second has answered both.
    for number in [2, 5] {
        let id = asked.ids.id(number);
        assert!(asked.take(peer(2), id.as_bytes(), Ok("x".into()), &mut backlog));
    }
    assert_eq!(asked.open_at(peer(2)), 0);
    assert_eq!(
        choices(&mut asked, &[1, 2, 3], busy, 5),
        [2, 2, 3, 1, 2].map(peer)
    );
}

#[test]
fn peers_take_turns_with_their_requests() {
    let (mut served, mut backlog) = (Served::default(), Backlog::new(&Limits::default()));
    let mut ask = |from: u8, what: &str| {
        let (name, id) = (ShortText::default(), "7".into());
        served.take(peer(from), name, id, what.into(), &mut backlog);
    };
    for what in ["a", "b", "c"] {
        ask(1, what);
    }
    ask(2, "d");
    ask(3, "e");
    ask(2, "f");
    let taken = core::iter::from_fn(|| served.poll(&mut backlog));
    let taken: Vec<String> = taken.map(|it| format!("{}", it.content)).collect();
    assert_eq!(taken, ["a", "d", "e", "b", "f", "c"]);
    assert_eq!(served.lane.take_all_of(peer(1)), vec![]);
}
