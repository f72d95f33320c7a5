//! A node of any adapter as JSON lines on standard input and output, in the format of `zre pipe`.
//! With it, the rig tests each adapter with real zyre and pyre nodes. Usage: `pipe_node FLAVOUR
//! --name=NAME ..`

#![allow(
    clippy::indexing_slicing,
    reason = "setting a key of a JSON object cannot fail"
)]

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, Write as _},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use zre_core::{
    Beacons, Event, ExitReason, NetworkInfo,
    interfaces::IpVersion,
    proto::{Content, PeerId},
};
use zre_driver::api::{NodeKey, Trust};
use zre_net::keys::load_secret;
use zre_tests::any_node::{AnyNode, Flavour, Host, Next, NodeOptions};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let flavour = arguments.next().unwrap_or_default();
    let flavour = Flavour::parse(&flavour).ok_or("the first argument is no flavour")?;
    let arguments: Vec<String> = arguments.collect();
    log(arguments.iter().any(|it| it == "--verbose"));
    let node = Host::new(flavour).start(options(arguments.into_iter())?)?;
    let (uuid, endpoint) = (node.id().to_string(), node.endpoint().to_string());
    let key = node.key().map(|key| key.to_string());
    say(&json!({
        "event": "START", "uuid": uuid, "name": node.name(), "endpoint": endpoint, "key": key,
    }));
    let listening = node.clone();
    let events = thread::spawn(move || tell_events(&listening));
    for line in io::stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        if text(&command, "do") == "stop" {
            break;
        }
        if let Err(error) = carry_out(&node, &command) {
            say(&json!({"error": error.to_string()}));
        }
    }
    node.stop();
    events.join().map_err(|_| "the events' thread panicked")?;
    Ok(())
}

/// Warnings, or more, on standard error, of which the rig shows the end when a test fails.
fn log(is_verbose: bool) {
    let level = match is_verbose {
        true => LevelFilter::DEBUG,
        false => LevelFilter::WARN,
    };
    let log = tracing_subscriber::fmt().with_max_level(level);
    log.with_ansi(false).with_writer(io::stderr).init();
}

