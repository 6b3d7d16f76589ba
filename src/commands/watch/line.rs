//! How a run is doing, in one line.

use crate::commands::round::{Doing, Glimpse};
use crate::deliver::report::RunReport;
use crate::finding::Severity;
use crate::judge::say::{plain, span};
use crate::metrics::Metric;
use crate::metrics::numbers::Numbers;

/// Columns of the progress bar, and of the sparkline.
const BAR: usize = 20;
const SPARKS: usize = 12;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of a name: longer ones are cut.
const NAME: usize = 24;

/// One run at one look.
pub(super) struct Sight<'a> {
    pub(super) report: &'a RunReport,
    pub(super) numbers: &'a Numbers,
    pub(super) glimpse: &'a Glimpse,
}

/// A part of a line, and how much it is missed where there is no room: 0 is never left out.
type Part = (u8, String);

impl Sight<'_> {
    /// Whether it has made a step, or, where it counts none, a row.
    pub(super) fn has_begun(&self) -> bool {
        self.numbers.attempt_rows > 0
    }

    /// For a terminal of so many columns, without colour and not longer than they are.
    pub(super) fn live(&self, columns: usize) -> String {
        let mut parts: Vec<Part> = vec![(0, cut(&self.report.name, NAME))];
        if self.has_begun() {
            parts.push((5, bar(self.glimpse.progress.done / self.glimpse.progress.of.max(1) as f64)));
            parts.push((0, self.position()));
            parts.extend(self.loss().map(|loss| (1, loss)));
            parts.extend(sparkline(self.numbers).map(|line| (6, line)));
            parts.extend((2..).zip(self.others()));
        } else {
            parts.push((0, self.start()));
        }
        parts.extend(self.trouble().map(|trouble| (0, format!("! {trouble}"))));
        fit(parts, columns)
    }

    /// For a log or a pipe.
    pub(super) fn plain(&self) -> String {
        let mut parts = Vec::new();
        if self.has_begun() {
            parts.push(self.position());
            parts.extend(self.loss());
            parts.extend(self.others());
        } else {
            parts.push(self.start());
        }
        parts.extend(self.trouble());
        format!("{} {}", self.report.name, parts.join(", "))
    }

    /// `no first step yet, 3 min, CPU busy`.
    fn start(&self) -> String {
        let mut text = format!("no first step yet, {}", span(self.glimpse.since.as_secs_f64()));
        if let Some(doing) = self.glimpse.doing {
            text += match doing {
                Doing::Computing => ", CPU busy",
                Doing::Reading => ", reading",
                Doing::Waiting => ", neither CPU nor I/O",
            };
        }
        text
    }

    /// `step 340/1000`, as the phase counts.
    fn position(&self) -> String {
        let progress = self.glimpse.progress;
        let what = if progress.in_steps { "step" } else { "row" };
        let (done, of) = (progress.done.floor(), progress.of);
        // A run that was resumed counts on where the phase counts from its start.
        match self.report.step.filter(|step| progress.in_steps && (step - progress.done).abs() >= 1.0) {
            Some(step) => format!("step {}, {}/{of} of phase 1", plain(step), plain(done)),
            None => format!("{what} {}/{of}", plain(done)),
        }
    }

    fn loss(&self) -> Option<String> {
        let named = [(Metric::Loss, "loss"), (Metric::Reward, "reward")].into_iter();
        let mut known = named.filter_map(|(metric, word)| Some((word, self.numbers.latest.get(metric)?)));
        known.next().map(|(word, value)| format!("{word} {}", short(value)))
    }

    /// Norm, pace, GPU and what is left, in this order.
    fn others(&self) -> Vec<String> {
        let norm = self.numbers.latest.get(Metric::GradNorm).map(|norm| format!("grad norm {}", short(norm)));
        let pace = self.glimpse.step_s.filter(|_| self.glimpse.progress.in_steps).map(pace);
        let left = self.glimpse.progress.of as f64 - self.glimpse.progress.done;
        let left = self.glimpse.step_s.filter(|_| self.glimpse.progress.in_steps && left > 0.0);
        let left = left.map(|step_s| (self.glimpse.progress.of as f64 - self.glimpse.progress.done) * step_s);
        let left = left.map(|seconds| format!("{} left", span(seconds)));
        [norm, pace, self.gpu(), left].into_iter().flatten().collect()
    }

    fn gpu(&self) -> Option<String> {
        let cards = &self.report.gpus;
        let shares: Vec<f64> = cards.iter().filter_map(|card| card.utilization).collect();
        if shares.is_empty() {
            return None;
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let many = if shares.len() > 1 { format!("{} GPUs", shares.len()) } else { "GPU".to_owned() };
        Some(format!("{many} {:.0} %", mean * 100.0))
    }

    /// The worst that is open, by its name.
    fn trouble(&self) -> Option<String> {
        let counting = self.report.findings.iter().filter(|finding| finding.counts());
        let bad: Vec<_> = counting.filter(|finding| finding.severity > Severity::Info).collect();
        let first = bad.first()?;
        let more = if bad.len() > 1 { format!(" and {} more", bad.len() - 1) } else { String::new() };
        Some(format!("{} {}{more}", first.severity.word(), first.syndrome))
    }
}

