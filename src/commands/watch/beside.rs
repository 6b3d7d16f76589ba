//! The first phase of a run that `launch` started, watched beside the copy of its log.

use super::display::Display;
use super::{ATTENTION, Attended, Ended, Ending, closing};
use crate::cli::{Common, Selection};
use crate::clock::Clock;
use crate::commands::launched;
use crate::commands::round::{Acting, Keep};
use crate::error::Result;
use crate::judge::Phase;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between the begins of two looks: as `watch --interval` is by default.
const INTERVAL: Duration = Duration::from_secs(3);

/// Watches a run until its first phase is over, waits until the run is, and looks once more; says
/// whether it was told that and how it has finished.
///
/// # Errors
/// It could not be watched, or not looked at in the end.
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
    let (interval, acting, stays) = (INTERVAL, Acting::Wait, true);
    let attended = Attended { common, config: &config, keep: &keep, interval, steps, acting, clocks, stays };
    let mut err = io::stderr();
    let mut display = Display::beside(&mut err, common);
    let tell = |ended: &[Ended], display: &mut Display<'_>| {
        let flags = closing::flags(&config, &Selection::default());
        let lines = closing::tell(ended, &config, &flags, clocks().wall());
        // Where nobody reads any more there is nobody to tell.
        drop(if common.quiet { Ok(()) } else { display.say(&lines) });
    };
    let mut ended = attended.attend(runs.clone(), over, &mut display)?;
    // What ends with the run is told by one more look.
    ended.retain(|ended| !matches!(ended.ending, Ending::Interrupted));
    tell(&ended, &mut display);
    while !over.load(Ordering::Relaxed) {
        thread::sleep(ATTENTION);
    }
    if !ended.iter().any(is_over) {
        ended = attended.attend(runs, over, &mut display)?;
        ended.retain(is_over);
        tell(&ended, &mut display);
    }
    let finished = |ended: &Ended| matches!(ended.ending, Ending::RunEnded { phase: Phase::Finished, .. });
    Ok(ended.iter().any(finished))
}

fn is_over(ended: &Ended) -> bool {
    matches!(ended.ending, Ending::RunEnded { .. })
}
