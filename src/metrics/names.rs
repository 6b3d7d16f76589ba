//! What the names in logs mean: spellings on the left, canonical metrics on the right.
//!
//! A name is compared as words: `train/lm-loss`, `Train LM loss` and `trainLmLoss` are the same
//! three. Names that [`SPELLINGS`] lacks are taken apart: a known head (`loss`, `accuracy`) keeps
//! its meaning under qualifiers that change nothing (`avg`, `total`), becomes the validation
//! metric under `val` and the like, and is something else under any other word.

use super::Metric::{self, *};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// A canonical metric. Of several in one record the lowest rank is the metric.
    Metric(Metric, u8),
    /// A number under its own name: a part of a loss, a framework's own counter.
    Other,
    /// A setting, not a measurement.
    Setting,
}

/// Ranks up to here are said to be training's own (`train_loss`), or to be nothing else (`loss`).
pub const PLAIN: u8 = 0;
/// Rank of a loss that names training.
pub const OF_TRAINING: u8 = 1;
/// Rank of a position that a log gives without a name: `[3/100]`.
pub const UNNAMED: u8 = 4;
/// Rank of a loss that trains one of several networks or the policy.
pub const OF_A_PART: u8 = 8;

/// Whole names, as words joined by `_`, sorted.
const SPELLINGS: &[(&str, Metric, u8)] = &[
    ("acc", TrainAccuracy, 1),
    ("accuracy", TrainAccuracy, 0),
    ("approx_kl", Kl, 1),
    ("approxkl", Kl, 1),
    ("avg_episode_reward", Reward, 2),
    ("batch", Step, 3),
    ("batch_cost", StepTimeS, 1),
    ("batch_time", StepTimeS, 1),
    ("consumed_samples", Samples, 0),
    ("consumed_tokens", Tokens, 0),
    ("cost", Loss, 5),
    ("elapsed_time_per_iteration", StepTimeS, 0),
    ("entropy", Entropy, 0),
    ("ep", Epoch, 1),
    ("ep_rew_mean", Reward, 0),
    ("episode_reward_mean", Reward, 0),
    ("epoch", Epoch, 0),
    ("epochs", Epoch, 1),
    ("eprewmean", Reward, 0),
    ("fps", Throughput, 3),
    ("global_iter", Step, 0),
    ("global_step", Step, 0),
    ("gnorm", GradNorm, 0),
    ("gpu_mem", MemoryGb, 1),
    ("grad", GradNorm, 3),
    ("grad_norm", GradNorm, 0),
    ("gradient_norm", GradNorm, 0),
    ("i", Step, 4),
    ("ips", Throughput, 1),
    ("it", Step, 2),
    ("iter", Step, 1),
    ("iter_time", StepTimeS, 0),
    ("iteration", Step, 1),
    ("iterations", Step, 2),
    ("kl", Kl, 0),
    ("kl_divergence", Kl, 0),
    ("l_r", Lr, 0),
    ("learning_rate", Lr, 0),
    ("lm_loss", Loss, 1),
    ("loss", Loss, PLAIN),
    ("loss_scale", LossScale, 0),
    ("lr", Lr, 0),
    ("max_iters", TotalSteps, 2),
    ("max_steps", TotalSteps, 2),
    ("max_vram", MemoryGb, 2),
    ("mean_reward", Reward, 0),
    ("mfu", Mfu, 0),
    ("ms_batch", StepTimeS, 2),
    ("nll", Loss, 6),
    ("norm", GradNorm, 4),
    ("num_epochs", TotalEpochs, 1),
    ("num_updates", Step, 0),
    ("perplexity", Perplexity, 0),
    ("ppl", Perplexity, 0),
    ("return", Reward, 3),
    ("reward", Reward, 0),
    ("reward_mean", Reward, 0),
    ("rewards", Reward, 1),
    ("s", Step, 5),
    ("samples_per_second", Throughput, 0),
    ("samples_sec", Throughput, 0),
    ("sec_iter", StepTimeS, 1),
    ("sps", Throughput, 1),
    ("step", Step, 1),
    ("step_avg", StepTimeS, 1),
    ("step_time", StepTimeS, 0),
    ("steps", Step, 2),
    ("success", SuccessRate, 1),
    ("success_rate", SuccessRate, 0),
    ("throughput", Throughput, 0),
    ("throughput_per_gpu", Throughput, 1),
    ("time", StepTimeS, 5),
    ("time_per_step", StepTimeS, 0),
    ("tok_s", Throughput, 0),
    ("tokens", Tokens, 1),
    ("tokens_per_sec", Throughput, 0),
    ("tokens_per_second", Throughput, 0),
    ("tokens_sec", Throughput, 0),
    ("tokens_seen", Tokens, 0),
    ("total_epochs", TotalEpochs, 0),
    ("total_steps", TotalSteps, 0),
    ("total_timesteps", Step, 0),
    ("trl", Loss, 1),
    ("up", Step, 0),
    ("updates", Step, 2),
    ("wps", Throughput, 2),
    ("xent", Loss, 4),
    ("损失", Loss, PLAIN),
];

