use std::time::Duration;

/// How a peer is started: each is one flag of its command.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    name: String,
    arguments: Vec<String>,
}

impl PeerOptions {
    /// A node of this name, and for the rest as the implementation's defaults are.
    pub fn new(name: &str) -> Self {
        let options = Self {
            name: name.to_owned(),
            arguments: Vec::new(),
        };
        options.flag("name", name)
    }

    /// With this UUID, 32 hex digits; zyre cannot take one and picks its own.
    #[must_use]
    pub fn uuid(self, uuid: &str) -> Self {
        self.flag("uuid", uuid)
    }

    /// With this header, beside those already given.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.flag("header", &format!("{name}={value}"))
    }

    /// In this group from the start, beside those already given.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        self.flag("group", group)
    }

    /// On this interface.
    #[must_use]
    pub fn interface(self, interface: &str) -> Self {
        self.flag("interface", interface)
    }

    /// With this discovery port in place of 5670.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.flag("port", &port.to_string())
    }

    /// With this time between its beacons.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        self.flag("interval", &format!("{}ms", interval.as_millis()))
    }

    /// With this time of silence until it takes a peer to be evasive.
    #[must_use]
    pub fn evasive(self, evasive: Duration) -> Self {
        self.flag("evasive", &format!("{}ms", evasive.as_millis()))
    }

    /// With this time of silence until it takes a peer to be gone.
    #[must_use]
    pub fn expired(self, expired: Duration) -> Self {
        self.flag("expired", &format!("{}ms", expired.as_millis()))
    }

    /// With a log on standard error, of which a panic shows the end.
    #[must_use]
    pub fn verbose(mut self) -> Self {
        self.arguments.push("--verbose".to_owned());
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// One argument, so that a value may begin with a dash.
    fn flag(mut self, flag: &str, value: &str) -> Self {
        self.arguments.push(format!("--{flag}={value}"));
        self
    }
}
