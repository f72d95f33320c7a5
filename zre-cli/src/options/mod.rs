//! The flags that all commands with a node share, and the variables that stand in for them.

mod networks;
mod places;
mod secret;
mod security;

use std::{collections::BTreeMap, env, time::Duration};

use clap::{ArgAction, Args};
use zre_tokio::{Builder, GroupName, PeerId, PublicKey, ShortText, SlowMembers, Voters};

use crate::{
    failure::Failure,
    shutdown::Shutdown,
    stderr,
    text::{one_line, quoted},
    values,
};

pub(crate) use networks::{Discovery, Networks};
pub(crate) use places::{Placement, Places};
pub(crate) use secret::Secret;
use security::SecurityFlags;

/// Who the node is, where it is, how it finds others, and how much it says about itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Common {
    /// The name that the others see [default: the first six digits of the UUID for a pipe, that of
    /// the command for a ping or a measurement, else your user name] [env: ZRE_NAME]
    #[arg(long, short, value_name = "NAME", value_parser = values::node_name)]
    name: Option<String>,

    /// The node's identity, 32 hex digits; no two nodes may have the same [default: random]
    #[arg(long, value_name = "UUID")]
    uuid: Option<PeerId>,

    /// A header that peers see when they meet the node. Can be repeated, or take several with
    /// commas between them: A=1,B=2. A comma belongs to the value where no NAME= follows, or where
    /// it is written `\,`
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = values::headers)]
    headers: Vec<Vec<(String, String)>>,

    #[command(flatten)]
    presence: Presence,

    /// How long the node waits at its end until peers have taken what was sent to them
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::time)]
    pub(crate) linger: Duration,

    /// How long a shout waits for a member that reads slowly before it passes over it, or `wait`:
    /// as long as the member is there
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = values::slow_members)]
    pub(crate) slow_members: SlowMembers,

    /// Log to standard error what the node does; twice: everything. RUST_LOG goes before it
    #[arg(long, short, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    // The last two: their headings would be those of what follows.
    #[command(flatten)]
    pub(crate) networks: Networks,

    #[command(flatten)]
    security: SecurityFlags,
}

/// A node that is about to start.
pub(crate) struct Prepared {
    pub(crate) builder: Builder,
    /// Its own public key, if it has one.
    pub(crate) own_key: Option<PublicKey>,
    /// What is wrong with files of keys, although they can be used.
    pub(crate) warnings: Vec<String>,
}

/// How often a node announces itself, and what it makes of the silence of others.
#[derive(Debug, Args)]
pub(crate) struct Presence {
    /// How often a node announces itself
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = values::pace)]
    pub(crate) interval: Duration,

    /// How long a peer may be silent before it is asked whether it is there [default: 5s, or half
    /// of --expired if that is less]
    #[arg(long, value_name = "TIME", value_parser = values::pace)]
    evasive: Option<Duration>,

    /// How long a peer may be silent before it is given up
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::pace)]
    pub(crate) expired: Duration,
}

/// The groups that a node is in from the start.
#[derive(Debug, Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Groups {
    /// A group to be in from the start. Can be repeated, or take several with commas between them
    /// [env: ZRE_GROUPS]
    #[arg(
        long = "group", short, value_name = "GROUP",
        value_delimiter = ',', value_parser = values::group_name
    )]
    groups: Vec<GroupName>,
}

/// The groups that a node wants to lead.
#[derive(Debug, Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Contest {
    /// A group to be in and to lead, if its members elect this node. Can be repeated, or take
    /// several with commas between them
    #[arg(
        long = "contest", value_name = "GROUP",
        value_delimiter = ',', value_parser = values::group_name
    )]
    contested: Vec<GroupName>,

    /// To which members messages of elections are sent: to those that are `known` to take part, or
    /// to `all`. pyre and zyre.js end the session with whoever sends them one
    #[arg(long, value_name = "WHICH", default_value = "known", value_parser = ["known", "all"])]
    voters: String,
}

/// How long a peer may be silent before it is asked, unless set.
const EVASIVE: Duration = Duration::from_secs(5);

impl Common {
    /// The node that these flags describe, with the name that it has unless told otherwise and with
    /// the groups that it is in from the start.
    pub(crate) fn builder(
        &self,
        default_name: Option<&str>,
        groups: &[GroupName],
    ) -> Result<Builder, Failure> {
        let prepared = self.prepare(default_name, groups)?;
        // What is to be said of the files of --key and --trust the node logs.
        if !self.security.has_key() {
            for warning in &prepared.warnings {
                stderr::print(&one_line(&format!("warning: {warning}")));
            }
        }
        Ok(prepared.builder)
    }