/// Words under which a number is a setting or a bookkeeping count and no measurement.
const SETTINGS: &[&str] = &[
    "alpha",
    "best",
    "beta",
    "bound",
    "clip",
    "clipping",
    "coef",
    "coeff",
    "coefficient",
    "count",
    "decay",
    "delta",
    "eps",
    "epsilon",
    "every",
    "factor",
    "fn",
    "freq",
    "frequency",
    "func",
    "function",
    "gamma",
    "highest",
    "id",
    "init",
    "initial",
    "interval",
    "lambda",
    "limit",
    "log",
    "lowest",
    "margin",
    "max",
    "maximum",
    "min",
    "minimum",
    "nan",
    "num",
    "number",
    "patience",
    "previous",
    "ratio",
    "save",
    "scale",
    "scaler",
    "scaling",
    "scheduler",
    "seed",
    "skipped",
    "spike",
    "target",
    "thresh",
    "threshold",
    "type",
    "warmup",
    "weight",
    "weights",
    "window",
];

/// Words that make a metric one of held-out data.
const HELD_OUT: &[&str] = &["dev", "eval", "evaluation", "heldout", "test", "val", "valid", "validation"];
/// Words that make a metric one of training.
const TRAINING: &[&str] = &["tr", "train", "training"];
/// Words that change nothing.
const NEUTRAL: &[&str] = &[
    "average", "avg", "batch", "ce", "cross", "cur", "current", "epoch", "global", "is", "iter", "lm",
    "mean", "mlm", "model", "overall", "per", "running", "smoothed", "step", "sum", "tok", "token", "tot",
    "total", "was",
];
/// Words that name the one part among several that is nearest to the training loss.
const POLICY: &[&str] = &["actor", "obj", "objective", "pg", "policy"];

/// Most words of a name that are looked at, counted from its end.
const WORDS: usize = 8;

/// A name as lower-case words joined by `_`, and where its words begin.
#[derive(Debug, Default)]
struct Words {
    text: String,
    /// Begin of each word, and whether a space stood before it.
    starts: Vec<(usize, bool)>,
}

impl Words {
    fn split(name: &[u8]) -> Self {
        let mut words = Self::default();
        let (mut gap, mut spaced) = (true, true);
        let mut lower = false;
        for letter in String::from_utf8_lossy(name).chars() {
            if letter.is_ascii() && !letter.is_ascii_alphanumeric() {
                spaced |= letter == ' ';
                gap = true;
                continue;
            }
            gap |= lower && letter.is_ascii_uppercase();
            if gap {
                if !words.text.is_empty() {
                    words.text.push('_');
                }
                words.starts.push((words.text.len(), spaced));
                (gap, spaced) = (false, false);
            }
            lower = letter.is_ascii_lowercase();
            words.text.push(letter.to_ascii_lowercase());
        }
        let extra = words.starts.len().saturating_sub(WORDS);
        words.starts.drain(..extra);
        words
    }

    fn from(&self, first: usize) -> &str {
        self.starts.get(first).and_then(|(start, _)| self.text.get(*start..)).unwrap_or_default()
    }

    fn word(&self, index: usize) -> &str {
        self.from(index).split('_').next().unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.starts.len()
    }
}

/// What the name stands for. Words to the left of a known name that are parted from it by a space
/// are prose and may be there; words joined to it change it.
pub fn classify(name: &[u8]) -> Name {
    let mut words = Words::split(name);
    while words.len() > 1 && matches!(words.word(words.len() - 1), "is" | "was" | "of" | "value") {
        let end = words.starts.pop().map_or(0, |(start, _)| start);
        words.text.truncate(end.saturating_sub(1));
    }
    for first in 0..words.len() {
        if words.starts[first].1 || first == 0 {
            match known(&words, first) {
                Name::Other => {}
                name => return name,
            }
            // A setting's word or a part's in front of a name is never prose.
            if SETTINGS.contains(&words.word(first)) || PARTS.contains(&words.word(first)) {
                return Name::Other;
            }
        }
    }
    Name::Other
}

