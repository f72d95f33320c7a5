//! JSON lines, with the time on request.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use clap::Args;
use humantime::format_rfc3339_micros;
use serde::{Serialize, Serializer};

use crate::{output, text::one_line};

/// How lines of JSON are written.
#[derive(Debug, Default, Clone, Copy, Args)]
pub(crate) struct Format {
    /// Begin each line with the "time" at which it was made, in UTC as in RFC 3339
    #[arg(long)]
    times: bool,
}

/// Whether lines are for people, or JSON.
#[derive(Debug, Args)]
pub(crate) struct OnRequest {
    /// Print lines of JSON, as `zre pipe` does
    #[arg(long)]
    json: bool,

    /// Begin each line with the "time" at which it was made, in UTC as in RFC 3339
    #[arg(long, requires = "json")]
    times: bool,
}

/// A line and when it was made.
#[derive(Debug, Serialize)]
struct Timed<'a, L> {
    #[serde(serialize_with = "rfc3339")]
    time: SystemTime,
    #[serde(flatten)]
    line: &'a L,
}

impl Format {
    /// Appends one line.
    pub(crate) fn append(self, output: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
        if self.times {
            let time = SystemTime::now();
            serde_json::to_writer(&mut *output, &Timed { time, line })?;
        } else {
            serde_json::to_writer(&mut *output, line)?;
        }
        output.write_all(b"\n")
    }
}

impl OnRequest {
    /// Prints a line of JSON, or the line for people if there is one.
    pub(crate) fn print(
        &self,
        people: impl FnOnce() -> Option<String>,
        line: &impl Serialize,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        if self.json {
            let times = self.times;
            Format { times }.append(&mut lines, line)?;
        } else if let Some(line) = people() {
            writeln!(lines, "{}", one_line(&line))?;
        }
        output::write(&lines)
    }

    pub(crate) fn is_for_people(&self) -> bool {
        !self.json
    }
}

fn rfc3339<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_rfc3339_micros(*time))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_begins_with_its_time() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        let line = &serde_json::json!({"ok": true});
        assert_eq!(
            serde_json::to_string(&Timed { time, line }).unwrap(),
            r#"{"time":"1970-01-01T00:00:01.500000Z","ok":true}"#
        );
    }
}
