//! What a terminal's screen says of work: whether anything was written to it since it was seen last.
//!
//! A screen on which only a clock runs is that of a program that hangs. So a change counts as work where
//! lines scrolled off (whatever they hold), stand higher than before or came to the end, or where what
//! is left of a line without its numbers, spinners and bars is another.

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// Letters of a unit behind a number: `ms`, `GB`; longer ones are words.
const UNIT: usize = 2;
/// Adjacent lines that stand higher than before: one could be chance.
const SHIFTED: usize = 2;

/// A screen as it is remembered: its lines' hashes, so that nothing of what it showed is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Screen {
    size: (u32, u32),
    history: u64,
    /// Each line as it stands, and without what only ticks.
    lines: Vec<(u64, u64)>,
}

/// How a screen differs from what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Its size is another one: nothing can be compared.
    Resized,
    /// Not at all.
    Nothing,
    /// Only in numbers, spinners and bars that stand where they stood.
    Ticking,
    /// By work.
    Work,
}

impl Screen {
    pub(super) fn new(size: (u32, u32), history: u64, lines: &[String]) -> Self {
        let hashes =
            |line: &String| (xxh3_64(line.trim_end().as_bytes()), xxh3_64(without_ticks(line).as_bytes()));
        Self { size, history, lines: lines.iter().map(hashes).collect() }
    }

    pub(super) fn since(&self, old: &Self) -> Change {
        if self.size != old.size {
            return Change::Resized;
        }
        if self.lines == old.lines && self.history == old.history {
            return Change::Nothing;
        }
        let longer = self.lines.len() > old.lines.len();
        if self.history != old.history || longer || self.is_shifted(old) || self.says_other(old) {
            return Change::Work;
        }
        Change::Ticking
    }

    /// Whether what is not a number, spinner or bar is another in any line.
    fn says_other(&self, old: &Self) -> bool {
        let nothing = xxh3_64(b"");
        let said = |screen: &Self, row: usize| screen.lines.get(row).map_or(nothing, |line| line.1);
        (0..self.lines.len().max(old.lines.len())).any(|row| said(self, row) != said(old, row))
    }

    /// Whether adjacent lines that differ from each other stand higher than they did.
    fn is_shifted(&self, old: &Self) -> bool {
        let blank = xxh3_64(b"");
        let at = |screen: &Self, row: usize| screen.lines.get(row).map_or(blank, |line| line.0);
        (1..old.lines.len()).any(|by| {
            let moved = |row: usize| {
                let now = at(self, row);
                now != blank && now == at(old, row + by) && now != at(old, row)
            };
            let mut run = HashSet::new();
            (0..self.lines.len()).any(|row| {
                if moved(row) {
                    run.insert(at(self, row));
                } else {
                    run.clear();
                }
                run.len() >= SHIFTED
            })
        })
    }
}

/// A line without its numbers and their units, spinners, bars and blanks.
fn without_ticks(line: &str) -> String {
    let mut rest = line.chars().peekable();
    let mut kept = String::new();
    let mut in_word = false;
    while let Some(c) = rest.next() {
        if c.is_ascii_digit() && !in_word {
            while rest.next_if(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '/')).is_some() {}
            let unit = letters(rest.clone());
            rest.by_ref().take(unit).for_each(drop);
            let per = letters(rest.clone().skip(1));
            if rest.peek() == Some(&'/') && per > 0 {
                rest.by_ref().take(1 + per).for_each(drop);
            }
        } else if !c.is_whitespace() && !c.is_ascii_digit() && !ticks(c) {
            kept.push(c);
        }
        in_word = c.is_alphabetic() || (in_word && c.is_ascii_digit());
    }
    kept
}

/// Letters of the unit that begins here; none where a longer word does.
fn letters(text: impl Iterator<Item = char>) -> usize {
    let letters = text.take_while(|c| c.is_alphabetic()).take(UNIT + 1).count();
    if letters > UNIT { 0 } else { letters }
}

/// Signs that spinners, bars and counters are made of.
fn ticks(c: char) -> bool {
    // Arrows, lines, blocks and circles, stars, braille; moons and clocks.
    "|/-\\=><#*+.:,%~_…·•∗⋅".contains(c)
        || matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2500}'..='\u{25ff}' | '\u{2720}'..='\u{2760}')
        || matches!(c, '\u{2800}'..='\u{28ff}' | '\u{1f311}'..='\u{1f318}' | '\u{1f550}'..='\u{1f567}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(old: &str, new: &str) -> Change {
        let screen = |text: &str| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            Screen::new((80, 24), 0, &lines)
        };
        screen(new).since(&screen(old))
    }

    #[test]
    fn a_clock_a_spinner_and_a_bar_in_their_cells_are_no_work() {
        for (old, new) in [
            ("Sun Nov 22 18:52:23 UTC 2026", "Sun Nov 22 18:57:24 UTC 2026"),
            ("| working", "/ working"),
            ("⠋ Thinking", "⠹ Thinking"),
            (
                "✻ Pondering… (59s · ↑ 900 tokens · esc to interrupt)",
                "✶ Pondering… (1m 3s · ↓ 1.2k tokens · esc to interrupt)",
            ),
            (
                "  9%|█▉        | 9/100 [00:09<01:31,  1.00s/it]",
                " 10%|██        | 10/100 [00:10<01:30,  1.01it/s]",
            ),
            ("[###       ] 3 of 10", "[####      ] 4 of 10"),
            ("mem 512MB", "mem 1.1GB"),
        ] {
            assert_eq!(change(old, new), Change::Ticking, "{old} / {new}");
        }
        assert_eq!(change("all\nthe same", "all\nthe same"), Change::Nothing);
    }

    #[test]
    fn other_words_more_lines_and_lines_that_moved_are_work_whatever_they_hold() {
        for (old, new) in [
            ("reading a.py", "writing b.py"),
            ("$", "$ ls"),
            ("1", "1\n2"),
            ("head\n1\n2\n3\n4\n5", "head\n3\n4\n5\n6\n7"),
            ("head\nstep 1\nstep 2\nstep 3", "head\nstep 2\nstep 3\nstep 4"),
            ("a1b", "a1c"),
            ("done: 3 files", "done: 3 filings"),
        ] {
            assert_eq!(change(old, new), Change::Work, "{old} / {new}");
        }
    }

    #[test]
    fn history_that_grew_is_work_and_another_size_cannot_be_compared() {
        let screen = |size, history| Screen::new(size, history, &["same".to_owned()]);
        let old = screen((80, 24), 5);
        assert_eq!(screen((80, 24), 6).since(&old), Change::Work);
        assert_eq!(screen((80, 24), 5).since(&old), Change::Nothing);
        assert_eq!(screen((80, 25), 6).since(&old), Change::Resized);
    }
}
