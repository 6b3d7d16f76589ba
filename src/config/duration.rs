//! Durations as users write them, in flags and in YAML.

use std::time::Duration;

/// Parses a number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        other => {
            return Err(format!(
                "'{other}' is no unit of time: use ms, s, m, h or d, as in 90s or 1.5h"
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("'{text}' is no duration: write 90s, 15m or 1.5h"))?;
    Duration::try_from_secs_f64(number * scale)
        .map_err(|_| format!("'{text}' is too long a duration"))
}
