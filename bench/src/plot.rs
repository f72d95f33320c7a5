//! The medians as a picture.

use std::{ops::Range, path::Path};

use plotters::{
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, ValueFormatter},
    },
    prelude::*,
    style::full_palette::{BLUE_700, GREY, ORANGE_700, RED_700, TEAL_400, TEAL_800},
};

use crate::{
    Failure,
    job::System,
    machine::Machine,
    results::{Experiment, Results, count, mib, octets},
};

const WIDTH: u32 = 1100;
const HEIGHT: u32 = 480;

/// Draws round-trip times and rates, each by the size of the message, into an SVG file.
///
/// # Errors
///
/// When there is nothing to draw, or the file cannot be written.
pub fn draw(file: &Path, machine: &Machine, results: &Results) -> Result<(), Failure> {
    let area = SVGBackend::new(file, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!(
        "{}, {} cores, Linux {}",
        machine.processor, machine.cores, machine.kernel
    );
    let area = area.titled(&title, ("sans-serif", 16))?;
    let (left, right) = area.split_horizontally(WIDTH / 2);
    let round_trip = |size| Experiment::RoundTrip { size, awake: false };
    let times = lines(results, |size| (round_trip(size), "p50_us", 1.0));
    chart(
        &left,
        "Round trip, median, microseconds",
        &times,
        |values| 0.0..values.end,
    )?;
    let rates = lines(results, |size| {
        (Experiment::OneWay { size }, "rate", mib(size))
    });
    chart(&right, "One way, MiB a second", &rates, |values| {
        values.log_scale()
    })?;
    area.present()?;
    Ok(())
}

/// The figures of one system by size.
struct Line {
    system: System,
    points: Vec<(f64, f64)>,
}

/// One line for each system that has figures; they are multiplied with what belongs to the size.
fn lines(
    results: &Results,
    figure: impl Fn(usize) -> (Experiment, &'static str, f64),
) -> Vec<Line> {
    let mut sizes: Vec<usize> = results.experiments().iter().filter_map(size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let line = |system| {
        let point = |size: &usize| {
            let (experiment, name, scale) = figure(*size);
            let value = results.median(experiment, system, name)?;
            Some((count(*size), value * scale))
        };
        let points: Vec<_> = sizes.iter().filter_map(point).collect();
        (!points.is_empty()).then_some(Line { system, points })
    };
    System::ALL.into_iter().filter_map(line).collect()
}

fn size(experiment: &Experiment) -> Option<usize> {
    match experiment {
        Experiment::RoundTrip { size, .. } | Experiment::OneWay { size } => Some(*size),
        _ => None,
    }
}

fn chart<Y>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    lines: &[Line],
    scale: impl FnOnce(Range<f64>) -> Y,
) -> Result<(), Failure>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let points = || lines.iter().flat_map(|line| &line.points);
    let (Some(sizes), Some(values)) = (
        range(points().map(|(size, _)| *size)),
        range(points().map(|(_, value)| *value)),
    ) else {
        return Ok(());
    };
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(sizes.log_scale().base(4.0), scale(values))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(6)
        .x_label_formatter(&|size| octets(whole(*size)))
        .y_label_formatter(&|value| format!("{value}"))
        .label_style(("sans-serif", 12))
        .draw()?;
    for Line { system, points } in lines {
        let style = ShapeStyle::from(color(*system)).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(system.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let dot = |point: &(f64, f64)| Circle::new(*point, 3, style.filled());
        chart.draw_series(points.iter().map(dot))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(GREY)
        .label_font(("sans-serif", 12))
        .draw()?;
    Ok(())
}

/// From a bit less than the least to a bit more than the greatest.
fn range(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let bounds = |range: Option<Range<f64>>, value: f64| match range {
        None => Some(value..value),
        Some(range) => Some(range.start.min(value)..range.end.max(value)),
    };
    let range = values.fold(None, bounds)?;
    Some(range.start * 0.8..range.end * 1.25)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are whole and not negative"
)]
fn whole(size: f64) -> usize {
    size.round() as usize
}

fn color(system: System) -> RGBColor {
    match system {
        System::Tcp => BLACK,
        System::Libzmq => GREY,
        System::Tokio => RED_700,
        System::TokioThreads => ORANGE_700,
        System::Smol => TEAL_800,
        System::SmolThreads => TEAL_400,
        System::Blocking => BLUE_700,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Figures;

    #[test]
    fn a_picture_names_each_system() {
        let mut results = Results::default();
        for system in [System::Tcp, System::Tokio] {
            for size in [16, 1024] {
                let figures = Figures::from([("p50_us".to_owned(), 12.0)]);
                let experiment = Experiment::RoundTrip { size, awake: false };
                results.add(experiment, system, figures);
            }
        }
        let file = std::env::temp_dir().join(format!("zre-bench-{}.svg", std::process::id()));
        draw(&file, &Machine::this(), &results).unwrap();
        let picture = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        for part in ["tcp", "tokio", "256 B"] {
            assert!(picture.contains(part), "{picture}");
        }
    }
}
