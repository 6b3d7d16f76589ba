//! Durations as users write them, in flags and in YAML.

use std::time::Duration;

/// Parses a number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 =
        number.parse().map_err(|_| format!("'{text}' is no duration: write 90s, 15m or 1.5h"))?;
    let scale = match unit.trim() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        other => {
            return Err(format!("'{other}' is no unit of time: use ms, s, m, h or d, as in 90s or 1.5h"));
        }
    };
    Duration::try_from_secs_f64(number * scale).map_err(|_| format!("'{text}' is too long a duration"))
}

/// The same, and long enough to look at anything.
pub fn at_least_100_ms(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    if duration < Duration::from_millis(100) {
        return Err(format!("'{text}' is too short to look at anything: give at least 100ms"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_takes_a_unit_and_is_seconds_without_one() {
        let table = [
            ("500ms", 500),
            ("50", 50_000),
            ("50s", 50_000),
            ("1.5m", 90_000),
            (" 2 h ", 7_200_000),
            ("1d", 86_400_000),
            ("0", 0),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_what_one_looks_like() {
        for text in ["", "s", "-5s", "1.2.3", ".", "nan", "5 weeks", "5S", "1e3", "1h30m"] {
            assert!(parse(text).unwrap_err().contains("1.5h"), "{text}");
        }
        assert!(parse("99999999999999999999d").unwrap_err().contains("too long"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_seconds_come_back(seconds in 0_u64..100_000_000) {
            prop_assert_eq!(parse(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }
}