/// Words that, in front of a loss, make it a part even across a space.
const PARTS: &[&str] = &[
    "adv",
    "adversarial",
    "aux",
    "auxiliary",
    "bbox",
    "box",
    "cls",
    "critic",
    "d",
    "disc",
    "discriminator",
    "entropy",
    "feature",
    "g",
    "gen",
    "generator",
    "kl",
    "mask",
    "mtp",
    "reconstruction",
    "reg",
    "regularization",
    "rpn",
    "v",
    "value",
];

fn known(words: &Words, first: usize) -> Name {
    if let Ok(found) = SPELLINGS.binary_search_by(|(spelling, ..)| (*spelling).cmp(words.from(first))) {
        let (_, metric, rank) = SPELLINGS[found];
        return Name::Metric(metric, rank);
    }
    let mut head = None;
    let (mut held_out, mut training, mut policy, mut setting, mut unknown, mut numbered) =
        (false, false, false, false, false, None);
    for index in first..words.len() {
        let word = words.word(index);
        match word {
            "loss" | "losses" | "acc" | "accuracy" | "acc1" | "top1" | "ppl" | "perplexity" | "lr"
            | "norm" | "reward" | "return" | "kl" | "step" | "iter" | "rewards" | "returns"
                if head.is_none() || head == Some("step") || head == Some("iter") =>
            {
                head = Some(word);
            }
            "scale" if head == Some("loss") => return Name::Metric(LossScale, 1),
            _ if HELD_OUT.contains(&word) => held_out = true,
            _ if TRAINING.contains(&word) => training = true,
            _ if POLICY.contains(&word) => policy = true,
            _ if SETTINGS.contains(&word) => setting = true,
            "grad" | "gradient" | "gradients" if words.from(index).contains("norm") => {}
            _ if word.parse::<u32>().is_ok() && index + 1 == words.len() => {
                numbered = word.parse::<u32>().ok()
            }
            _ if NEUTRAL.contains(&word) => {}
            _ => unknown = true,
        }
    }
    let Some(head) = head else { return Name::Other };
    if setting {
        return Name::Setting;
    }
    if unknown {
        return Name::Other;
    }
    let averaged = 2 + u8::from(!training);
    match head {
        "loss" | "losses" if held_out => Name::Metric(ValLoss, u8::from(policy)),
        "loss" | "losses" if policy => Name::Metric(Loss, OF_A_PART),
        // Of several networks' losses the later one is the generator's, and an average is a summary.
        "loss" | "losses"
            if numbered == Some(0) || numbered.is_some() && words.len() - first > 2 =>
        {
            Name::Other
        }
        "loss" | "losses" if numbered.is_some() => Name::Metric(Loss, OF_A_PART - 1),
        "loss" | "losses" if training && words.len() - first == 2 => Name::Metric(Loss, OF_TRAINING),
        "loss" | "losses" => Name::Metric(Loss, averaged),
        "acc" | "accuracy" | "acc1" | "top1" if held_out => Name::Metric(ValAccuracy, 0),
        "acc" | "accuracy" | "acc1" | "top1" => Name::Metric(TrainAccuracy, 1),
        "ppl" | "perplexity" if !held_out => Name::Metric(Perplexity, 1),
        "lr" => Name::Metric(Lr, 2),
        "norm" if words.from(first).contains("grad") => Name::Metric(GradNorm, 1),
        "reward" | "rewards" | "return" | "returns" if !held_out => Name::Metric(Reward, 2),
        "kl" if !held_out => Name::Metric(Kl, 2),
        "step" | "iter" if training || words.from(first).starts_with("global") => Name::Metric(Step, 1),
        _ => Name::Other,
    }
}

/// The metric that held-out data has in the place of one of training.
pub fn held_out(metric: Metric) -> Metric {
    match metric {
        Loss => ValLoss,
        TrainAccuracy => ValAccuracy,
        other => other,
    }
}

