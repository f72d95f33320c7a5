//! The flags that all commands share, and how their values are read.

use clap::{ArgAction, Args};
use zre_tokio::{Builder, GroupName, ShortText};

/// Where the node is, and how much it says about itself.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The network interface, by name or by IPv4 address [default: the first that can broadcast]
    #[arg(long, short, value_name = "INTERFACE")]
    interface: Option<String>,

    /// The UDP port on which nodes find each other; all must have the same
    #[arg(long, short, value_name = "PORT", default_value_t = 5670, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// Log to standard error what the node does; twice: everything. RUST_LOG goes before it
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Common {
    /// The node that these flags describe.
    pub(crate) fn builder(&self, name: Option<&str>) -> Builder {
        let builder = match name {
            Some(name) => Builder::new(name),
            None => Builder::unnamed(),
        };
        let builder = builder.port(self.port);
        match &self.interface {
            Some(interface) => builder.interface(interface.as_str()),
            None => builder,
        }
    }
}

/// Reads the name of a node.
pub(crate) fn node_name(text: &str) -> Result<String, String> {
    fits("name", text)
}

/// Reads the name of a group.
pub(crate) fn group_name(text: &str) -> Result<GroupName, String> {
    GroupName::try_from(text).map_err(|error| error.to_string())
}

/// Reads `NAME=VALUE`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((fits("header name", name)?, value.to_owned()))
        }
        _ => Err("expected NAME=VALUE, such as X-ROLE=printer".to_owned()),
    }
}

fn fits(what: &str, text: &str) -> Result<String, String> {
    if text.len() > ShortText::MAX_LEN {
        let (length, most) = (text.len(), ShortText::MAX_LEN);
        return Err(format!(
            "the {what} has {length} octets, at most {most} fit"
        ));
    }
    Ok(text.to_owned())
}
