//! What goes wrong.

use std::time::Duration;

use serde_json::json;
use zre_tests::switch::{Protocol, Rule};

use crate::scene::{RECEIVER, SENDER, Scene};

/// The sender's `expired_after`: shorter than by default, so that a run does not take minutes.
const SHORT: Duration = Duration::from_secs(6);
/// The default, for faults that must end before it.
const DEFAULT: Duration = Duration::from_secs(30);

/// Something that goes wrong between a sender and a receiver.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Both nodes' `expired_after`.
    pub(crate) expired: Duration,
    pub(crate) expect: Expect,
    /// Whether the receiver tells all that it has confirmed: it is neither killed nor frozen.
    pub(crate) receiver_lives: bool,
    /// What the sender is started with besides.
    pub(crate) sender_arguments: &'static [&'static str],
    /// What a receiver of ours is started with besides.
    pub(crate) receiver_arguments: &'static [&'static str],
    /// What is lost before they start, and until it is mended.
    pub(crate) from_the_start: Option<Rule>,
    pub(crate) act: fn(&Scene),
}

/// What must hold besides that nothing is lost in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// No more.
    Told,
    /// All is delivered and nobody exits.
    Delivery,
    /// The last message is delivered, whatever was lost before.
    Recovery,
    /// The receiver never enters, so nothing is accepted for it.
    NoEntry,
}