fn options(arguments: impl Iterator<Item = String>) -> Outcome<NodeOptions> {
    let mut options = NodeOptions::default();
    for argument in arguments {
        let (flag, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let value = value.to_owned();
        let milliseconds = || {
            let number = value.strip_suffix("ms").unwrap_or(&value);
            number.parse().map(Duration::from_millis)
        };
        match flag {
            "--name" => options.name = Some(value),
            "--uuid" => options.uuid = Some(value.parse()?),
            "--header" => {
                let (name, value) = value.split_once('=').ok_or("a header is NAME=VALUE")?;
                options.headers.push((name.to_owned(), value.to_owned()));
            }
            "--group" => options.groups.push(value),
            "--contest" => options.contest.push(value),
            "--interface" => options.interfaces.push(value),
            "--ipv4" => options.ip = IpVersion::V4,
            "--ipv6" => options.ip = IpVersion::V6,
            "--no-beacon" => options.beacons = Beacons::Off,
            "--multicast" => options.beacons = Beacons::Multicast(value.parse()?),
            "--beacon-to" => {
                let address = value.parse()?;
                match &mut options.beacons {
                    Beacons::To(addresses) => addresses.push(address),
                    others => *others = Beacons::To(vec![address]),
                }
            }
            "--connect" => options.connect.push(value),
            "--gossip-bind" => options.gossip_bind = Some(value),
            "--gossip-connect" => options.gossip_connect.push(value),
            "--key" => options.key = Some(NodeKey::file(value)),
            "--trust" => {
                options.trust = Some(match value.as_str() {
                    "any" => Trust::Any,
                    _ => Trust::dir(value),
                });
            }
            "--secret-file" => {
                let read = load_secret(value)?;
                options.secret = Some(read.secret.to_string());
            }
            "--advertise" => options.advertise = Some(value.parse()?),
            "--tcp-port" => options.tcp_port = Some(value.parse()?),
            "--port" => options.port = Some(value.parse()?),
            "--interval" => options.beacon_interval = Some(milliseconds()?),
            "--evasive" => options.evasive = Some(milliseconds()?),
            "--expired" => options.expired = Some(milliseconds()?),
            "--verbose" => {}
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    Ok(options)
}

fn carry_out(node: &AnyNode, command: &Value) -> Outcome {
    let group = text(command, "group");
    match text(command, "do") {
        "join" => node.join(group)?,
        "leave" => node.leave(group)?,
        "contest" => node.contest(group)?,
        "withdraw" => node.withdraw(group)?,
        "whisper" => {
            let peer: PeerId = text(command, "peer").parse()?;
            node.whisper(peer, frames(command)?)?;
        }
        "shout" => _ = node.shout(group, frames(command)?)?,
        "peers" => say(&json!({"peers": texts(node.peers())})),
        "groups" => {
            let (own, peer) = (texts(node.own_groups()), texts(node.peer_groups()));
            say(&json!({"own": own, "peer": peer}));
        }
        other => return Err(format!("what is {other}?").into()),
    }
    Ok(())
}

fn tell_events(node: &AnyNode) {
    loop {
        match node.recv(Duration::from_secs(5)) {
            Next::Event(event) => say(&line(&event)),
            Next::Late => {}
            Next::Ended => return,
        }
    }
}

fn line(event: &Event) -> Value {
    let about = |kind: &str, peer: &PeerId, name: &dyn ToString| {
        let (peer, name) = (peer.to_string(), name.to_string());
        json!({"event": kind, "peer": peer, "name": name})
    };
    let mut line = json!({});
    match event {
        Event::Enter {
            peer,
            name,
            endpoint,
            headers,
            key,
        } => {
            line = about("ENTER", peer, name);
            line["addr"] = endpoint.to_string().into();
            let headers = headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string().into()));
            line["headers"] = Value::Object(headers.collect());
            if let Some(key) = key {
                line["key"] = key.public.to_string().into();
                line["certificate"] = key.metadata.iter().collect();
            }
        }
        Event::Refused { peer, key, by } => {
            line = json!({
                "event": "REFUSED", "peer": peer.to_string(), "key": key.to_string(),
                "by": by.as_str(),
            });
        }
        Event::Exit {
            peer,
            name,
            reason,
            unconfirmed,
        } => {
            line = about("EXIT", peer, name);
            line["unconfirmed"] = (*unconfirmed).into();
            line["reason"] = match reason {
                ExitReason::Goodbye => "GOODBYE".into(),
                ExitReason::Refused => "REFUSED".into(),
                other => other.to_string().into(),
            };
        }
        Event::Join { peer, name, group } => {
            line = about("JOIN", peer, name);
            line["group"] = group.to_string().into();
        }
        Event::Leave { peer, name, group } => {
            line = about("LEAVE", peer, name);
            line["group"] = group.to_string().into();
        }
        Event::Whisper {
            peer,
            name,
            content,
        } => {
            line = about("WHISPER", peer, name);
            line["frames"] = in_hex(content);
        }
        Event::Shout {
            peer,
            name,
            group,
            content,
        } => {
            line = about("SHOUT", peer, name);
            line["group"] = group.to_string().into();
            line["frames"] = in_hex(content);
        }
        Event::Evasive { peer, name } => line = about("EVASIVE", peer, name),
        Event::Silent { peer, name } => line = about("SILENT", peer, name),
        Event::Leader {
            group, peer, name, ..
        } => {
            line = about("LEADER", peer, name);
            line["group"] = group.to_string().into();
        }
        Event::Network {
            networks,
            joined,
            left,
        } => {
            line = json!({
                "event": "NETWORK", "networks": all_as_json(networks),
                "joined": all_as_json(joined), "left": all_as_json(left),
            });
        }
        Event::Stop { unconfirmed } => {
            line["event"] = "STOP".into();
            let messages: u64 = unconfirmed.iter().map(|peer| peer.messages).sum();
            line["unconfirmed"] = messages.into();
        }
        other => line["error"] = format!("{other:?}").into(),
    }
    line
}

fn all_as_json(networks: &[NetworkInfo]) -> Value {
    let as_json = |network: &NetworkInfo| {
        json!({
            "interface": network.interface, "address": network.address.to_string(),
            "endpoint": network.endpoint.to_string(), "announces": network.announces,
        })
    };
    networks.iter().map(as_json).collect()
}

fn in_hex(content: &Content) -> Value {
    content.frames().iter().map(hex::encode).collect()
}

fn frames(command: &Value) -> Outcome<Content> {
    let frames = command
        .get("frames")
        .and_then(Value::as_array)
        .ok_or("no frames")?;
    let decoded = frames
        .iter()
        .map(|frame| hex::decode(frame.as_str().unwrap_or_default()));
    Ok(decoded
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .collect())
}

fn text<'a>(command: &'a Value, key: &str) -> &'a str {
    command.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn texts(items: Vec<impl ToString>) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn say(line: &Value) {
    // The rig that reads this may be gone.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
