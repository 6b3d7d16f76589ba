//! Units behind numbers.

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
