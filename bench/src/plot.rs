//! Draws the medians.

use std::{fs, ops::Range, path::Path};

use svg::{
    Document, Node as _,
    node::element::{Circle, Group, Line as Stroke, Polyline, Rectangle, Text},
};

use crate::{
    Failure,
    job::System,
    machine::Machine,
    results::{Experiment, Results, bytes, count, mib},
};

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 480.0;
const INK: &str = "#212121";
const GRID: &str = "#e0e0e0";

/// Draws round-trip times and rates, each by the size of the message, into an SVG file.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw(file: &Path, machine: &Machine, results: &Results) -> Result<(), Failure> {
    let title = format!(
        "{}, {} cores, Linux {}",
        machine.processor, machine.cores, machine.kernel
    );
    let round_trip = |size| Experiment::RoundTrip { size, awake: false };
    let times = lines(results, |size| (round_trip(size), "p50_us", 1.0));
    let rates = lines(results, |size| {
        (Experiment::OneWay { size }, "rate", mib(size))
    });
    let left = Frame::new(0.0, "Round trip, median, microseconds");
    let right = Frame::new(WIDTH / 2.0, "One way, MiB a second");
    let background = Rectangle::new()
        .set("width", WIDTH)
        .set("height", HEIGHT)
        .set("fill", "white");
    let picture = Document::new()
        .set("width", WIDTH)
        .set("height", HEIGHT)
        .set("viewBox", (0, 0, WIDTH, HEIGHT))
        .set("font-family", "sans-serif")
        .add(background)
        .add(text(&title, (WIDTH / 2.0, 24.0), 16, "middle"))
        .add(chart(&left, &times, Axis::from_zero))
        .add(chart(&right, &rates, Axis::logarithmic));
    fs::write(file, picture.to_string())?;
    Ok(())
}

/// The figures of one system by size.
struct Line {
    system: System,
    points: Vec<(f64, f64)>,
}

/// Makes one line for each system that has figures. A factor that depends on the size converts
/// them.
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

/// Where the axes of a chart are.
struct Frame {
    caption: &'static str,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    /// Makes a chart in the half of the picture that begins at `left`.
    fn new(left: f64, caption: &'static str) -> Self {
        Self {
            caption,
            left: left + 72.0,
            right: left + WIDTH / 2.0 - 16.0,
            top: 72.0,
            bottom: HEIGHT - 40.0,
        }
    }
}

/// A range of figures along a line of the picture.
struct Axis {
    figures: Range<f64>,
    is_logarithmic: bool,
    places: (f64, f64),
}

impl Axis {
    fn from_zero(figures: Range<f64>, places: (f64, f64)) -> Self {
        Self {
            figures: 0.0..figures.end,
            is_logarithmic: false,
            places,
        }
    }

    fn logarithmic(figures: Range<f64>, places: (f64, f64)) -> Self {
        Self {
            figures,
            is_logarithmic: true,
            places,
        }
    }

    fn place(&self, figure: f64) -> f64 {
        let scaled = |figure: f64| match self.is_logarithmic {
            true => figure.ln(),
            false => figure,
        };
        let (start, end) = (scaled(self.figures.start), scaled(self.figures.end));
        let (from, to) = self.places;
        from + (to - from) * (scaled(figure) - start) / (end - start)
    }

    /// The ticks: multiples of a round step, or powers of `base`, with `parts` of each if there are
    /// few.
    fn ticks(&self, base: f64, parts: &[f64]) -> Vec<f64> {
        let Range { start, end } = self.figures;
        if !self.is_logarithmic {
            let step = round_step(end / 6.0);
            let ticks = (0..20_u32).map(|number| f64::from(number) * step);
            return ticks.take_while(|tick| *tick <= end).collect();
        }
        let powers = (-6..40).map(|power| base.powi(power));
        let is_inside = |tick: &f64| (start..=end).contains(tick);
        let ticks: Vec<f64> = powers.clone().filter(is_inside).collect();
        match ticks.len() {
            0..3 => powers
                .flat_map(|power| parts.iter().map(move |part| power * part))
                .filter(is_inside)
                .collect(),
            3..9 => ticks,
            _ => ticks.into_iter().step_by(2).collect(),
        }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than this.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let found = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= least);
    found.unwrap_or(10.0) * power
}

fn chart(
    frame: &Frame,
    lines: &[Line],
    y_axis: impl FnOnce(Range<f64>, (f64, f64)) -> Axis,
) -> Group {
    let mut group = Group::new().add(text(
        frame.caption,
        (f64::midpoint(frame.left, frame.right), frame.top - 20.0),
        16,
        "middle",
    ));
    let points = || lines.iter().flat_map(|line| &line.points);
    let (Some(sizes), Some(values)) = (
        range(points().map(|(size, _)| *size)),
        range(points().map(|(_, value)| *value)),
    ) else {
        return group;
    };
    let x = Axis::logarithmic(sizes, (frame.left, frame.right));
    let y = y_axis(values, (frame.bottom, frame.top));
    group.append(grid(frame, &x, &y));
    for line in lines {
        group.append(line_with_dots(line, &x, &y));
    }
    group.append(legend(frame, lines));
    group
}

