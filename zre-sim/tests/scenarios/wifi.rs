//! Networks that lose, repeat and delay.

use zre_sim::{Conditions, Sim};

use crate::{
    acquainted, comings_and_goings, crowd, nobody_left, secs, settle, support::for_each_seed, talk,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// 30 % of datagrams lost, four in a row; others twice, or late.
const BAD_WIFI: Conditions = Conditions {
    loss: 0.3,
    burst: 4.0,
    duplicate: 0.05,
    reorder: 0.1,
    piece: Some(500),
    ..Conditions::wifi()
};

#[test]
fn nodes_find_each_other_over_lossy_wifi() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(BAD_WIFI);
        crowd(&mut sim, &NAMES);
        // One of two directions is enough; a run of losses can take some seconds of both.
        settle(&mut sim, secs(10));
    });
}

#[test]
fn nobody_is_given_up_over_lossy_wifi_and_no_message_is_lost() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(BAD_WIFI);
        acquainted(&mut sim, &NAMES);
        talk(&mut sim, &NAMES, secs(60));
        settle(&mut sim, secs(0));
        let received = sim.metrics().messages;
        assert_eq!(received, 600 * 5 * 4, "all messages have come");
        nobody_left(&mut sim, &NAMES);
    });
}

#[test]
fn silence_of_beacons_alone_drives_nobody_away() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        // No datagram comes any more, and nobody has anything to say.
        sim.lan("lan").set(Conditions {
            loss: 0.95,
            burst: 40.0,
            ..Conditions::wifi()
        });
        sim.run_for(secs(180));
        sim.lan("lan").set(Conditions::wifi());
        settle(&mut sim, secs(0));
        for name in NAMES {
            let events = sim.events_in_short(name);
            let evasive = events.iter().any(|line| line.starts_with("evasive"));
            assert!(
                evasive,
                "they were asked whether they are there: {events:?}"
            );
            let gone = events.iter().any(|line| line.starts_with("exit"));
            assert!(!gone, "{events:?}");
        }
    });
}

#[test]
fn beacons_that_come_twice_and_late_change_nothing() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions {
            duplicate: 0.5,
            reorder: 0.3,
            ..Conditions::wifi()
        });
        crowd(&mut sim, &NAMES);
        sim.run_for(secs(20));
        settle(&mut sim, secs(0));
        for name in NAMES {
            assert_eq!(comings_and_goings(&mut sim, name), (4, 0));
        }
    });
}