/// Whether a word alone says that what follows is about held-out data: `valid on 'valid' subset | loss 5.2`.
pub fn is_held_out(word: &[u8]) -> bool {
    HELD_OUT.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
        || [&b"validating"[..], b"evaluating", b"testing"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
}

/// What a unit behind a number, or in brackets behind a name, makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// Multiply to reach the canonical unit of whatever the name says.
    Scale(f64),
    /// Items per second, whatever the name says.
    PerSecond,
    /// Seconds per step times this.
    SecondsPerStep(f64),
}

/// The unit, where it is one that logs use.
pub fn unit(word: &[u8]) -> Option<Unit> {
    let unit = match word {
        b"%" => Unit::Scale(0.01),
        b"s" | b"sec" | b"secs" | b"seconds" | b"G" | b"GB" | b"GiB" | b"gb" => Unit::Scale(1.0),
        b"ms" | b"msec" | b"M" | b"MB" | b"MiB" => Unit::Scale(1e-3),
        b"us" | b"\xc2\xb5s" => Unit::Scale(1e-6),
        b"min" => Unit::Scale(60.0),
        b"s/it" | b"s/iter" | b"s/step" | b"s/batch" | b"sec/batch" | b"sec/step" => {
            Unit::SecondsPerStep(1.0)
        }
        b"ms/it" | b"ms/iter" | b"ms/step" | b"ms/batch" => Unit::SecondsPerStep(1e-3),
        _ if word.len() > 2
            && (word.ends_with(b"/s") || word.ends_with(b"/sec") || word.ends_with(b"/second")) =>
        {
            Unit::PerSecond
        }
        _ => return None,
    };
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_spelling_stands_twice() {
        for pair in SPELLINGS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
        for list in [SETTINGS, HELD_OUT, NEUTRAL, PARTS, POLICY] {
            assert!(list.is_sorted());
        }
    }

    #[test]
    fn a_loss_is_told_from_its_parts_and_its_settings() {
        for name in [
            "loss",
            "Loss",
            "train_loss",
            "train/loss",
            "training loss",
            "lm loss",
            "lm-loss",
            "trl",
            "Cost",
            "xent",
            "Loss/tok",
            "avg loss",
            "total_loss",
            "loss is",
            "actor/pg_loss",
            "policy_loss",
            "per_token_loss",
            "ObjLoss",
            "loss_1",
            "损失",
            "Average loss",
        ] {
            assert!(
                matches!(classify(name.as_bytes()), Name::Metric(Loss, _)),
                "{name}: {:?}",
                classify(name.as_bytes())
            );
        }
        for name in [
            "loss_rpn_cls",
            "value_loss",
            "Value loss",
            "v_loss",
            "aux_loss",
            "s0.loss_bbox",
            "LOSS_ALPHA",
            "loss_weight",
            "best loss",
            "box_loss",
            "policy_gradient_loss",
            "loss_0",
            "entropy_loss",
            "loss_fn",
            "max loss",
        ] {
            assert!(
                !matches!(classify(name.as_bytes()), Name::Metric(..)),
                "{name}: {:?}",
                classify(name.as_bytes())
            );
        }
    }

    #[test]
    fn names_have_their_canonical_metric() {
        for (name, metric) in [
            ("val_loss", ValLoss),
            ("val loss", ValLoss),
            ("eval/loss", ValLoss),
            ("validation loss", ValLoss),
            ("test_loss", ValLoss),
            ("loss scale", LossScale),
            ("loss_scale", LossScale),
            ("grad norm", GradNorm),
            ("gnorm", GradNorm),
            ("L.r.", Lr),
            ("learning rate", Lr),
            ("train/lr", Lr),
            ("Up.", Step),
            ("num_updates", Step),
            ("GLOBAL_STEP", Step),
            ("global step", Step),
            ("consumed samples", Samples),
            ("elapsed time per iteration", StepTimeS),
            ("val_acc", ValAccuracy),
            ("acc", TrainAccuracy),
            ("ep_rew_mean", Reward),
            ("INFO step", Step),
        ] {
            assert!(
                matches!(classify(name.as_bytes()), Name::Metric(found, _) if found == metric),
                "{name}: {:?}",
                classify(name.as_bytes())
            );
        }
    }

    #[test]
    fn counts_and_settings_are_no_measurements() {
        for name in [
            "number of nan iterations",
            "number of skipped iterations",
            "max_grad_norm",
            "kl_coef",
            "num zeros",
            "weight_decay",
            "clip_grad_norm",
        ] {
            assert!(
                !matches!(classify(name.as_bytes()), Name::Metric(..)),
                "{name}: {:?}",
                classify(name.as_bytes())
            );
        }
    }
}