/// A pace as people say it.
fn pace(step_s: f64) -> String {
    if step_s >= 1.0 {
        format!("{} s/step", short(step_s))
    } else {
        format!("{} steps/s", short(1.0 / step_s))
    }
}

/// Three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => value.to_string(),
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        size => {
            let digits = 2 - size.log10().floor() as i32;
            format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
        }
    }
}

fn bar(share: f64) -> String {
    let full = ((share.clamp(0.0, 1.0) * BAR as f64).round() as usize).min(BAR);
    format!("{}{}", "━".repeat(full), "─".repeat(BAR - full))
}

/// The loss over the steps so far; its newest value is the rightmost column.
fn sparkline(numbers: &Numbers) -> Option<String> {
    let bins = &numbers.curve.bins;
    if bins.len() < 2 {
        return None;
    }
    let columns = SPARKS.min(bins.len());
    let mean = |column: usize| {
        let part = &bins[column * bins.len() / columns..(column + 1) * bins.len() / columns];
        part.iter().map(|bin| bin.mean).sum::<f64>() / part.len().max(1) as f64
    };
    let means: Vec<f64> = (0..columns).map(mean).collect();
    let (low, high) =
        means.iter().fold((f64::MAX, f64::MIN), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    let spread = high - low;
    let height = |mean: &f64| {
        let share = if spread > 0.0 && spread.is_finite() { (mean - low) / spread } else { 0.0 };
        HEIGHTS[((share * 7.0).round() as usize).min(7)]
    };
    Some(means.iter().map(height).collect())
}

/// Leaves out what is missed least until it fits.
fn fit(mut parts: Vec<Part>, columns: usize) -> String {
    let length = |parts: &[Part]| parts.iter().map(|(_, text)| text.chars().count() + 2).sum::<usize>();
    while length(&parts) > columns + 2 {
        let Some(most) = parts.iter().map(|(rank, _)| *rank).max().filter(|rank| *rank > 0) else { break };
        parts.retain(|(rank, _)| *rank < most);
    }
    let texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    cut(&texts.join("  "), columns)
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::attendance::Progress;
    use chrono::DateTime;
    use std::time::Duration;

    fn report() -> RunReport {
        let mut report = RunReport::failed("demo", String::new(), DateTime::UNIX_EPOCH);
        report.error = None;
        report
    }

    fn numbers(rows: u64) -> Numbers {
        let mut numbers = Numbers::default();
        for step in 1..=rows {
            let mut row = crate::metrics::Row { line: step, attempt: 1, ..crate::metrics::Row::default() };
            row.global_step = Some(step as f64);
            row.values.set(Metric::Step, step as f64);
            row.values.set(Metric::Loss, 8.0 / step as f64);
            row.values.set(Metric::GradNorm, 0.8125);
            numbers.fold(&row, "head");
        }
        numbers
    }

    fn glimpse(done: f64) -> Glimpse {
        let progress = Progress { done, of: 1000, in_steps: true };
        Glimpse { progress, since: Duration::from_secs(190), doing: None, step_s: Some(0.25) }
    }

    #[test]
    fn a_line_fits_its_terminal_and_keeps_what_matters() {
        let (mut report, numbers, glimpse) = (report(), numbers(340), glimpse(340.0));
        report.step = Some(340.0);
        let sight = Sight { report: &report, numbers: &numbers, glimpse: &glimpse };
        let wide = "demo  ━━━━━━━─────────────  step 340/1000  loss 0.0235  █▂▂▁▁▁▁▁▁▁▁▁  grad norm 0.812  4.00 steps/s  165 s left";
        assert_eq!(sight.live(200), wide.replace("165 s", "2 min"));
        assert_eq!(sight.live(30), "demo  step 340/1000");
        assert_eq!(sight.live(40), "demo  step 340/1000  loss 0.0235");
        for columns in 1..150 {
            assert!(sight.live(columns).chars().count() <= columns, "{columns}");
        }
        assert_eq!(
            sight.plain(),
            "demo step 340/1000, loss 0.0235, grad norm 0.812, 4.00 steps/s, 2 min left"
        );
    }

    #[test]
    fn before_the_first_step_it_says_how_long_and_what_the_process_does() {
        let report = report();
        let glimpse = Glimpse { doing: Some(Doing::Computing), ..glimpse(0.0) };
        let numbers = Numbers::default();
        let sight = Sight { report: &report, numbers: &numbers, glimpse: &glimpse };
        assert_eq!(sight.plain(), "demo no first step yet, 3 min, CPU busy");
    }

    #[test]
    fn a_resumed_run_says_its_step_and_how_far_the_phase_is() {
        let (mut report, numbers, glimpse) = (report(), numbers(3), glimpse(30.0));
        report.step = Some(50_030.0);
        let sight = Sight { report: &report, numbers: &numbers, glimpse: &glimpse };
        assert!(sight.plain().starts_with("demo step 50030, 30/1000 of phase 1, loss"), "{}", sight.plain());
    }
}