impl Fault {
    pub(crate) fn expired_ms(&self) -> u64 {
        self.expired.as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// Whether only a receiver of ours can do it.
    pub(crate) fn is_for_ours(&self) -> bool {
        !self.receiver_arguments.is_empty()
    }
}

/// A fault that ends the session.
const ENDING: Fault = Fault {
    name: "",
    expired: SHORT,
    expect: Expect::Told,
    receiver_lives: true,
    sender_arguments: &[],
    receiver_arguments: &[],
    from_the_start: None,
    act: |_| {},
};
/// A fault that is there before they could meet.
const PREVENTING: Fault = Fault {
    expect: Expect::NoEntry,
    act: never_meet,
    ..ENDING
};
/// A fault that a session survives.
const PASSING: Fault = Fault {
    expect: Expect::Delivery,
    ..ENDING
};

pub(crate) const ALL: &[Fault] = &[
    Fault {
        name: "none",
        act: none,
        ..PASSING
    },
    Fault {
        name: "10 % lost",
        expired: DEFAULT,
        act: |scene| lose_by_chance(scene, 0.1),
        ..PASSING
    },
    Fault {
        name: "30 % lost",
        act: |scene| lose_by_chance(scene, 0.3),
        ..ENDING
    },
    Fault {
        name: "cut for ever",
        act: |scene| lose_until_exit(scene, &[Rule::ANY]),
        ..ENDING
    },
    Fault {
        name: "cut for 10 s",
        expired: DEFAULT,
        act: cut_for_10_s,
        ..PASSING
    },
    Fault {
        name: "cut for longer than peers are missed",
        expect: Expect::Recovery,
        act: cut_for_10_s,
        ..ENDING
    },
    Fault {
        name: "large frames lost",
        act: |scene| large_frames_lost(scene, 100_000),
        ..ENDING
    },
    Fault {
        name: "large frames lost, the kernel has all",
        act: |scene| large_frames_lost(scene, 10_000),
        ..ENDING
    },
    Fault {
        name: "TCP lost from sender to receiver",
        act: |scene| lose_until_exit(scene, &[tcp_from_to(SENDER, RECEIVER)]),
        ..ENDING
    },
    Fault {
        name: "TCP lost from receiver to sender",
        act: |scene| lose_until_exit(scene, &[tcp_from_to(RECEIVER, SENDER)]),
        ..ENDING
    },
    Fault {
        name: "TCP lost, beacons pass",
        act: |scene| lose_until_exit(scene, &[only(Protocol::Tcp)]),
        ..ENDING
    },
    Fault {
        name: "beacons only from the start",
        from_the_start: Some(only(Protocol::Tcp)),
        ..PREVENTING
    },
    Fault {
        name: "sender cannot connect from the start",
        from_the_start: Some(connect_from_to(SENDER, RECEIVER)),
        ..PREVENTING
    },
    Fault {
        name: "receiver cannot connect from the start",
        from_the_start: Some(connect_from_to(RECEIVER, SENDER)),
        ..PREVENTING
    },
    Fault {
        name: "receiver killed",
        receiver_lives: false,
        act: receiver_killed,
        ..ENDING
    },
    Fault {
        name: "receiver frozen for ever",
        receiver_lives: false,
        act: receiver_frozen_for_ever,
        ..ENDING
    },
    Fault {
        name: "receiver frozen for 3 s",
        act: receiver_frozen_for_3_s,
        ..PASSING
    },
    Fault {
        name: "stop behind 1,000",
        expect: Expect::Delivery,
        act: |scene| stop_behind(scene, 1_000),
        ..ENDING
    },
    Fault {
        name: "stop behind 20,000",
        act: |scene| stop_behind(scene, 20_000),
        ..ENDING
    },
    Fault {
        name: "stop before a slow receiver",
        sender_arguments: &["--linger=1000ms"],
        receiver_arguments: &["--events=100", "--pace=20ms"],
        act: stop_before_a_slow_receiver,
        ..ENDING
    },
];

fn none(scene: &Scene) {
    scene.meet();
    scene.begin_talk();
    scene.go_on_for(Duration::from_secs(2));
    scene.settle();
}

fn lose_by_chance(scene: &Scene, chance: f64) {
    scene.meet();
    scene.begin_talk();
    scene.lose(&[Rule {
        chance,
        ..Rule::ANY
    }]);
    scene.go_on_for(Duration::from_secs(6));
    scene.settle();
    scene.mend();
}

/// The fault begins within a session and stays.
fn lose_until_exit(scene: &Scene, rules: &[Rule]) {
    scene.meet();
    scene.begin_talk();
    scene.lose(rules);
    scene.go_on_until_exit();
    scene.settle();
    scene.mend();
}

fn cut_for_10_s(scene: &Scene) {
    scene.meet();
    scene.begin_talk();
    scene.lose(&[Rule::ANY]);
    scene.go_on_for(Duration::from_secs(10));
    scene.mend();
    // TCP may wait as long as it has waited before until it tries again.
    scene.go_on_for(Duration::from_secs(5));
    scene.settle();
}

/// A path that takes only small frames and tells nobody. The first message is larger, so all behind
/// it wait; beacons pass.
fn large_frames_lost(scene: &Scene, first_bytes: usize) {
    scene.meet();
    let larger_than = Some(600);
    scene.lose(&[Rule {
        larger_than,
        ..Rule::ANY
    }]);
    scene.begin(json!({"every_ms": 20, "bytes": 16, "first_bytes": first_bytes}));
    scene.go_on_until_exit();
    scene.settle();
    scene.mend();
}

/// The fault is there before they could meet.
fn never_meet(scene: &Scene) {
    scene.begin(json!({"every_ms": 20, "bytes": 16}));
    scene.go_on_for(Duration::from_secs(12));
    scene.settle();
    scene.mend();
}

fn receiver_killed(scene: &Scene) {
    scene.meet();
    scene.begin_talk();
    scene.receiver.kill9();
    scene.receiver.wait_exit();
    scene.go_on_until_exit();
    scene.settle();
}

/// Messages are large enough to fill what the kernels hold.
fn receiver_frozen_for_ever(scene: &Scene) {
    scene.meet();
    scene.begin(json!({"every_ms": 2, "bytes": 16_384}));
    scene.go_on_for(Duration::from_secs(1));
    scene.receiver.freeze();
    scene.go_on_until_exit();
    scene.settle();
}

fn receiver_frozen_for_3_s(scene: &Scene) {
    scene.meet();
    scene.begin(json!({"every_ms": 2, "bytes": 16_384}));
    scene.go_on_for(Duration::from_secs(1));
    scene.receiver.freeze();
    scene.go_on_for(Duration::from_secs(3));
    scene.receiver.thaw();
    scene.go_on_for(Duration::from_secs(1));
    scene.settle();
}

fn stop_behind(scene: &Scene, count: u64) {
    scene.meet();
    scene.begin(json!({"count": count, "bytes": 16, "then_stop": true}));
    scene.wait_stopped();
}

/// More is sent than all buffers hold, and less is taken within the linger time.
fn stop_before_a_slow_receiver(scene: &Scene) {
    scene.meet();
    scene.begin(json!({"for_ms": 4_000, "bytes": 65_536, "then_stop": true}));
    scene.wait_stopped();
}

const fn only(protocol: Protocol) -> Rule {
    let protocol = Some(protocol);
    Rule {
        protocol,
        ..Rule::ANY
    }
}

const fn tcp_from_to(from: usize, to: usize) -> Rule {
    Rule {
        from: Some(from),
        to: Some(to),
        ..only(Protocol::Tcp)
    }
}

const fn connect_from_to(from: usize, to: usize) -> Rule {
    Rule {
        from: Some(from),
        to: Some(to),
        ..only(Protocol::Connect)
    }
}
