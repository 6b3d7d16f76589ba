//! A screen that waits for a key: a question with its answers, a pager, a password, a menu.
//!
//! Few mechanisms rather than many texts. Where a line asks, the cursor stands on it. A menu is a marked
//! line among numbered ones, as Claude Code and Codex draw theirs, or a marked line under a hint that
//! says which keys it takes.

/// Answers in brackets at the end of a question.
const ANSWERS: &[&str] = &["y/n", "yes/no", "y/n/a", "y/n/q", "yes/no/[fingerprint]", "y/n/?"];
/// What is pressed.
const KEYS: &[&str] = &["key", "enter", "return", "space"];
/// What is typed and not shown, or asked for before that.
const SECRETS: &[&str] =
    &["password", "passphrase", "passcode", "verification code", "one-time code", "username for", "pin for"];
/// How pagers wait, as whole lines.
const PAGERS: &[&str] = &["--more--", "(end)", "lines 1-"];
/// Signs before the marked line of a menu.
const MARKS: &[char] = &['❯', '›', '▸', '➤', '→', '◉', '●', '>'];
/// Hints under a menu.
const HINTS: &[&str] = &["arrow keys", "enter to select", "enter to confirm", "enter to submit"];
/// Lines at the end of a screen in which a menu is looked for.
const MENU: usize = 20;
/// Lines between two options: one may be long and wrapped.
const APART: usize = 3;

/// The line that asks, where the screen waits for a key.
pub(super) fn waits(lines: &[String], cursor_row: usize) -> Option<String> {
    let rows: Vec<(usize, &str)> = lines
        .iter()
        .enumerate()
        .map(|(row, line)| (row, bare(line)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let (row, last) = *rows.last()?;
    let end: Vec<&str> = rows.iter().rev().take(MENU).rev().map(|(_, line)| *line).collect();
    menu(&end).or_else(|| (row == cursor_row && asks(last)).then(|| last.to_owned()))
}

/// A line without the frame that is drawn around it.
fn bare(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{2500}'..='\u{257f}'))
}

fn asks(line: &str) -> bool {
    let line = line.to_lowercase();
    let end = line.trim_end_matches([' ', ':', '?', '>']);
    let answers = |words: &str| {
        let inside = end.strip_suffix([')', ']']).and_then(|end| end.strip_suffix(words));
        inside.is_some_and(|question| question.ends_with(['(', '[']))
    };
    let pressed = || {
        let after = ["press ", "hit "].iter().find_map(|verb| Some(line.split_once(verb)?.1));
        after.is_some_and(|after| KEYS.iter().any(|key| after.contains(key)))
    };
    let secret = || line.ends_with(':') && SECRETS.iter().any(|word| line.contains(word));
    let pager = || PAGERS.iter().any(|pager| line.starts_with(pager));
    ANSWERS.iter().any(|words| answers(words)) || pressed() || secret() || pager()
}

/// The question over a menu, or else its marked line.
fn menu(lines: &[&str]) -> Option<String> {
    let marked = lines.iter().rposition(|line| option(line).is_some_and(|(marked, _)| marked))?;
    let (_, number) = option(lines[marked])?;
    let near = marked.saturating_sub(APART)..(marked + APART + 1).min(lines.len());
    let beside = |line: &&str| match (option(line), number) {
        (Some((false, Some(other))), Some(number)) => other.abs_diff(number) == 1,
        _ => false,
    };
    let numbered = number.is_some() && lines[near].iter().any(beside);
    let hinted = || {
        let said = lines.join("\n").to_lowercase();
        HINTS.iter().any(|hint| said.contains(hint))
    };
    if !numbered && !hinted() {
        return None;
    }
    let question = lines[..marked].iter().rev().find(|line| line.ends_with('?') || line.starts_with("? "));
    Some((*question.unwrap_or(&lines[marked])).to_owned())
}

/// Whether a line is an option of a menu: marked, and with which number.
fn option(line: &str) -> Option<(bool, Option<u32>)> {
    let (marked, text) = match line.strip_prefix(MARKS) {
        Some(text) => (true, text.trim_start()),
        None => (false, line),
    };
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let numbered = text[digits.len()..].starts_with(['.', ')', ':']);
    let number = digits.parse().ok().filter(|_| numbered);
    (number.is_some() || (marked && !text.is_empty())).then_some((marked, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(screen: &str) -> Option<String> {
        let lines: Vec<String> = screen.lines().map(str::to_owned).collect();
        waits(&lines, lines.len().saturating_sub(1))
    }

    #[test]
    fn questions_pagers_and_passwords_wait_where_the_cursor_stands() {
        for line in [
            "Do you want to continue? [Y/n] ",
            "Overwrite a.txt (y/n)?",
            "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
            "Press any key to continue . . .",
            "Press Enter to continue",
            "--More--(12%)",
            "(END)",
            "[sudo] password for ada: ",
            "Username for 'https://github.com': ",
            "Enter passphrase for key '/home/ada/.ssh/id_ed25519':",
        ] {
            assert_eq!(asked(&format!("before\n{line}")).as_deref(), Some(line.trim()), "{line}");
            let lines = [line.to_owned(), "it went on".to_owned()];
            assert_eq!(waits(&lines, 1), None, "what was answered asks no more: {line}");
            assert_eq!(waits(&lines[..1], 7), None, "the cursor is elsewhere: {line}");
        }
    }

    #[test]
    fn menus_of_agents_wait_and_are_told_by_their_question() {
        for (screen, told) in [
            (
                "╭──────────╮\n│ Bash command\n│ Do you want to proceed?            │\n│ ❯ 1. Yes                           │\n│   2. Yes, and don't ask again      │\n│   3. No, and tell it what to do (esc) │\n╰──────────╯",
                "Do you want to proceed?",
            ),
            (
                "Would you like to run the following command?\n\n› 1. Yes, proceed (y)\n  2. No, and tell Codex what to do differently (esc)\n\n  Press enter to confirm or esc to cancel",
                "Would you like to run the following command?",
            ),
            ("  1. dark\n> 2. light\n", "> 2. light"),
            (
                "? Which package manager? (Use arrow keys)\n❯ npm\n  yarn",
                "? Which package manager? (Use arrow keys)",
            ),
        ] {
            assert_eq!(asked(screen).as_deref(), Some(told), "{screen}");
        }
    }

    #[test]
    fn what_only_looks_like_a_question_does_not_wait() {
        for screen in [
            "",
            "$ ",
            "answered y/n before",
            "epoch 3: loss 1.2",
            "> 1. Yes",
            "1. first\n2. second\n3. third",
            "│ >                         │\n? for shortcuts",
            "password accepted",
            "Press Ctrl-C to stop",
        ] {
            assert_eq!(asked(screen), None, "{screen}");
        }
    }
}
