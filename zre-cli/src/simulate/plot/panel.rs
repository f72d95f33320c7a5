//! One diagram: axes, lines and labels.

use svg::{
    Node as _,
    node::element::{Circle, Group, Line, Path, Rectangle, Text, path::Data},
};

use super::scale::{Scale, label};

const INK: &str = "#1f2933";
const FAINT_INK: &str = "#616e7c";
const GRID: &str = "#e4e7eb";
const BAND: &str = "#f0e6d2";

/// Where a diagram is, and what its axes are called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: &'a str,
    pub(super) x_title: &'a str,
    pub(super) y_title: &'a str,
}

/// A diagram that is being drawn.
#[derive(Debug)]
pub(super) struct Panel<'a> {
    frame: Frame<'a>,
    x: Scale,
    y: Scale,
    group: Group,
    /// Where the next entry of the legend ends.
    legend_end: f64,
}

impl<'a> Panel<'a> {
    /// An empty diagram whose axes go from 0 to these figures.
    pub(super) fn new(frame: Frame<'a>, x_most: f64, y_most: f64) -> Self {
        let (right, bottom) = (frame.left + frame.width, frame.top + frame.height);
        let mut panel = Self {
            frame,
            x: Scale::new(x_most, frame.left, right),
            y: Scale::new(y_most, bottom, frame.top),
            group: Group::new(),
            legend_end: right,
        };
        panel.titles();
        panel
    }

    fn titles(&mut self) {
        let Frame {
            left,
            top,
            width,
            height,
            title,
            x_title,
            y_title,
        } = self.frame;
        let heading = text(title, left, top - 40.0, 22.0, INK).set("font-weight", "600");
        self.group.append(heading);
        self.group
            .append(text(y_title, left, top - 14.0, 15.0, FAINT_INK));
        let below = text(
            x_title,
            left + width / 2.0,
            top + height + 48.0,
            15.0,
            FAINT_INK,
        );
        self.group.append(below.set("text-anchor", "middle"));
    }

    /// Horizontal lines at round figures, with labels.
    pub(super) fn y_grid(&mut self, count: u32) {
        let (left, right) = (self.frame.left, self.frame.left + self.frame.width);
        for figure in self.y.ticks(count) {
            let y = self.y.place(figure);
            let colour = if figure == 0.0 { FAINT_INK } else { GRID };
            self.group.append(line((left, y), (right, y), colour, 1.0));
            let beside = text(&label(figure), left - 10.0, y + 5.0, 15.0, FAINT_INK);
            self.group.append(beside.set("text-anchor", "end"));
        }
    }

    /// Labels at round figures below the horizontal axis.
    pub(super) fn x_ticks(&mut self, count: u32) {
        self.x_ticks_at(&self.x.ticks(count));
    }

    /// Labels at these figures below the horizontal axis.
    pub(super) fn x_ticks_at(&mut self, figures: &[f64]) {
        let bottom = self.frame.top + self.frame.height;
        for figure in figures {
            let x = self.x.place(*figure);
            let tick = line((x, bottom), (x, bottom + 6.0), FAINT_INK, 1.0);
            self.group.append(tick);
            let below = text(&label(*figure), x, bottom + 24.0, 15.0, FAINT_INK);
            self.group.append(below.set("text-anchor", "middle"));
        }
    }

    /// A part of the diagram in another colour, with a word in it.
    pub(super) fn band(&mut self, from: f64, to: f64, word: &str) {
        let (from, to) = (self.x.place(from), self.x.place(to));
        let band = Rectangle::new()
            .set("x", number(from))
            .set("y", number(self.frame.top))
            .set("width", number(to - from))
            .set("height", number(self.frame.height))
            .set("fill", BAND);
        self.group.append(band);
        let (middle, y) = (f64::midpoint(from, to), self.frame.top + 20.0);
        let word = text(word, middle, y, 14.0, "#8a6d3b").set("text-anchor", "middle");
        self.group.append(word);
    }

