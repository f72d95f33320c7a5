//! Settings as Python gives them: a dictionary by name, in which nothing is `None`.

use std::path::PathBuf;

use pyo3::{
    prelude::*,
    types::{PyDict, PyString},
};
use zre_blocking::{
    Beacons, Builder, InterfaceChoice, Interfaces, IpVersion, Limits, NodeKey, SlowMembers, Trust,
    Voters,
};

use crate::{
    errors::{invalid, not_started},
    operation::duration,
    peers::{Group, Id},
};

/// What the settings say.
pub(crate) fn builder(name: Option<String>, settings: &Bound<'_, PyDict>) -> PyResult<Builder> {
    let mut builder = name.map_or_else(Builder::unnamed, Builder::new);
    for (name, value) in settings {
        let name: String = name.extract()?;
        builder = set(builder, &name, &value)?;
    }
    Ok(builder)
}

fn set(builder: Builder, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Builder> {
    Ok(match name {
        "id" => builder.id(value.extract::<Id>()?.0),
        "headers" => builder.headers(pairs(value)?),
        "groups" => builder.groups(groups(name, value)?),
        "contest" => groups(name, value)?
            .into_iter()
            .fold(builder, Builder::contest),
        "interface" => builder.interfaces(interfaces(value)?),
        "ip" => builder.ip(ip(value)?),
        "beacons" => builder.beacons(beacons(value)?),
        "port" => builder.port(value.extract()?),
        "tcp_port" => builder.tcp_port(value.extract()?),
        "advertise" => builder.advertise(value.extract::<String>()?.as_str()),
        "connect" => {
            let endpoints = texts(name, value)?;
            endpoints
                .iter()
                .fold(builder, |all, each| all.connect(each.as_str()))
        }
        "gossip_bind" => builder.gossip_bind(value.extract::<String>()?.as_str()),
        "gossip_connect" => {
            let endpoints = texts(name, value)?;
            endpoints
                .iter()
                .fold(builder, |all, each| all.gossip_connect(each.as_str()))
        }
        "beacon_interval" => builder.beacon_interval(duration(value.extract()?)?),
        "evasive_after" => builder.evasive_after(duration(value.extract()?)?),
        "expired_after" => builder.expired_after(duration(value.extract()?)?),
        "handshake_timeout" => builder.handshake_timeout(duration(value.extract()?)?),
        "linger" => builder.linger(duration(value.extract()?)?),
        "key" => builder.key(NodeKey::file(value.extract::<PathBuf>()?)),
        "trust" => builder.trust(trust(value)?),
        "secret" => builder.secret(value.extract::<String>()?),
        "voters" => builder.voters(voters(value)?),
        "slow_members" => builder.slow_members(slow_members(value)?),
        "limits" => builder.limits(limits(value)?),
        _ => return Err(invalid(&format!("there is no setting {name}"))),
    })
}

fn pairs(value: &Bound<'_, PyAny>) -> PyResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let items = value.call_method0("items")?;
    let pairs = items.try_iter()?.map(|item| {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        Ok((bytes(&name)?, bytes(&value)?))
    });
    pairs.collect()
}

/// Text or bytes.
fn bytes(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(text.to_cow()?.as_bytes().to_vec()),
        Err(_) => value.extract(),
    }
}

/// Several texts. One alone is taken for a mistake: its letters are texts, too.
fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(text) = value.cast::<PyString>() {
        return Err(invalid(&format!(
            "{name} is a list: write {name}=[{}]",
            text.repr()?
        )));
    }
    value.try_iter()?.map(|each| each?.extract()).collect()
}

