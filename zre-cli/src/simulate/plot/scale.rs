//! From figures to positions in the picture.

/// A range of figures, and where it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// 0 is at `from` and `most` at `to`.
    pub(super) fn new(most: f64, from: f64, to: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        Self { most, from, to }
    }

    pub(super) fn place(&self, figure: f64) -> f64 {
        self.from + (self.to - self.from) * figure / self.most
    }

    /// About `count` round figures from 0 to the largest.
    pub(super) fn ticks(&self, count: u32) -> Vec<f64> {
        let step = round_step(self.most / f64::from(count));
        let figures = (0..100_u32).map(|number| f64::from(number) * step);
        figures
            .take_while(|figure| *figure <= self.most * (1.0 + 1e-9))
            .collect()
    }
}

/// The next round number, so that ticks end where the axis does.
pub(super) fn round_up(most: f64, count: u32) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let step = round_step(most / f64::from(count));
    (most / step).ceil() * step
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below this.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0];
    let found = factors
        .iter()
        .find(|factor| *factor * power >= least * (1.0 - 1e-9));
    found.map_or(10.0 * power, |factor| factor * power)
}

/// A figure without zeros at its end.
pub(super) fn label(figure: f64) -> String {
    if figure >= 10_000.0 {
        return format!("{}k", label(figure / 1000.0));
    }
    let text = format!("{figure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_end() {
        for (most, ends, count) in [(1.02, 1.2, 6), (999.0, 1000.0, 5), (0.037, 0.04, 6)] {
            let round = round_up(most, count);
            assert!((round - ends).abs() < 1e-9, "{round}");
            let ticks = Scale::new(round, 0.0, 1.0).ticks(count);
            assert!((ticks.last().unwrap() - ends).abs() < 1e-9, "{ticks:?}");
            assert!(ticks.len() <= 8, "{ticks:?}");
        }
        assert_eq!(round_up(0.0, 5), 1.0);
    }

    #[test]
    fn labels_are_short() {
        for (figure, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (1000.0, "1000"),
            (25_000.0, "25k"),
        ] {
            assert_eq!(label(figure), text);
        }
    }
}
