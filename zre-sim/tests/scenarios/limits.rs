//! What a node holds at most.

use zre_sim::{Level, Sim};

use crate::{
    agree_within, comings_and_goings, millis, secs,
    support::{for_each_seed, for_each_seed_at},
};

#[test]
fn a_node_knows_no_more_peers_than_its_limit() {
    for_each_seed(4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("small").start_with(|config| {
            config.limits.peers = 5;
            config.limits.pending_peers = 3;
            config.limits.unclaimed_links = 4;
        });
        let names: Vec<_> = (0..12).map(|number| format!("n{number}")).collect();
        for name in &names {
            sim.host(name).start();
        }
        for _ in 0..100 {
            sim.run_for(millis(100));
            sim.check().unwrap();
        }
        assert_eq!(sim.node("small").peers().len(), 5);
        // Whoever goes makes room for another.
        let known = sim.node("small").peer_names();
        for name in known {
            sim.host(&name).crash();
        }
        sim.run_for(secs(20));
        sim.check().unwrap();
        assert_eq!(sim.node("small").peers().len(), 5);
    });
}

#[test]
fn a_message_beyond_the_limit_is_never_delivered() {
    for_each_seed_at(&[Level::Bytes], 5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("small").start_with(|config| {
            config.limits.message_size = 10_000;
            // The first frame counts for itself.
            config.limits.header_frame = 1_000;
        });
        sim.host("a").start();
        sim.host("b").start();
        agree_within(&mut sim, secs(2));
        let small = sim.node("small").id();
        sim.node("a").whisper(small, vec![1; 9_000]).unwrap();
        sim.run_for(secs(1));
        assert_eq!(
            sim.events_in_short("small").last().unwrap(),
            "whisper a 9000 bytes"
        );
        sim.node("a").whisper(small, vec![2; 12_000]).unwrap();
        sim.run_for(secs(1));
        let events = sim.events_in_short("small");
        assert!(
            !events.iter().any(|line| line.contains("whisper")),
            "{events:?}"
        );
        assert!(
            events
                .iter()
                .any(|line| line.starts_with("exit a: broke the protocol")),
            "{events:?}"
        );
        assert!(
            !events.iter().any(|line| line.starts_with("exit b")),
            "{events:?}"
        );
        // The next session is as good as any.
        agree_within(&mut sim, secs(15));
        sim.node("a").whisper(small, vec![3; 9_000]).unwrap();
        sim.run_for(secs(1));
        assert_eq!(
            sim.events_in_short("small").last().unwrap(),
            "whisper a 9000 bytes"
        );
        sim.check().unwrap();
    });
}

#[test]
fn a_peer_in_too_many_groups_is_gone_and_does_not_come_back() {
    for_each_seed(4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("small")
            .start_with(|config| config.limits.groups_per_peer = 8);
        sim.host("a").start();
        agree_within(&mut sim, secs(2));
        for number in 0..20 {
            sim.node("a")
                .join(format!("g{number}"))
                .expect("the node runs");
        }
        sim.run_for(secs(5));
        assert_eq!(sim.node("small").peers(), []);
        assert_eq!(comings_and_goings(&mut sim, "small"), (1, 1));
        sim.check().unwrap();
    });
}

/// The outbound limit holds for each connection; whoever waits behind it is told.
#[test]
fn no_more_waits_for_a_peer_than_the_outbound_limit() {
    for_each_seed(4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for name in ["a", "b"] {
            sim.host(name)
                .start_with(|config| config.limits.outbound = 100_000);
        }
        agree_within(&mut sim, secs(2));
        sim.host("b").freeze();
        let b = sim.node("b").id();
        let mut taken = 0_u32;
        for number in 0..2_000_u32 {
            let mut content = vec![0; 1000];
            content[..4].copy_from_slice(&number.to_be_bytes());
            taken += u32::from(sim.node("a").whisper(b, content).is_ok());
            sim.run_for(millis(1));
        }
        assert!(sim.node("a").metrics().most_unwritten <= 102_000);
        assert!(taken < 1000, "{taken}");
        sim.host("b").thaw();
        crate::settle(&mut sim, secs(5));
        assert_eq!(sim.node("b").metrics().messages, u64::from(taken));
    });
}