    /// Marks on the horizontal axis.
    pub(super) fn marks(&mut self, at: &[f64], colour: &str) {
        let bottom = self.frame.top + self.frame.height;
        for figure in at {
            let x = self.x.place(*figure);
            let mark = line((x, bottom - 12.0), (x, bottom), colour, 2.0);
            self.group.append(mark.set("stroke-opacity", 0.7));
        }
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let path = stroke(self.path(points), colour, width);
        self.group.append(path);
    }

    pub(super) fn dashed_line(&mut self, points: &[(f64, f64)], colour: &str) {
        let path = stroke(self.path(points), colour, 1.5).set("stroke-dasharray", "6 5");
        self.group.append(path);
    }

    /// A line with a dot at each point.
    pub(super) fn dotted_line(&mut self, points: &[(f64, f64)], colour: &str) {
        self.line(points, colour, 3.0);
        for (x, y) in points {
            let dot = Circle::new()
                .set("cx", number(self.x.place(*x)))
                .set("cy", number(self.y.place(*y)))
                .set("r", 6)
                .set("fill", colour)
                .set("stroke", "white")
                .set("stroke-width", 2);
            self.group.append(dot);
        }
    }

    /// Fills the area below a line.
    pub(super) fn area(&mut self, points: &[(f64, f64)], colour: &str) {
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
            return;
        };
        let mut around = vec![(*first, 0.0)];
        around.extend(points);
        around.push((*last, 0.0));
        let area = Path::new()
            .set("d", self.path(&around).close())
            .set("fill", colour)
            .set("fill-opacity", 0.25);
        self.group.append(area);
        self.line(points, colour, 2.0);
    }

    /// A label to the upper left of a point.
    pub(super) fn note(&mut self, x: f64, y: f64, words: &str, colour: &str) {
        let (x, y) = (self.x.place(x) - 10.0, self.y.place(y) - 12.0);
        let note = text(words, x, y, 15.0, colour).set("font-weight", "600");
        self.group.append(note.set("text-anchor", "end"));
    }

    /// Adds an entry to the legend above the diagram, to the left of earlier ones.
    pub(super) fn legend(&mut self, words: &str, colour: &str) {
        let y = self.frame.top - 19.0;
        let words_at = text(words, self.legend_end, y + 5.0, 15.0, INK);
        self.group.append(words_at.set("text-anchor", "end"));
        // As wide as in the widest of the usual fonts.
        let width = words.chars().count() as f64 * 9.0 + 8.0;
        let end = self.legend_end - width;
        self.group
            .append(line((end - 24.0, y), (end, y), colour, 4.0));
        self.legend_end = end - 24.0 - 22.0;
    }

    pub(super) fn finish(self) -> Group {
        self.group
    }

    fn path(&self, points: &[(f64, f64)]) -> Data {
        let mut data = Data::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let point = (tenths(self.x.place(*x)), tenths(self.y.place(*y)));
            data = match place {
                0 => data.move_to(point),
                _ => data.line_to(point),
            };
        }
        data
    }
}

/// Text that begins at a point.
pub(super) fn text(words: &str, x: f64, y: f64, size: f64, colour: &str) -> Text {
    Text::new(words)
        .set("x", number(x))
        .set("y", number(y))
        .set("font-size", number(size))
        .set("fill", colour)
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> Line {
    Line::new()
        .set("x1", number(from.0))
        .set("y1", number(from.1))
        .set("x2", number(to.0))
        .set("y2", number(to.1))
        .set("stroke", colour)
        .set("stroke-width", number(width))
}

fn stroke(data: Data, colour: &str, width: f64) -> Path {
    Path::new()
        .set("d", data)
        .set("fill", "none")
        .set("stroke", colour)
        .set("stroke-width", number(width))
        .set("stroke-linejoin", "round")
}

fn number(number: f64) -> String {
    label(tenths(number).into())
}

/// Rounds to tenths of a pixel, which keeps the file small.
#[allow(
    clippy::cast_possible_truncation,
    reason = "places on the paper are small and need not be exact"
)]
fn tenths(number: f64) -> f32 {
    ((number * 10.0).round() / 10.0) as f32
}
