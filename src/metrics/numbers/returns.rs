//! Rewards of reinforcement learning, and how often it succeeds: levels over the whole run, in
//! bounded size, and falls from the best of them that stay.

use super::episode::{self, Episode, Place};
use super::noise::median;
use super::success::{self, Fall, Success, keep};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Rows whose middle is a level, and how many levels are kept: pairs merge when there are more.
const ROWS: usize = 3;
const LEVELS: usize = 64;
/// Levels below which nothing is said.
const LEVELS_LEAST: usize = 8;
/// A value that is printed again counts as every eighth: running means are printed more often than
/// they are made, and a reward that is stuck must not vanish.
const REPETITIONS: u32 = 8;
/// What was learnt is so many standard deviations of the levels; of that a collapse loses this share,
/// by so many standard deviations, and so many times the deepest fall that the run recovered from.
const LEARNT_SIGMAS: f64 = 6.0;
const LOST: f64 = 0.3;
const LOST_SIGMAS: f64 = 5.5;
const DEEPER: f64 = 1.5;
/// Without anything learnt a collapse is below all that was ever seen, by this share of its range,
/// after so many levels.
const BELOW_ALL: f64 = 0.5;
const BELOW_LEVELS: usize = 16;

/// The newest rewards and rates of success.
const NEWEST: usize = 32;
const NOW: usize = 5;

/// The reward hack that is suspected: a reward that rises as much as this share of what it was, or of three times its
/// spread, while success falls (the contract's numbers).
const HACK_RISE: f64 = 0.5;
const HACK_SPREADS: f64 = 3.0;
/// Rewards below which a mean says nothing.
const HACK_LEAST: usize = 5;

/// Rewards and success of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Returns {
    /// Rewards so far.
    pub rows: u64,
    /// The latest collapse.
    pub collapse: Option<Episode>,
    /// The latest hack: success is the episode's value, the reward beside it.
    pub hack: Option<Episode>,
    /// Reward of the hack, and the mean that it is compared with.
    pub hacked: (f64, f64),
    newest: VecDeque<f64>,
    repeated: u32,
    block: Vec<f64>,
    block_at: Place,
    /// Where a level began, and its value; `width` medians make one.
    levels: Vec<(Place, f64)>,
    width: u32,
    part: (Place, f64, u32),
    /// The deepest fall that was recovered from, and the present one.
    recovered: f64,
    depth: f64,
    success: Success,
}

impl Returns {
    /// A pass over new rows begins.
    pub(super) fn begin_pass(&mut self) {
        for episode in [&mut self.collapse, &mut self.hack].into_iter().flatten() {
            episode.fresh = false;
        }
    }

    /// Takes the next row's finite reward.
    #[inline]
    pub(super) fn push(&mut self, reward: f64, place: Place) {
        self.rows += 1;
        if self.newest.back() == Some(&reward) {
            self.repeated += 1;
            if !self.repeated.is_multiple_of(REPETITIONS) {
                return;
            }
        } else {
            self.repeated = 0;
        }
        keep(&mut self.newest, reward, NEWEST);
        if self.block.is_empty() {
            self.block_at = place;
        }
        self.block.push(reward);
        if self.block.len() >= ROWS {
            self.level();
        }
    }

    fn level(&mut self) {
        let value = median(&mut self.block);
        self.block.clear();
        self.width = self.width.max(1);
        if self.part.2 == 0 {
            self.part.0 = self.block_at;
        }
        self.part.1 += value;
        self.part.2 += 1;
        if self.part.2 < self.width {
            return;
        }
        let (at, sum, medians) = std::mem::take(&mut self.part);
        self.levels.push((at, sum / f64::from(medians)));
        if self.levels.len() >= LEVELS {
            let merged = |pair: &[(Place, f64)]| {
                (pair[0].0, pair.iter().map(|level| level.1).sum::<f64>() / pair.len() as f64)
            };
            self.levels = self.levels.chunks(2).map(merged).collect();
            self.width *= 2;
        }
        self.judge();
    }