    /// The same, and what is known of its keys.
    ///
    /// All names of the library's builder stand here and nowhere else in this program.
    pub(crate) fn prepare(
        &self,
        default_name: Option<&str>,
        groups: &[GroupName],
    ) -> Result<Prepared, Failure> {
        self.presence.check()?;
        let discovery = self.networks.read()?;
        let keys = self.security.read()?;
        security::check_places(&discovery, keys.as_ref())?;
        let name = self.name()?;
        let mut builder = match name.as_deref().or(default_name) {
            Some(name) => Builder::new(name),
            None => Builder::unnamed(),
        };
        builder = builder
            .beacon_interval(self.presence.interval)
            .evasive_after(self.presence.evasive())
            .expired_after(self.presence.expired)
            .linger(self.linger)
            .slow_members(self.slow_members);
        if let Some(uuid) = self.uuid {
            builder = builder.id(uuid.uuid());
        }
        for (name, value) in self.headers()? {
            builder = builder.header(name, value);
        }
        for group in groups {
            builder = builder.join((***group).clone());
        }
        let builder = discovery.apply_to(builder);
        Ok(match keys {
            Some(keys) => keys.prepare(builder),
            None => Prepared {
                builder,
                own_key: None,
                warnings: Vec::new(),
            },
        })
    }

    /// Begins to listen for signals: after the first, a command has time to end its node and to
    /// write what is left.
    pub(crate) fn listen_for_shutdown(&self) -> Result<Shutdown, Failure> {
        const MARGIN: Duration = Duration::from_secs(3);
        let patience = self.linger + MARGIN;
        Shutdown::listen(patience).map_err(|error| Failure::to_start(&error))
    }

    fn name(&self) -> Result<Option<String>, Failure> {
        match &self.name {
            Some(name) => Ok(Some(name.clone())),
            None => variable("ZRE_NAME", values::node_name),
        }
    }

    /// The port on which nodes find each other.
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        self.networks.port()
    }

    fn headers(&self) -> Result<BTreeMap<&str, &str>, Failure> {
        let mut headers = BTreeMap::new();
        for (name, value) in self.headers.iter().flatten() {
            if let Some(other) = headers.insert(name.as_str(), value.as_str())
                && other != value
            {
                let (name, other, value) = (quoted(name), quoted(other), quoted(value));
                return Err(Failure::Told(format!(
                    "--header gives {name} two values, {other} and {value}: leave one out"
                )));
            }
        }
        Ok(headers)
    }
}

impl Presence {
    /// How long a peer may be silent before it is asked whether it is there.
    pub(crate) fn evasive(&self) -> Duration {
        let default = EVASIVE.min(self.expired / 2).max(values::SHORTEST_PACE);
        self.evasive.unwrap_or(default)
    }

    /// Checks what one value alone does not show.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let (evasive, expired) = (self.evasive(), self.expired);
        if evasive < expired {
            return Ok(());
        }
        Err(Failure::Told(format!(
            "--evasive {evasive:?} must be shorter than --expired {expired:?}, or a peer is given \
             up before it is asked: lower --evasive, or raise --expired"
        )))
    }
}

impl Contest {
    /// Lets a node contest, and be in those groups, too.
    pub(crate) fn apply_to(&self, builder: Builder, groups: &[GroupName]) -> Builder {
        let owned = |group: &GroupName| (**group).clone();
        let missing = self
            .contested
            .iter()
            .filter(|group| !groups.contains(group));
        let builder = builder.groups(missing.map(owned));
        let contested = self.contested.iter().map(owned);
        let builder = contested.fold(builder, Builder::contest);
        match self.voters.as_str() {
            "all" => builder.voters(Voters::All),
            _ => builder,
        }
    }
}

impl Groups {
    /// The groups of the flags, else of the variable.
    pub(crate) fn names(&self) -> Result<Vec<GroupName>, Failure> {
        if !self.groups.is_empty() {
            return Ok(self.groups.clone());
        }
        let read = |text: &str| text.split(',').map(values::group_name).collect();
        Ok(variable("ZRE_GROUPS", read)?.unwrap_or_default())
    }

    /// The first group, and all of them; without any, that is the default.
    pub(crate) fn first_and_all(
        &self,
        default: &str,
    ) -> Result<(GroupName, Vec<GroupName>), Failure> {
        let names = self.names()?;
        if let Some(first) = names.first() {
            return Ok((first.clone(), names));
        }
        let default = values::group_name(default).map_err(Failure::Told)?;
        Ok((default.clone(), vec![default]))
    }
}

/// The name of the user, for the node of a command that somebody runs.
pub(crate) fn user_name() -> Option<String> {
    ["USER", "USERNAME"]
        .into_iter()
        .filter_map(|variable| env::var(variable).ok())
        .find(|name| !name.is_empty() && name.len() <= ShortText::MAX_LEN)
}

/// What the environment says; a variable that is empty says nothing.
fn variable<T>(
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Failure> {
    let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = value.to_string_lossy();
    match read(&value) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Failure::Told(format!(
            "the variable {name} is {}: {error}",
            quoted(&value)
        ))),
    }
}
