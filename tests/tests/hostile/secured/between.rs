//! Somebody between two nodes with keys.

use super::*;

attacks![
    a_session_that_somebody_changes_on_its_way_ends_and_comes_back,
    bits_that_are_changed_in_a_sealed_session_end_it,
];

/// Carol, whose connection to the victim leads past somebody.
fn meddle_with(stage: Stage, deeds: &[Deed], did: &str) {
    let scene = stage.begin_secured();
    let meddler = Meddler::before(scene.endpoint());
    let id = random_id();
    scene.facts().newcomers.insert(id);
    let carol = scene.alice.host().start(NodeOptions {
        uuid: Some(id.uuid()),
        beacons: zre_core::Beacons::Off,
        connect: vec![format!("{}|{}", meddler.endpoint(), victims_key())],
        ..scene.honest()
    });
    let carol = carol.expect("a node on loopback");
    let victim = scene.victim.id();
    let enters = |facts: &crate::log::Facts| facts.count(&Seen::Enter(id));
    let mut sent = 0;
    let mut send_until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + 2 * DEADLINE;
        while !done() {
            if Instant::now() > deadline {
                scene.demand(false, format_args!("waited in vain for {what}"));
                return;
            }
            // It fails while she is not connected.
            if carol.try_whisper(victim, format!("number {sent}")).is_ok() {
                sent += 1;
            }
            scene.chat_for(1);
        }
    };
    send_until("carol", &|| !scene.facts().heard.is_empty());
    for (turn, deed) in deeds.iter().enumerate() {
        let before = scene.facts().exits(id).len();
        meddler.meddle(*deed);
        send_until("the deed", &|| !meddler.waits());
        send_until("the end of her session", &|| {
            scene.facts().exits(id).len() > before
        });
        let entered = turn + 2;
        send_until("her return", &|| enters(&scene.facts()) >= entered);
        let heard = scene.facts().heard.len();
        send_until("what she says", &|| scene.facts().heard.len() > heard);
    }
    let facts = scene.facts();
    let exits = facts.exits(id);
    let heard = facts.heard.clone();
    drop(facts);
    let known = |exit: &ExitReason| {
        matches!(
            exit,
            ExitReason::ProtocolError(_) | ExitReason::ConnectionLost | ExitReason::Restarted
        )
    };
    scene.demand(exits.iter().all(known), format_args!("{exits:?}"));
    // In order, none twice, and none that she has not said.
    let numbers = heard.iter().map(|text| {
        let number = text.strip_prefix("number ")?.parse::<u64>().ok()?;
        (number < sent).then_some(number)
    });
    let numbers: Option<Vec<u64>> = numbers.collect();
    let is_true = numbers.is_some_and(|it| it.windows(2).all(|pair| pair[0] < pair[1]));
    scene.demand(is_true, format_args!("heard {heard:?}"));
    scene.finish(did, 16 * MIB);
}

fn a_session_that_somebody_changes_on_its_way_ends_and_comes_back(stage: Stage) {
    let deeds = [
        Deed::LeaveOut,
        Deed::Repeat,
        Deed::Delay,
        Deed::Insert,
        Deed::Cut,
    ];
    meddle_with(
        stage,
        &deeds,
        "left out, repeated, delayed, inserted and cut sealed frames",
    );
}

fn bits_that_are_changed_in_a_sealed_session_end_it(stage: Stage) {
    // In the name, the number, the authenticator, the flags and the frame.
    let bits = [3, 8 * 15, 8 * 20, 8 * 32, 8 * 32 + 1, 8 * 36 + 5];
    let deeds = bits.map(Deed::Flip);
    meddle_with(stage, &deeds, "changed 6 bits of sealed frames");
}
