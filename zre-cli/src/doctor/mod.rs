//! `zre doctor`: why does a node see nobody?

mod diagnosis;
mod ear;
mod facts;
mod heard;
mod holders;
mod look;
mod probe;
mod report;

use std::{env, process::ExitCode, time::Duration};

use crate::{
    failure::Failure,
    interfaces::Listing,
    log,
    options::{Common, Discovery, Prepared},
    unreached, values,
};
use clap::Args;
use diagnosis::Diagnosis;
use ear::Ear;
use facts::Facts;
use look::Look;
use report::Report;

/// Find out why nodes do not see each other.
///
/// A node looks around for a few seconds, as any other would with the same flags. Then it is told
/// what it was, whose beacons it heard, what became of each, and what is wrong, if anything is.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// How long to look around
    #[arg(
        long, short, value_name = "TIME", default_value = "3s",
        allow_negative_numbers = true, value_parser = values::up_to_an_hour
    )]
    wait: Duration,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    common: Common,
}

const HELP: &str = "\
Examples:
  zre doctor                         on the machine that sees nobody, then on the other
  zre doctor --connect tcp://host.example:5000
  zre doctor --json | jq -r .verdict

Run it with the flags that your node has: --interface, --port, --key and the others.

Exit codes: 0 peers were met, or everything is in order and nobody else is there; 1 something is
wrong; 2 the command line is wrong.";

/// The group that the doctor's node is in: its own.
const GROUP: &str = "ZRE-DOCTOR";

/// Looks around and tells.
pub(crate) async fn run(options: Options) -> Result<ExitCode, Failure> {
    let common = &options.common;
    // What the node would warn of is in the report.
    if common.verbose > 0 || env::var_os("RUST_LOG").is_some() {
        log::to_standard_error(common.verbose)?;
    }
    let discovery = common.networks.read()?;
    let listing = Listing::of(&discovery.placement)?;
    let group = values::group_name(GROUP).map_err(Failure::Told)?;
    let prepared = common.prepare(Some("doctor"), &[group])?;
    let mut report = Report::new(options.json);
    report.begin(&listing)?;
    let facts = examine(&options, &discovery, listing, prepared).await?;
    let diagnosis = Diagnosis::of(&facts);
    report.end(&facts, &diagnosis)?;
    Ok(match diagnosis.faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn examine(
    options: &Options,
    discovery: &Discovery,
    listing: Listing,
    prepared: Prepared,
) -> Result<Facts, Failure> {
    let patience = unreached::patience(options.wait);
    let shutdown = options.common.listen_for_shutdown()?;
    let counted = holders::misaddressed();
    let probes = probe::begin(&discovery.connect, &discovery.gossip_connect, patience);
    let mut facts = Facts::before(listing, discovery, options.wait);
    (facts.own_key, facts.key_warnings) = (prepared.own_key, prepared.warnings);
    // Before the node, so that it hears the first of its beacons.
    let on = facts.listing.addresses();
    let ear = Ear::open(on, &discovery.placement.beacons, discovery.port).ok();
    let is_secured = prepared.own_key.is_some();
    match prepared.builder.handshake_timeout(patience).start().await {
        Ok(node) => {
            let notices = node.notices();
            let look = Look::new(&node, is_secured, ear, notices);
            let seen = look.around(options.wait, patience, &shutdown).await;
            facts.note_node(&node, seen);
            node.stop().await;
        }
        Err(error) => facts.not_started = Some(error.to_string()),
    }
    facts.note_probes(probes).await;
    if let (Some(before), Some(after)) = (counted, holders::misaddressed()) {
        facts.misaddressed = after.saturating_sub(before);
    }
    Ok(facts)
}
