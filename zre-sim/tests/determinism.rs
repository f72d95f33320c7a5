//! The same seed and script give the same trace, byte for byte.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use zre_sim::{Conditions, Level, Sim, core::Beacons};

/// Lines that can be read when the simulation is over.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A script with something of everything.
fn run(level: Level, seed: u64) -> (Vec<u8>, u64) {
    let lines = Lines::default();
    let mut sim = Sim::with_level(level, seed);
    sim.trace_to(lines.clone());
    sim.lan("lan").set(Conditions {
        piece: Some(100),
        duplicate: 0.1,
        reorder: 0.1,
        ..Conditions::wifi()
    });
    for name in ["a", "b", "c", "d"] {
        sim.host(name).start();
        sim.node(name).join("CHAT").expect("the node runs");
    }
    sim.route("lan", "far");
    sim.host("e").on("far").start_with(|config| {
        config.beacons = Beacons::Off;
        config.is_gossip_hub = true;
        config
            .connect
            .push("tcp://b:49152".parse().expect("an endpoint"));
    });
    sim.host("f").on("far").start_with(|config| {
        config
            .gossip_connect
            .push("tcp://e:5670".parse().expect("an endpoint"));
    });
    sim.run_for(Duration::from_secs(5));
    sim.host("b").interface("eth0").change_address();
    sim.host("c").interface("wlan0").on("far");
    sim.host("a").drift(-300);
    for number in 0..50 {
        sim.node("a")
            .shout("CHAT", format!("{number}"))
            .expect("the node runs");
    }
    sim.run_for(Duration::from_millis(1));
    sim.link("b", "c").reset();
    sim.partition(&["a", "b"], &["c", "d"]);
    sim.run_for(Duration::from_secs(3));
    sim.heal();
    sim.host("d").crash();
    sim.run_for(Duration::from_secs(2));
    sim.host("d").restart();
    sim.host("c")
        .remove_interface("eth0")
        .interface("eth0")
        .on("lan");
    sim.run_for(Duration::from_secs(60));
    assert!(sim.agrees(), "{:?}", sim.differences());
    sim.check_quiet().unwrap_or_else(|error| panic!("{error}"));
    sim.finish_trace().expect("memory takes everything");
    let lines = lines.0.lock().expect("no holder panics").clone();
    (lines, sim.trace_hash())
}

#[test]
fn one_seed_gives_one_trace_byte_for_byte() {
    for level in [Level::Bytes, Level::Messages] {
        let (first, hash) = run(level, 7);
        assert!(first.len() > 10_000, "little happened");
        assert_eq!((first.clone(), hash), run(level, 7));
        let (other, other_hash) = run(level, 8);
        assert_ne!(first, other);
        assert_ne!(hash, other_hash);
    }
}
