use std::path::Path;
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

    /// Wants to lead this group, beside those already given. Of our implementation only: zyre is
    /// told with [`Peer::contest`](crate::Peer::contest).
    #[must_use]
    pub fn contest(self, group: &str) -> Self {
        self.flag("contest", group)
    }

    /// On this interface, beside those already given; of zyre and pyre, which know only one, in
    /// their place. Ours take `all`, too.
    #[must_use]
    pub fn interface(self, interface: &str) -> Self {
        self.flag("interface", interface)
    }

    /// With IPv6 alone.
    #[must_use]
    pub fn ipv6(self) -> Self {
        self.switch("ipv6")
    }

    /// With IPv4 alone. Not for zyre and pyre, which know nothing else unless told.
    #[must_use]
    pub fn ipv4(self) -> Self {
        self.switch("ipv4")
    }

    /// With beacons to this multicast group in place of broadcasts.
    #[must_use]
    pub fn multicast(self, group: &str) -> Self {
        self.flag("multicast", group)
    }

    /// With beacons to this address in place of broadcasts, beside those already given. Of ours
    /// alone.
    #[must_use]
    pub fn beacon_to(self, address: &str) -> Self {
        self.flag("beacon-to", address)
    }

    /// Without beacons. Of ours alone; zyre sends none when it gossips.
    #[must_use]
    pub fn no_beacon(self) -> Self {
        self.switch("no-beacon")
    }

    /// With a peer at this endpoint, beside those already given. Its key may follow:
    /// `ENDPOINT|KEY`. Of ours alone.
    #[must_use]
    pub fn connect(self, endpoint: &str) -> Self {
        self.flag("connect", endpoint)
    }

    /// With a gossip hub here.
    #[must_use]
    pub fn gossip_bind(self, endpoint: &str) -> Self {
        self.flag("gossip-bind", endpoint)
    }

    /// With a client of the gossip hub at this endpoint, beside those already given. The key of
    /// the hub may follow: `ENDPOINT|KEY`.
    #[must_use]
    pub fn gossip_connect(self, endpoint: &str) -> Self {
        self.flag("gossip-connect", endpoint)
    }

    /// With the certificate pair of czmq's kind at this path and, with `_secret` after it, beside
    /// it.
    #[must_use]
    pub fn key(self, path: &Path) -> Self {
        self.flag("key", &path.display().to_string())
    }

    /// With a key that is in no file. Of zyre alone.
    #[must_use]
    pub fn new_key(self) -> Self {
        self.switch("new-key")
    }

    /// With this key, both halves in Z85. Of zyre alone.
    #[must_use]
    pub fn key_text(self, public: &str, secret: &str) -> Self {
        self.flag("public-key", public).flag("secret-key", secret)
    }

    /// Admitting whose key is in this directory or, of ours, this file of certificates. zyre asks
    /// czmq's `zauth`, and admits all keys without this.
    #[must_use]
    pub fn trust(self, path: &Path) -> Self {
        self.flag("trust", &path.display().to_string())
    }

    /// Admitting whoever has a key.
    #[must_use]
    pub fn trust_any(self) -> Self {
        self.flag("trust", "any")
    }

    /// With the key that all derive from the passphrase in this file. Not for zyre, which can have
    /// the certificate of that key.
    #[must_use]
    pub fn secret_file(self, path: &Path) -> Self {
        self.flag("secret-file", &path.display().to_string())
    }

    /// With this domain in what it asks `zauth`. Of zyre alone.
    #[must_use]
    pub fn zap_domain(self, domain: &str) -> Self {
        self.flag("zap-domain", domain)
    }

    /// Listening here, such as `tcp://10.90.0.1:*`. Of zyre alone, which needs it for gossip: it
    /// would give its host's name otherwise.
    #[must_use]
    pub fn endpoint(self, endpoint: &str) -> Self {
        self.flag("endpoint", endpoint)
    }

    /// Known to others by this endpoint.
    #[must_use]
    pub fn advertise(self, endpoint: &str) -> Self {
        self.flag("advertise", endpoint)
    }

    /// Listening on this TCP port. Of ours alone.
    #[must_use]
    pub fn tcp_port(self, port: u16) -> Self {
        self.flag("tcp-port", &port.to_string())
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
    pub fn verbose(self) -> Self {
        self.switch("verbose")
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn switch(mut self, name: &str) -> Self {
        self.arguments.push(format!("--{name}"));
        self
    }

    /// One argument, so that a value may begin with a dash.
    fn flag(mut self, flag: &str, value: &str) -> Self {
        self.arguments.push(format!("--{flag}={value}"));
        self
    }
}
