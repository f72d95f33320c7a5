//! `zre simulate`: a whole network in virtual time, with faults, in figures and in a picture.

mod growth;
mod machine;
mod options;
mod plot;
mod program;
mod progress;
mod report;
mod run;
mod script;
mod values;

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::ExitCode,
};

use self::{machine::Costs, progress::Progress, report::Report};
use crate::{failure::Failure, output};

pub(crate) use self::options::Options;

/// Simulates, and shows what came of it.
///
/// Standard output holds what the seed decides, and so is the same each time; what this machine needed for it goes to standard error.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    options.check()?;
    // Before the work, so that a wrong name is not told only after it.
    let plot = options.plot.as_deref().map(create).transpose()?;
    let mut trace = options.trace.as_deref().map(create).transpose()?;

    let sizes = growth::sizes(options);
    let progress = Progress::new(&sizes, options.duration);
    let mut runs = Vec::new();
    let mut costs = Costs::default();
    for nodes in sizes {
        let trace = trace.take_if(|_| nodes == options.nodes);
        let (run, wall_time) = machine::timed(|| run::simulate(options, nodes, trace, &progress));
        costs.add(nodes, wall_time);
        runs.push(run?);
    }
    progress.finish();

    let report = Report::new(options, &runs)?;
    if let (Some(file), Some(path)) = (plot, &options.plot) {
        write(file, path, &plot::draw(options, &runs))?;
    }
    let text = match options.json {
        true => report.to_json(),
        false => report.to_text(),
    };
    output::write(text.as_bytes())?;
    costs.tell();
    Ok(match report.is_well() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| cannot_write(path, &error))
}

fn write(file: File, path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = BufWriter::new(file);
    file.write_all(text.as_bytes())
        .and_then(|()| file.flush())
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Told(format!("cannot write {}: {error}", path.display()))
}
