//! `zre simulate`: a whole network in virtual time, with faults, in figures and in a picture.

mod growth;
mod machine;
mod memory;
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
    panic::resume_unwind,
    path::Path,
    process::ExitCode,
    thread,
};

use self::{
    machine::{Costs, timed},
    progress::Progress,
    report::Report,
};
use crate::{failure::Failure, output};

pub(crate) use self::options::Options;

/// Simulates, and shows what came of it.
///
/// Standard output depends on the options and the seed only. What this machine needed for it goes
/// to standard error.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    options.check()?;
    memory::check(options)?;
    // Before the simulation, so that a wrong file name is reported at once.
    let plot = options.plot.as_deref().map(create).transpose()?;
    let trace = options.trace.as_deref().map(create).transpose()?;

    let sizes = growth::sizes(options.nodes, options.has_growth());
    let progress = Progress::new(&sizes, options.duration);
    let one = |nodes: u32, trace| {
        let (run, wall_time) = timed(|| run::simulate(options, nodes, trace, &progress));
        run.map(|run| (run, wall_time))
    };
    // The smaller networks together need less time than the whole one, so they run beside it.
    let (runs, wall_time): (Vec<_>, _) = timed(|| {
        thread::scope(|scope| {
            let smaller = sizes.iter().filter(|nodes| **nodes != options.nodes);
            let smaller =
                scope.spawn(|| smaller.map(|nodes| one(*nodes, None)).collect::<Vec<_>>());
            let whole = one(options.nodes, trace);
            let smaller = smaller.join().unwrap_or_else(|panic| resume_unwind(panic));
            smaller.into_iter().chain([whole]).collect()
        })
    });
    let mut costs = Costs::default();
    let mut results = Vec::new();
    for run in runs {
        let (run, wall_time) = run?;
        costs.add(run.nodes, wall_time);
        results.push(run);
    }
    let runs = results;
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
    costs.tell(wall_time);
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
