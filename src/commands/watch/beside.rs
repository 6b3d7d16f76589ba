//! The first phase of a run that `launch` started, watched beside the copy of its log.

use super::display::Display;
use super::{Attended, Ended, Ending, closing};
use crate::cli::{Common, Selection};
use crate::clock::Clock;
use crate::commands::launched;
use crate::commands::round::{Acting, Keep};
use crate::error::Result;
use crate::judge::Phase;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between the begins of two looks: as `watch --interval` is by default.
const INTERVAL: Duration = Duration::from_secs(3);

/// Watches a run until its first phase is over, or until the run is; says whether it was told
/// that and how it has finished.
///
/// # Errors
/// It could not be watched at all.
pub(crate) fn beside(
    run: &str,
    common: &Common,
    clocks: &dyn Fn() -> Clock,
    over: &AtomicBool,
) -> Result<bool> {
    let names = [run.to_owned()];
    let config = launched::load(crate::commands::load_args(common, None)?, &names, clocks().wall())?;
    let runs = config.select(&names)?;
    let keep = Keep::open(&config)?;
    let steps = config.training.phase1_steps;
    let (interval, acting) = (INTERVAL, Acting::Wait);
    let attended = Attended { common, config: &config, keep: &keep, interval, steps, acting, clocks };
    let mut err = io::stderr();
    let mut display = Display::beside(&mut err, common);
    let mut ended = attended.attend(runs.clone(), over, &mut display)?;
    let goes_on = |ended: &Ended| matches!(ended.ending, Ending::Interrupted);
    if over.load(Ordering::Relaxed) && ended.iter().any(goes_on) {
        // It ended since the last look: one more tells of what.
        ended = attended.attend(runs, over, &mut display)?;
    }
    ended.retain(|ended| !goes_on(ended));
    if !common.quiet {
        let flags = closing::flags(&config, &Selection::default());
        // Where nobody reads any more there is nobody to tell.
        drop(display.say(&closing::tell(&ended, &config, &flags, clocks().wall())));
    }
    let finished = |ended: &Ended| matches!(ended.ending, Ending::RunEnded { phase: Phase::Finished, .. });
    Ok(ended.iter().any(finished))
}
