//! Bytes in, rows out: what a log says in numbers.

pub mod file;
#[cfg(test)]
mod formats;
pub mod names;
pub mod numbers;
pub mod text;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// The canonical metrics. Ratios are 0–1, times are seconds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Metric { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Metric {
            /// All of them, in the order in which they are printed.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The contract's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

metrics! {
    /// The step as printed: the global step where the log gives one, else the position in the
    /// epoch, else the epoch where nothing else counts.
    Step => "step",
    /// Steps that the run is to make.
    TotalSteps => "total_steps",
    /// Epoch, possibly fractional.
    Epoch => "epoch",
    /// Epochs that the run is to make.
    TotalEpochs => "total_epochs",
    /// Training loss.
    Loss => "loss",
    /// Norm of the gradient before clipping.
    GradNorm => "grad_norm",
    /// Learning rate.
    Lr => "lr",
    /// Scale of a mixed-precision loss.
    LossScale => "loss_scale",
    /// Items, tokens or steps per second, as the log counts them.
    Throughput => "throughput",
    /// Seconds per step.
    StepTimeS => "step_time_s",
    /// Model FLOPs utilisation, 0–1.
    Mfu => "mfu",
    /// GPU memory, GB.
    MemoryGb => "memory_gb",
    /// Validation loss.
    ValLoss => "val_loss",
    /// Validation accuracy, 0–1.
    ValAccuracy => "val_accuracy",
    /// Training accuracy, 0–1.
    TrainAccuracy => "train_accuracy",
    /// Perplexity.
    Perplexity => "perplexity",
    /// Reward or return of reinforcement learning.
    Reward => "reward",
    /// Rate of success, 0–1.
    SuccessRate => "success_rate",
    /// Kullback-Leibler divergence to the reference or old policy.
    Kl => "kl",
    /// Entropy of the policy.
    Entropy => "entropy",
    /// Samples seen.
    Samples => "samples",
    /// Tokens seen.
    Tokens => "tokens",
}

/// How many canonical metrics there are.
pub const METRICS: usize = Metric::ALL.len();

/// Canonical values of one row: a fixed array and a mask, so that a row costs no allocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    present: u32,
    values: [f64; METRICS],
}

impl Default for Values {
    fn default() -> Self {
        Self { present: 0, values: [0.0; METRICS] }
    }
}

impl Values {
    /// The value, where the row has one.
    #[inline]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        (self.present >> metric as u32 & 1 == 1).then(|| self.values[metric as usize])
    }

    /// Sets a value.
    #[inline]
    pub fn set(&mut self, metric: Metric, value: f64) {
        self.present |= 1 << metric as u32;
        self.values[metric as usize] = value;
    }

    /// Takes a value out.
    pub fn remove(&mut self, metric: Metric) -> Option<f64> {
        let value = self.get(metric);
        self.present &= !(1 << metric as u32);
        value
    }

    /// Forgets all values.
    #[inline]
    pub fn clear(&mut self) {
        self.present = 0;
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// What is set, in the canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> + '_ {
        Metric::ALL.iter().filter_map(|&metric| self.get(metric).map(|value| (metric, value)))
    }
}

/// One row of a log that carries metrics. Reused from record to record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// 1-based; only `\n` counts.
    pub line: u64,
    /// Byte offset of the record's start.
    pub offset: u64,
    /// The log's own time.
    pub time: Option<DateTime<Utc>>,
    /// Which start of the run this belongs to, from 1.
    pub attempt: u32,
    /// The rank that printed it.
    pub rank: Option<u32>,
    /// Monotonic within an attempt.
    pub global_step: Option<f64>,
    /// The loss is a policy's by its name.
    pub policy_loss: bool,
    /// Canonical values.
    pub values: Values,
    /// Any other number under its own name; filled only where asked for.
    pub other: Vec<(String, f64)>,
}
