//! Compares counted instructions with those of the baseline.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Failure;

/// Counts to compare with, and what they were measured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The compiler's version, in its own words.
    pub compiler: String,
    /// The processor's architecture, and what ciphers look for at run time.
    pub architecture: String,
    /// Instructions by the name of the bench.
    pub instructions: BTreeMap<String, u64>,
}

/// How counts compare with a baseline.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// A line for each bench.
    pub table: String,
    /// The benches whose count has grown too much, or that are missing in one of the two.
    pub bad: Vec<String>,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not a baseline.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes the baseline, one count per line, so that a difference is easy to read.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Runs the benches and counts.
    ///
    /// # Errors
    ///
    /// If the benches cannot be run.
    pub fn count() -> Result<Self, Failure> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .args(["bench", "--package", "zre-bench", "--bench", "instructions"])
            .args(["--", "--output-format=json"])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err("the benches failed".into());
        }
        Ok(Self {
            compiler: compiler()?,
            architecture: architecture(),
            instructions: instructions(&String::from_utf8(output.stdout)?)?,
        })
    }

    /// Whether the counts of the two can be compared.
    pub fn is_comparable(&self, other: &Self) -> bool {
        (&self.compiler, &self.architecture) == (&other.compiler, &other.architecture)
    }

    /// Compares new counts with these. They may be higher by this many percent.
    pub fn judge(&self, new: &Self, tolerance: f64) -> Verdict {
        let (mut table, mut bad) = (String::new(), Vec::new());
        let names = self.instructions.keys().chain(new.instructions.keys());
        let names: std::collections::BTreeSet<_> = names.collect();
        for name in names {
            let (before, now) = (self.instructions.get(name), new.instructions.get(name));
            let (Some(before), Some(now)) = (before, now) else {
                let where_not = if before.is_none() {
                    "the baseline"
                } else {
                    "the benches"
                };
                let _ = writeln!(table, "{name:50} not in {where_not}");
                bad.push(name.clone());
                continue;
            };
            let change = percent(*before, *now);
            // Do not fail for a difference that no machine reproduces.
            let is_bad = change > tolerance + 1e-9;
            let word = if is_bad { "  TOO MANY" } else { "" };
            let _ = writeln!(
                table,
                "{name:50} {before:>12} {now:>12} {change:>+8.2} %{word}"
            );
            if is_bad {
                bad.push(name.clone());
            }
        }
        Verdict { table, bad }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
fn percent(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

/// The program that is missing for counting, if one is.
pub fn missing() -> Option<&'static str> {
    let is_there = |program: &str| {
        let paths = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&paths).any(|folder| folder.join(program).is_file())
    };
    ["valgrind", "gungraun-runner"]
        .into_iter()
        .find(|program| !is_there(program))
}

/// Ciphers have several implementations. Valgrind's processor has AVX2 and BMI2 if the machine's
/// has them, and never AVX-512, so that all machines with these two have the same counts.
fn architecture() -> String {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2") {
        return "x86_64 with AVX2 and BMI2".to_owned();
    }
    env::consts::ARCH.to_owned()
}

fn compiler() -> Result<String, Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(rustc).arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Reads the output of gungraun, which has one line for each bench.
fn instructions(lines: &str) -> Result<BTreeMap<String, u64>, Failure> {
    let summaries = lines.lines().filter(|line| line.starts_with('{'));
    let counts: BTreeMap<_, _> = summaries.map(count_of).collect::<Result<_, _>>()?;
    if counts.is_empty() {
        return Err("the benches printed no counts".into());
    }
    Ok(counts)
}

fn count_of(line: &str) -> Result<(String, u64), Failure> {
    let summary: Value = serde_json::from_str(line)?;
    let text = |name| summary.get(name).and_then(Value::as_str);
    let function = text("function_name").ok_or("a summary without a name")?;
    let name = match text("id") {
        Some(id) => format!("{function} {id}"),
        None => function.to_owned(),
    };
    let count = summary
        .pointer("/profiles/0/data/total/metrics/Ir/values/new")
        .and_then(Value::as_u64);
    let count = count.ok_or_else(|| format!("no count of instructions for {name}"))?;
    Ok((name, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Baseline {
        let counts = counts
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count));
        Baseline {
            compiler: "rustc 1".to_owned(),
            architecture: "x86_64".to_owned(),
            instructions: counts.collect(),
        }
    }

    #[test]
    fn more_than_the_tolerance_is_bad() {
        let before = counts(&[("a", 1000), ("b", 1000), ("c", 1000)]);
        let now = counts(&[("a", 1030), ("b", 1031), ("c", 500)]);
        assert_eq!(before.judge(&now, 3.0).bad, ["b"]);
    }

    #[test]
    fn a_bench_that_is_only_in_one_is_bad() {
        let verdict = counts(&[("a", 1)]).judge(&counts(&[("b", 1)]), 3.0);
        assert_eq!(verdict.bad, ["a", "b"]);
    }

    #[test]
    fn another_compiler_is_not_comparable() {
        let here = counts(&[]);
        let other = Baseline {
            compiler: "rustc 2".to_owned(),
            ..here.clone()
        };
        assert!(here.is_comparable(&here));
        assert!(!here.is_comparable(&other));
    }

    #[test]
    fn counts_are_found_in_the_summaries() {
        let line = r#"{"function_name":"encode","id":"hello","profiles":[{"data":{"total":
            {"metrics":{"Ir":{"values":{"new":123,"old":100}}}}}}]}"#;
        let line = line.replace('\n', "");
        let counts = instructions(&format!("other\n{line}\n")).unwrap();
        assert_eq!(counts, BTreeMap::from([("encode hello".to_owned(), 123)]));
        assert!(instructions("{}").is_err());
        assert!(instructions("").is_err());
    }
}
