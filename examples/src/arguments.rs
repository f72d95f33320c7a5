//! The arguments of a program, such as `--port 5670 --name alice`.

use std::{collections::BTreeMap, env, str::FromStr, time::Duration};

/// Named arguments, each with a default.
#[derive(Debug)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads the program's arguments. Every program takes `--port`, `--interface`, `--name` and
    /// `--seconds`; `others` lists those that only this program takes.
    ///
    /// # Errors
    ///
    /// The text names the argument that the program does not take, or that has no value.
    pub fn read(others: &[&str]) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").unwrap_or_default();
            if !["port", "interface", "name", "seconds"].contains(&name) && !others.contains(&name)
            {
                return Err(format!("there is no argument {word}"));
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            values.insert(name.to_owned(), value);
        }
        Ok(Self(values))
    }

    /// The value of an argument, or its default.
    ///
    /// # Errors
    ///
    /// The text names the wrong value.
    pub fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.0.get(name) {
            Some(text) => text
                .parse()
                .map_err(|_| format!("--{name} cannot be {text:?}")),
            None => Ok(default),
        }
    }

    /// The values of an argument, with commas between them; none unless it is given.
    ///
    /// # Errors
    ///
    /// The text names the wrong value.
    pub fn list<T: FromStr>(&self, name: &str) -> Result<Vec<T>, String> {
        let texts = self.0.get(name).into_iter().flat_map(|it| it.split(','));
        let values = texts.map(|text| {
            text.parse()
                .map_err(|_| format!("--{name} cannot be {text:?}"))
        });
        values.collect()
    }

    /// The name of the program's node.
    pub fn name(&self, default: &str) -> String {
        self.0
            .get("name")
            .map_or(default, String::as_str)
            .to_owned()
    }

    /// The network interface, by name or address. It is loopback unless told otherwise, so that an
    /// example does not meet the nodes of others.
    pub fn interface(&self) -> &str {
        self.0.get("interface").map_or("127.0.0.1", String::as_str)
    }

    /// The UDP port of the beacons; ZRE's own port, 5670, unless told otherwise.
    ///
    /// # Errors
    ///
    /// As [`value`](Self::value).
    pub fn port(&self) -> Result<u16, String> {
        self.value("port", 5670)
    }

    /// How long the program runs at most; 20 s unless told otherwise.
    ///
    /// # Errors
    ///
    /// As [`value`](Self::value).
    pub fn time(&self) -> Result<Duration, String> {
        self.value("seconds", 20).map(Duration::from_secs)
    }
}