/// Draws the axes with their figures.
fn grid(frame: &Frame, x: &Axis, y: &Axis) -> Group {
    let mut group = Group::new();
    for size in x.ticks(4.0, &[1.0, 2.0]) {
        let place = x.place(size);
        group.append(stroke((place, frame.top), (place, frame.bottom), GRID, 1.0));
        let below = (place, frame.bottom + 20.0);
        group.append(text(&bytes(whole(size)), below, 12, "middle"));
    }
    for value in y.ticks(10.0, &[1.0, 2.0, 5.0]) {
        let place = y.place(value);
        group.append(stroke((frame.left, place), (frame.right, place), GRID, 1.0));
        let beside = (frame.left - 8.0, place + 4.0);
        group.append(text(&format!("{value}"), beside, 12, "end"));
    }
    let corner = (frame.left, frame.bottom);
    group.append(stroke(corner, (frame.right, frame.bottom), INK, 1.0));
    group.append(stroke(corner, (frame.left, frame.top), INK, 1.0));
    group
}

fn line_with_dots(line: &Line, x: &Axis, y: &Axis) -> Group {
    let color = color(line.system);
    let places = line.points.iter();
    let places: Vec<_> = places
        .map(|(size, value)| (x.place(*size), y.place(*value)))
        .collect();
    let corners: Vec<_> = places
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let mut group = Group::new().add(
        Polyline::new()
            .set("points", corners.join(" "))
            .set("fill", "none")
            .set("stroke", color)
            .set("stroke-width", 2),
    );
    for (x, y) in places {
        let dot = Circle::new().set("cx", tenths(x)).set("cy", tenths(y));
        group.append(dot.set("r", 3).set("fill", color));
    }
    group
}

/// Draws the names of the systems, in the lower right corner.
fn legend(frame: &Frame, lines: &[Line]) -> Group {
    const ROW: f64 = 17.0;
    let height = ROW * count(lines.len()) + 8.0;
    let (left, top) = (frame.right - 150.0, frame.bottom - height - 8.0);
    let ground = Rectangle::new()
        .set("x", left)
        .set("y", top)
        .set("width", 144)
        .set("height", height)
        .set("fill", "white")
        .set("fill-opacity", 0.8)
        .set("stroke", "#9e9e9e");
    let mut group = Group::new().add(ground);
    for (row, line) in lines.iter().enumerate() {
        let y = top + ROW * (count(row) + 0.75) + 2.0;
        let (from, to) = ((left + 8.0, y), (left + 26.0, y));
        group.append(stroke(from, to, color(line.system), 2.0));
        let name = line.system.to_string();
        group.append(text(&name, (left + 34.0, y + 4.0), 12, "start"));
    }
    group
}

fn text(words: &str, (x, y): (f64, f64), size: u32, anchor: &str) -> Text {
    Text::new(words)
        .set("x", tenths(x))
        .set("y", tenths(y))
        .set("font-size", size)
        .set("text-anchor", anchor)
        .set("fill", INK)
}

fn stroke(from: (f64, f64), to: (f64, f64), color: &str, width: f64) -> Stroke {
    Stroke::new()
        .set("x1", tenths(from.0))
        .set("y1", tenths(from.1))
        .set("x2", tenths(to.0))
        .set("y2", tenths(to.1))
        .set("stroke", color)
        .set("stroke-width", width)
}

fn tenths(place: f64) -> String {
    format!("{place:.1}")
}

/// The range from a bit less than the smallest value to a bit more than the largest.
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

fn color(system: System) -> &'static str {
    match system {
        System::Tcp => "#000000",
        System::Libzmq => "#9e9e9e",
        System::Tokio => "#d32f2f",
        System::TokioThreads => "#f57c00",
        System::Smol => "#00695c",
        System::SmolThreads => "#26a69a",
        System::Blocking => "#1976d2",
        System::LibzmqCurve => "#b39ddb",
        System::TokioCurve => "#6a1b9a",
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
        assert!(!picture.contains("NaN"), "{picture}");
    }

    #[test]
    fn ticks_are_round_and_neither_few_nor_many() {
        let places = (0.0, 1.0);
        let linear = Axis::from_zero(3.0..47.0, places).ticks(10.0, &[]);
        assert_eq!(linear, [0.0, 10.0, 20.0, 30.0, 40.0]);
        let wide = Axis::logarithmic(0.8..1300.0, places).ticks(10.0, &[]);
        assert_eq!(wide, [1.0, 10.0, 100.0, 1000.0]);
        let narrow = Axis::logarithmic(30.0..300.0, places).ticks(10.0, &[1.0, 2.0, 5.0]);
        assert_eq!(narrow, [50.0, 100.0, 200.0]);
    }
}
