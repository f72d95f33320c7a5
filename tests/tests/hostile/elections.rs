//! ELECT and LEADER, of which only zyre speaks.

use zre_core::ExitReason;
use zre_proto::Body;
use zre_tests::raw_peer::{Manner, encode, frame};

use crate::{
    crafted::{group, whisper},
    log::{FEED, Seen},
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    malformed_elections_end_their_session_and_no_other,
    elections_without_end_cost_nothing,
];

fn malformed_elections_end_their_session_and_no_other(stage: Stage) {
    const ELECT: u8 = 8;
    const LEADER: u8 = 9;
    let scene = stage.begin();
    let rubbish: [&[u8]; 4] = [b"", b"\x04", b"\x04FEE", b"\x04FEED\xFF\xFF\xFF\xFFx"];
    let mut sent = 0;
    for kind in [ELECT, LEADER] {
        for rest in rubbish {
            let mut mallory = scene.intruder(Manner::Reads);
            let id = mallory.id();
            let bytes = [&[0xAA, 0xA1, kind, 2, 0, 2], rest].concat();
            let _ = mallory.peer.send_raw(&frame(false, false, &bytes));
            scene.demand(
                mallory.peer.is_closed_within(DEADLINE),
                format_args!("left open: {}", bytes.escape_ascii()),
            );
            scene.demand_in_time("its exit", |facts| {
                matches!(facts.exits(id)[..], [ExitReason::ProtocolError(_)])
            });
            sent += 1;
        }
    }
    scene.finish(
        format_args!("sent {sent} malformed ELECTs and LEADERs"),
        8 * MIB,
    );
}

fn elections_without_end_cost_nothing(stage: Stage) {
    const MESSAGES: u32 = 20_000;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    scene.victim.join(FEED).expect("it runs");
    mallory.say(Body::Join {
        group: group(FEED),
        status: 1,
    });
    let mut bytes = Vec::new();
    for number in 0..MESSAGES {
        let sequence = mallory.peer.next_sequence();
        // Challengers that rise and fall, and such that are no identity at all.
        let claim = match number % 3 {
            0 => format!("{number:032X}"),
            1 => format!("{:032X}", u32::MAX - number),
            _ => "nobody".to_owned(),
        };
        let claim = claim.as_str().try_into().expect("a text");
        let group = group(if number % 5 == 0 { "OTHER" } else { FEED });
        bytes.extend(encode(
            sequence,
            match number % 2 {
                0 => Body::Elect {
                    group,
                    challenger: claim,
                },
                _ => Body::Leader {
                    group,
                    leader: claim,
                },
            },
        ));
        mallory.peer.skip_to(sequence);
    }
    mallory.peer.send_raw(&bytes).expect("the node reads");
    mallory.say(whisper("behind"));
    scene.demand_in_time("the whisper behind them", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 6))
    });
    scene.chat_for(30);
    let mut answers: u32 = 0;
    while mallory.listener.try_receive().is_some() {
        answers += 1;
    }
    scene.demand(answers <= MESSAGES, format_args!("{answers} answers"));
    scene.finish(
        format_args!("sent {MESSAGES} ELECTs and LEADERs of any claim"),
        16 * MIB,
    );
}