fn groups(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<zre_blocking::GroupName>> {
    texts(name, value)?;
    value
        .try_iter()?
        .map(|each| Ok(each?.extract::<Group>()?.0))
        .collect()
}

/// A text, or several.
fn one_or_several(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    match value.cast::<PyString>() {
        Ok(text) => Ok(vec![text.to_string()]),
        Err(_) => value
            .try_iter()?
            .map(|each| each?.str()?.extract())
            .collect(),
    }
}

fn interfaces(value: &Bound<'_, PyAny>) -> PyResult<Interfaces> {
    let names = one_or_several(value)?;
    Ok(match names.iter().any(|name| name == "all") {
        true => Interfaces::All,
        false => Interfaces::Chosen(names.iter().map(InterfaceChoice::from).collect()),
    })
}

fn ip(value: &Bound<'_, PyAny>) -> PyResult<IpVersion> {
    let text: String = value.str()?.extract()?;
    match text.as_str() {
        "4" => Ok(IpVersion::V4),
        "6" => Ok(IpVersion::V6),
        "both" => Ok(IpVersion::Both),
        _ => Err(invalid(&format!("ip is {text:?}: it is 4, 6 or \"both\""))),
    }
}

fn beacons(value: &Bound<'_, PyAny>) -> PyResult<Beacons> {
    let address = |text: &String| {
        let wrong = |_| {
            invalid(&format!(
                "beacons has {text:?}: it is \"broadcast\", \"off\", a multicast address, or a \
                 list of addresses"
            ))
        };
        text.parse().map_err(wrong)
    };
    let texts = one_or_several(value)?;
    match (value.is_instance_of::<PyString>(), texts.as_slice()) {
        (true, [text]) => match text.as_str() {
            "broadcast" => Ok(Beacons::Broadcast),
            "off" => Ok(Beacons::Off),
            _ => Ok(Beacons::Multicast(address(text)?)),
        },
        _ => Ok(Beacons::To(
            texts.iter().map(address).collect::<PyResult<_>>()?,
        )),
    }
}

fn trust(value: &Bound<'_, PyAny>) -> PyResult<Trust> {
    let is_one = value.hasattr("__fspath__")? || value.is_instance_of::<PyString>();
    if !is_one {
        let paths: PyResult<Vec<PathBuf>> = value.try_iter()?.map(|each| each?.extract()).collect();
        return Ok(Trust::dirs(paths?));
    }
    let path: PathBuf = value.extract()?;
    Ok(match path.to_str() {
        Some("any") => Trust::Any,
        _ => Trust::dir(path),
    })
}

fn voters(value: &Bound<'_, PyAny>) -> PyResult<Voters> {
    let text: String = value.extract()?;
    match text.as_str() {
        "known" => Ok(Voters::Known),
        "all" => Ok(Voters::All),
        _ => Err(invalid(&format!(
            "voters is {text:?}: it is \"known\" or \"all\""
        ))),
    }
}

/// `"wait"`, or so many seconds.
fn slow_members(value: &Bound<'_, PyAny>) -> PyResult<SlowMembers> {
    if let Ok(text) = value.cast::<PyString>() {
        return match text.to_cow()?.as_ref() {
            "wait" => Ok(SlowMembers::Wait),
            text => Err(invalid(&format!(
                "slow_members is {text:?}: it is \"wait\", or after how many seconds a shout \
                 passes over them"
            ))),
        };
    }
    let after = duration(value.extract()?)?;
    Ok(SlowMembers::Skip { after })
}

fn limits(value: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let mut limits = Limits::default();
    for item in value.call_method0("items")?.try_iter()? {
        let (name, value): (String, Bound<'_, PyAny>) = item?.extract()?;
        limits = limit(limits, &name, &value)?;
    }
    Ok(limits)
}

macro_rules! limits_by_name {
    ($($field:ident),+ $(,)?) => {
        fn limit(limits: Limits, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Limits> {
            match name {
                $(stringify!($field) => Ok(limits.$field(value.extract()?)),)+
                _ => {
                    let names = [$(stringify!($field)),+].join(", ");
                    Err(invalid(&format!("there is no limit {name}; there are {names}")))
                }
            }
        }
    };
}

limits_by_name! {
    peers, pending_peers, unclaimed_links, unclaimed_bytes, unfinished_bytes, peer_data_bytes,
    groups_per_peer, headers_per_peer, header_frame, message_size, message_frames, outbound,
    outbound_total, events, event_bytes, gossip_clients, gossip_tuples, gossip_bytes,
}

/// Starts the node.
pub(crate) fn start(builder: Builder) -> PyResult<zre_blocking::Node> {
    builder.start().map_err(|error| not_started(&error))
}
