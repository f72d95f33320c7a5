//! The page on networks: its commands can be run as they stand there, and show what it says.

use std::process::Stdio;

use zre_tests::{
    Host, Namespace, Networks, RealPeers, Switch, grid,
    switch::{Protocol, Rule},
};

use crate::rig::{Running, doctor, zre};

const PAGE: &str = include_str!("../../../docs/NETWORKS.md");

/// How many commands run at once.
const WORKERS: usize = 4;

#[test]
fn every_command_of_the_page_does_what_it_is_for() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let commands: Vec<_> = blocks("sh").flat_map(str::lines).collect();
    assert!(commands.len() > 10, "{commands:?}");
    let networks = rig.networks();
    let there = networks.host_on("office", "10.1.0.2/24");
    there.add_address("eth0", "fd00::2/64");
    let laptop = laptop(&networks);
    let _bob = Running::pipe(
        &there,
        &[
            "--name",
            "bob",
            "--tcp-port",
            "5000",
            "--gossip-bind",
            "*:5671",
        ],
    );
    grid::run(WORKERS, [commands.len(), 1], |index, _| {
        must_succeed(&laptop, commands[index]);
    });
}

/// A host with all that the page names.
fn laptop(networks: &Networks) -> Host {
    let laptop = networks.host();
    for (interface, lan, address) in [
        ("docker0", "containers", "172.17.0.1/16"),
        ("eth0", "office", "10.1.0.1/24"),
        ("wlan0", "air", "10.2.0.1/24"),
    ] {
        laptop.add_interface(interface, lan);
        laptop.add_address(interface, address);
    }
    laptop.add_address("eth0", "fd00::1/64");
    laptop.ip("route add default dev eth0");
    let bob = [10, 1, 0, 2].into();
    laptop.set_names(&[("host.example", bob), ("hub.example", bob)]);
    laptop
}

fn must_succeed(on: &Namespace, command: &str) {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("zre"), "{command}");
    let subcommand = words.next().expect("a subcommand");
    let output = zre(on, subcommand)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("zre can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{command}: {said}");
}

#[test]
fn the_list_of_interfaces_is_what_the_page_shows() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let host = networks.host();
    host.add_interface("docker0", "containers");
    host.add_address("docker0", "172.17.0.1/16");
    host.add_interface("eth0", "office");
    host.add_address("eth0", "10.1.0.1/24");
    host.add_address("eth0", "fd00::1/64");
    host.ip("route add default dev eth0");
    let output = zre(&host, "interfaces").output().expect("zre can be run");
    let shown = String::from_utf8_lossy(&output.stdout);
    let expected = blocks("text").next().expect("it is the first");
    assert_eq!(masked(&shown), masked(expected));
}

#[test]
fn the_doctor_says_what_the_page_shows() {
    if !Switch::is_available() {
        return;
    }
    let network = Switch::new(2).expect("it was checked");
    for index in [0, 1] {
        let mut shell = network.host(index).command("sh");
        let off = "for i in all lo eth0; do \
             echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done; \
             ip route add default dev eth0";
        let status = shell.args(["-c", off]).status();
        assert!(status.expect("there is a shell").success());
    }
    let _bob = Running::pipe(network.host(1), &["--name", "bob"]);
    network.lose(&[Rule {
        protocol: Some(Protocol::Tcp),
        ..Rule::ANY
    }]);
    let said = doctor(network.host(0), &["--wait", "3s"]);
    let expected = blocks("text").nth(2).expect("it is the third");
    assert_eq!(masked(&said.text), masked(expected));
}

/// The code blocks of a language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("```{language}\n");
    let parts = PAGE.split("```").collect::<Vec<_>>();
    let starts = move |part: &&str| format!("```{part}").starts_with(&fence);
    let blocks = parts.into_iter().skip(1).step_by(2).filter(starts);
    blocks.map(|part| part.split_once('\n').map_or("", |(_, code)| code))
}

/// Without what differs from run to run: identities, ports and counts.
fn masked(text: &str) -> String {
    let is_uuid = |word: &str| word.len() == 32 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let mask = |word: &str| match is_uuid(word) {
        true => "UUID".to_owned(),
        false => word.replace(|it: char| it.is_ascii_digit(), "#"),
    };
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').map(mask).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