    /// Three good levels in a row are one that stays, and two bad ones.
    fn judge(&mut self) {
        let values: Vec<f64> = self.levels.iter().map(|(_, value)| *value).collect();
        let count = values.len();
        if count < LEVELS_LEAST {
            return;
        }
        let stays = |levels: &[f64]| levels.iter().copied().fold(f64::MAX, f64::min);
        let best = values[..count - 1].windows(3).map(stays).fold(f64::MIN, f64::max);
        let now = values[count - 1].max(values[count - 2]);
        let start = stays(&values[..2]).max(stays(&values[1..3]));
        let (fall, learnt) = (best - now, best - start);
        let jumps = values.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let mut jumps: Vec<f64> = jumps.filter(|jump| *jump > 0.0).collect();
        let sigma = median(&mut jumps) * 1.4826 / std::f64::consts::SQRT_2;
        let collapsed = self.collapse.as_ref().is_some_and(|collapse| !collapse.over);
        if !collapsed {
            if fall <= self.depth / 2.0 {
                self.recovered = self.recovered.max(self.depth);
                self.depth = 0.0;
            }
            self.depth = self.depth.max(fall);
        }
        let bar = (LOST * learnt).max(LOST_SIGMAS * sigma).max(DEEPER * self.recovered);
        let unlearnt = learnt >= LEARNT_SIGMAS * sigma && learnt > 0.0 && fall >= bar;
        let before = &values[..count - 2];
        let (low, high) = before
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        let below_all = before.len() >= BELOW_LEVELS && now < low - BELOW_ALL * (high - low) && high > low;
        if unlearnt || below_all {
            let begin = Episode::begin(self.levels[count - 2].0, now, best, self.rows);
            episode::note(&mut self.collapse, begin, f64::min);
            self.depth = 0.0;
        } else if collapsed && fall < LOST * learnt / 2.0 {
            episode::end(&mut self.collapse);
        }
    }

    /// Takes the next row's rate of success.
    pub(super) fn push_success(&mut self, rate: f64, place: Place) {
        self.success.push(rate, &self.newest);
        let below_mean = self.success.below_mean();
        let falls = [below_mean, self.success.below_best()];
        let hack = falls.into_iter().flatten().find_map(|fall| Some((fall, self.reward_is_up(fall)?)));
        if let Some((fall, hacked)) = hack {
            self.hacked = hacked;
            let begin = Episode::begin(place, fall.now, fall.usual, self.rows);
            episode::note(&mut self.hack, begin, f64::min);
        } else if falls == [None, None] {
            episode::end(&mut self.hack);
        }
        // A hack does not become what is usual.
        if below_mean.is_none() || hack.is_none() {
            self.success.accept(rate);
        }
    }

    /// Smoothed levels of the reward over the run so far, oldest first, with where each began.
    pub fn levels(&self) -> &[(Place, f64)] {
        &self.levels
    }

    /// How often the policy succeeds of late, 0–1.
    pub(super) fn success_now(&self) -> Option<f64> {
        self.success.now()
    }

    /// The present reward and the one before, where it is up since success was well.
    fn reward_is_up(&self, fall: Fall) -> Option<(f64, f64)> {
        let Some(then) = fall.reward_then else { return self.reward_is_above_mean() };
        let (now, noise) = (success::reward_now(&self.newest)?, success::reward_noise(&self.newest)?);
        is_up(now, then, noise).then_some((now, then))
    }

    /// The present reward and the mean before it, where it is up.
    fn reward_is_above_mean(&self) -> Option<(f64, f64)> {
        let count = self.newest.len();
        if count < HACK_LEAST {
            return None;
        }
        let rows = (count / 8).clamp(1, NOW);
        let now = median(&mut self.newest.iter().skip(count - rows).copied().collect::<Vec<_>>());
        let mut before: Vec<f64> = if self.levels.len() >= LEVELS_LEAST {
            self.levels[..self.levels.len() - 1].iter().map(|(_, value)| *value).collect()
        } else {
            self.newest.iter().take(count - rows).copied().collect()
        };
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        let middle = median(&mut before);
        let spread = median(&mut before.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>());
        is_up(now, mean, spread).then_some((now, mean))
    }
}

/// Whether a reward rose by more than its spread and by enough of what it was.
fn is_up(now: f64, before: f64, spread: f64) -> bool {
    now - before >= HACK_RISE * before.abs().max(HACK_SPREADS * spread)
}
