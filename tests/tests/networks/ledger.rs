//! What was accepted while a network changes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use zre_tests::{Host, Peer, PeerOptions};

use crate::{
    moving::{Death, roaming_host},
    scene::{ADAPTERS, in_all_cases, meet},
};

const SECOND: Duration = Duration::from_secs(1);

/// What happens to the sender's host.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// An interface dies, and another lives.
    Dies(Death),
    /// A network loses everything, and another does not.
    Cut,
    /// The only address changes.
    Address,
}

impl Change {
    const ALL: [Self; 5] = [
        Self::Dies(Death::Off),
        Self::Dies(Death::Unplugged),
        Self::Dies(Death::Removed),
        Self::Cut,
        Self::Address,
    ];

    fn befall(self, host: &Host) {
        match self {
            Self::Dies(death) => death.befall(host, "eth0"),
            Self::Cut => host.cut("eth0"),
            Self::Address => host.change_address("eth0", "10.1.0.1/24", "10.1.0.11/24"),
        }
    }
}

#[test]
fn what_was_accepted_while_a_network_changes_arrives_in_order_or_is_counted_as_unconfirmed() {
    let flavours = ADAPTERS.into_iter();
    let cases: Vec<_> = flavours
        .flat_map(|flavour| Change::ALL.map(|change| (flavour, change)))
        .collect();
    in_all_cases(&cases, |rig, (flavour, change)| {
        let networks = rig.networks();
        let hosts = [1, 2].map(|number| roaming_host(&networks, number));
        let [from, to] = hosts.each_ref().map(|host| {
            let options = PeerOptions::new("ours").evasive(SECOND);
            let options = options.expired(5 * SECOND);
            let options = match change {
                Change::Address => options.interface("eth0"),
                _ => options.interface("all"),
            };
            Peer::ours(host, *flavour, &options)
        });
        meet(&from, &to);
        let mut sent = 0;
        let mut send = |count| {
            for _ in 0..count {
                from.whisper(to.uuid(), &[format!("{sent}")]);
                sent += 1;
            }
            sent
        };
        send(300);
        change.befall(&hosts[0]);
        let changed_at = send(0);
        // Until they talk again, and somewhat longer.
        let deadline = Instant::now() + 10 * SECOND;
        while received(&to).last() < Some(&changed_at) {
            assert!(Instant::now() < deadline, "{}\n{}", from.said(), to.said());
            send(5);
            to.try_wait_for(Duration::from_millis(20), |_| false);
        }
        let last = send(1) - 1;
        while received(&to).last() != Some(&last) {
            assert!(Instant::now() < deadline, "{}\n{}", from.said(), to.said());
            to.try_wait_for(Duration::from_millis(20), |_| false);
        }
        let numbers = received(&to);
        assert!(numbers.is_sorted(), "{numbers:?}");
        let arrived: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(arrived.len(), numbers.len(), "twice: {numbers:?}");
        let refused = from.errors().len();
        let lost = sent - refused - arrived.len();
        let unconfirmed: u64 = unconfirmed(&from).iter().sum();
        println!(
            "{flavour}, {change:?}: {sent} sent, {refused} refused, {lost} lost, {unconfirmed} \
             unconfirmed"
        );
        assert!(lost as u64 <= unconfirmed, "{}", from.said());
    });
}

/// The numbers that have come, in order.
fn received(by: &Peer) -> Vec<usize> {
    by.pick(|line| {
        let frame = line["frames"][0].as_str()?;
        let text = String::from_utf8(hex::decode(frame).ok()?).ok()?;
        text.parse().ok()
    })
}

/// How many messages each `EXIT` that was told has left in doubt.
fn unconfirmed(by: &Peer) -> Vec<u64> {
    by.pick(|line| (line["event"] == "EXIT").then(|| line["unconfirmed"].as_u64())?)
}
